// docs/celery-parity.md names existing tests for everything that it says is
// supported, and covers every known setting and every public name of Celery's
// classes.

import {
  RETRY_POLICY,
  SETTINGS,
  type SettingUse,
  TRANSPORT_OPTIONS,
} from "../../src/celery_config/settings.ts";
import {
  assert,
  assertEquals,
  assertExists,
  assertMatch,
  assertStringIncludes,
} from "../support/assert.ts";
import { CELERY_PYTHON, needs } from "../support/needs.ts";

const PAGE = new URL("../../docs/celery-parity.md", import.meta.url);
/** A file and a title in code spans; a title with backticks has double ones. */
const TEST = /`([\w/]+_test\.ts)`: (`{1,2})(.+?)\2(?!`)/g;
/** Prints the public names of the classes, inherited ones included. */
const NAMES = `
from celery import result
from celery.backends import asynchronous, base, redis
for cls in (
    result.AsyncResult, result.ResultSet, result.GroupResult, result.EagerResult,
    redis.RedisBackend, redis.SentinelBackend, redis.ResultConsumer,
    base.Backend, base.KeyValueStoreBackend, asynchronous.AsyncBackendMixin,
):
    print(*[name for name in dir(cls) if not name.startswith("_")])
`;

interface Row {
  /** The name in Celery; empty if only this module has it. */
  celery: string;
  here: string;
  test: string;
}

function rowsOf(page: string): Row[] {
  const rows: Row[] = [];
  for (const line of page.split("\n")) {
    if (!line.startsWith("|")) continue;
    const cells = line.slice(1, -1).split("|").map((cell) => cell.trim());
    assertEquals(cells.length, 4, line);
    const [celery = "", here = "", test = ""] = cells;
    if (celery !== "Celery" && !/^-+$/.test(celery)) {
      rows.push({ celery, here, test });
    }
  }
  return rows;
}

/** Whether the file has a test with this title; `...` matches a template's expression. */
function hasTitle(source: string, title: string): boolean {
  const pattern = title.split("...").map(RegExp.escape).join("\\$\\{[^}]*\\}");
  return new RegExp(`(?:\\(|name:)\\s*(["'\`])${pattern}\\1`).test(source);
}

Deno.test("each supported row of the parity page names existing tests", async () => {
  const sources = new Map<string, string>();
  const rows = rowsOf(await Deno.readTextFile(PAGE));
  assert(rows.length > 200, `${rows.length} rows`);
  for (const { celery, here, test } of rows) {
    const named = [...test.matchAll(TEST)];
    const rest = test.replaceAll(TEST, "").replace(/^(; )*/, "");
    assertEquals(rest, named.length > 0 ? "" : "-", `${celery}: ${test}`);
    assert(named.length > 0 || here.startsWith("no: "), celery);
    for (const [, file = "", , title = ""] of named) {
      const source = sources.get(file) ??
        await Deno.readTextFile(new URL(`../${file}`, import.meta.url));
      sources.set(file, source);
      assert(hasTitle(source, title), `${file} has no test ${title}`);
    }
  }
});

Deno.test("the parity page says what becomes of each setting", async () => {
  const rows = rowsOf(await Deno.readTextFile(PAGE));
  const uses: Record<string, SettingUse> = {
    ...SETTINGS,
    ...TRANSPORT_OPTIONS,
    ...RETRY_POLICY,
  };
  for (const [name, { becomes }] of Object.entries(uses)) {
    const row = rows.find(({ celery }) => celery.includes(`\`${name}\``));
    assertExists(row, `There is no row for ${name}`);
    const here = row.here.replaceAll("`", "").toLowerCase();
    if (becomes === null) assertMatch(here, /^(no effect|refused)\b/, name);
    else assertStringIncludes(here, becomes.toLowerCase(), name);
  }
});

Deno.test(needs("celery", {
  name: "the parity page lists each public name of Celery's classes",
  async fn() {
    const rows = rowsOf(await Deno.readTextFile(PAGE));
    const listed = new Set(
      rows.flatMap(({ celery }) => celery.match(/\w+/g) ?? []),
    );
    const child = new Deno.Command(CELERY_PYTHON, { args: ["-c", NAMES] });
    const { success, stdout, stderr } = await child.output();
    assert(success, new TextDecoder().decode(stderr));
    const names = new TextDecoder().decode(stdout).trim().split(/\s+/);
    assert(names.length > 200, `${names.length} names`);
    assertEquals(names.filter((name) => !listed.has(name)), []);
  },
}));
