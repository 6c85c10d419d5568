import { parseDatetime } from "../../src/formats/datetime.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { assertEquals } from "../support/assert.ts";

function assertTime(text: string, iso: string): void {
  assertEquals(parseDatetime(text), new Date(iso).getTime(), text);
}

Deno.test("parseDatetime() reads a text without an offset as UTC", () => {
  assertTime("2026-11-20T15:24:35.026424", "2026-11-20T15:24:35.026Z");
  assertTime("2026-11-20T15:24:35", "2026-11-20T15:24:35Z");
  assertTime("2026-11-20 15:24:35", "2026-11-20T15:24:35Z");
  assertTime("2026-11-20T15:24", "2026-11-20T15:24:00Z");
  assertTime("2026-11-20", "2026-11-20T00:00:00Z");
});

Deno.test("parseDatetime() reads every form of offset", () => {
  assertTime("2026-11-20T15:24:35.026424+00:00", "2026-11-20T15:24:35.026Z");
  assertTime("2026-11-20T15:24:35.123Z", "2026-11-20T15:24:35.123Z");
  assertTime("2026-11-20T20:54:35+05:30", "2026-11-20T15:24:35Z");
  assertTime("2026-11-20T05:24:35-10:00", "2026-11-20T15:24:35Z");
  assertTime("2026-11-20T05:24:35-1000", "2026-11-20T15:24:35Z");
  assertTime("2026-11-20T16:24:35+01", "2026-11-20T15:24:35Z");
  assertTime("2026-11-20T21:18:03+05:53:28", "2026-11-20T15:24:35Z");
  assertTime("2026-11-20T15:24:34-00:00:01.500000", "2026-11-20T15:24:35.500Z");
});

Deno.test("parseDatetime() truncates to milliseconds", () => {
  assertTime("2026-11-20T15:24:35.999999", "2026-11-20T15:24:35.999Z");
  assertTime("2026-11-20T15:24:35.9", "2026-11-20T15:24:35.900Z");
  assertTime("2026-11-20T15:24:35,98Z", "2026-11-20T15:24:35.980Z");
  assertTime("2026-11-20T15:24:35.123456789+00:00", "2026-11-20T15:24:35.123Z");
  assertTime("1969-12-31T23:59:59.999999", "1969-12-31T23:59:59.999Z");
});

Deno.test("parseDatetime() knows the calendar", () => {
  assertTime("2024-02-29T00:00:00", "2024-02-29T00:00:00Z");
  assertTime("2000-02-29T00:00:00", "2000-02-29T00:00:00Z");
  assertTime("0001-01-01T00:00:00", "0001-01-01T00:00:00Z");
  assertTime("9999-12-31T23:59:59.999", "9999-12-31T23:59:59.999Z");
  for (const day of ["2023-02-29", "1900-02-29", "2024-04-31", "2024-01-32"]) {
    assertEquals(parseDatetime(`${day}T00:00:00`), NaN, day);
  }
});

Deno.test("parseDatetime() returns NaN for other text", () => {
  for (
    const text of [
      "",
      "now",
      "task 1",
      "1700000000",
      "2026-11-2",
      "2026-13-01T00:00:00",
      "2026-00-01T00:00:00",
      "2026-01-00T00:00:00",
      "0000-01-01T00:00:00",
      "2026-11-20T",
      "2026-11-20X15:24:35",
      "2026-11-20T24:00:00",
      "2026-11-20T15:60:00",
      "2026-11-20T15:24:60",
      "2026-11-20T15:24:35.",
      "2026-11-20T15:24:3",
      "2026-11-20T15:24:35+",
      "2026-11-20T15:24:35+5:30",
      "2026-11-20T15:24:35+24:00",
      "2026-11-20T15:24:35+05:60",
      "2026-11-20T15:24:35Z ",
      "2026-11-20T15:24:35 UTC",
      "2x26-11-20T15:24:35",
      "+002026-11-20T15:24:35",
    ]
  ) {
    assertEquals(parseDatetime(text), NaN, text);
  }
});

Deno.test("parseDatetime() agrees with Date for random times", () => {
  const random = seededRandom(7);
  for (let i = 0; i < 5000; i++) {
    // From year 1 to the end of 9999.
    const time = Math.floor(-62135596800000 + random() * 315537897600000);
    const iso = new Date(time).toISOString();
    assertEquals(parseDatetime(iso), time, iso);
    assertEquals(parseDatetime(`${iso.slice(0, -1)}456+00:00`), time, iso);
    assertEquals(parseDatetime(iso.slice(0, -1)), time, iso);
  }
});
