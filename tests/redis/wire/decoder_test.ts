import { RedisError } from "../../../src/errors.ts";
import {
  RespDecoder,
  type RespDecoderOptions,
} from "../../../src/redis/wire/decoder.ts";
import { RespError, type RespValue } from "../../../src/redis/wire/resp.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertThrows,
} from "../../support/assert.ts";
import { seededRandom } from "../../support/seeded_random.ts";

const encoder = new TextEncoder();

/** What a decoder emitted, in order; an error as its message. */
type Handed = { value: unknown } | { channel: string; payload: unknown };

function plain(value: RespValue): unknown {
  if (value instanceof RedisError) return { error: value.message };
  return Array.isArray(value) ? value.map(plain) : value;
}

class Recorder {
  readonly handed: Handed[] = [];
  readonly decoder: RespDecoder;

  constructor(
    { withMessages = true, ...limits }: Partial<RespDecoderOptions> & {
      withMessages?: boolean;
    } = {},
  ) {
    this.decoder = new RespDecoder({
      ...limits,
      onValue: (value) => this.handed.push({ value: plain(value) }),
      onMessage: withMessages
        ? (channel, payload) => this.handed.push({ channel, payload })
        : undefined,
    });
  }

  push(...chunks: (string | Uint8Array)[]): Handed[] {
    for (const chunk of chunks) {
      this.decoder.push(
        typeof chunk === "string" ? encoder.encode(chunk) : chunk,
      );
    }
    return this.handed;
  }
}

function bytesOf(...parts: (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const chunks = parts.map((part) =>
    typeof part === "string" ? encoder.encode(part) : part
  );
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function bulk(value: string | Uint8Array | null): Uint8Array {
  if (value === null) return encoder.encode("$-1\r\n");
  const bytes = typeof value === "string" ? encoder.encode(value) : value;
  return bytesOf(`$${bytes.length}\r\n`, bytes, "\r\n");
}

function message(channel: string, payload: string | Uint8Array): Uint8Array {
  return bytesOf("*3\r\n", bulk("message"), bulk(channel), bulk(payload));
}

const NOT_UTF8 = new Uint8Array([0x80, 0x04, 0x0d, 0x0a, 0xff]);

/** Every kind of reply, with messages between them, and what they decode to. */
const MIXED: readonly [Uint8Array, Handed][] = [
  [bytesOf("+OK\r\n"), { value: "OK" }],
  [bytesOf("+\r\n"), { value: "" }],
  [bytesOf(":0\r\n"), { value: 0 }],
  [bytesOf(":-42\r\n"), { value: -42 }],
  [message("c", "payload"), { channel: "c", payload: "payload" }],
  [
    bytesOf("*3\r\n", bulk("smessage"), bulk("s"), bulk("sharded")),
    { channel: "s", payload: "sharded" },
  ],
  [
    bytesOf("*3\r\n", bulk("sunsubscribe"), bulk("s"), ":0\r\n"),
    { value: ["sunsubscribe", "s", 0] },
  ],
  [
    bytesOf("*3\r\n", bulk("ssubscribe"), bulk("s"), ":1\r\n"),
    { value: ["ssubscribe", "s", 1] },
  ],
  [bulk("text\r\nwith\r\nlines"), { value: "text\r\nwith\r\nlines" }],
  [bulk(""), { value: "" }],
  [bulk(null), { value: null }],
  [bytesOf("*-1\r\n"), { value: null }],
  [bytesOf("*0\r\n"), { value: [] }],
  [bulk("gr\u00fc\u00dfe \u4e2d\u6587 \u{1f600}"), {
    value: "gr\u00fc\u00dfe \u4e2d\u6587 \u{1f600}",
  }],
  [bulk(NOT_UTF8), { value: NOT_UTF8 }],
  [bulk("\ufeff{}"), { value: "\ufeff{}" }],
  [message("\u00e9", NOT_UTF8), { channel: "\u00e9", payload: NOT_UTF8 }],
  [message("empty", ""), { channel: "empty", payload: "" }],
  [
    bytesOf("-ERR unknown command 'X'\r\n"),
    { value: { error: "ERR unknown command 'X'" } },
  ],
  [
    bytesOf(
      "*5\r\n",
      bulk("a"),
      "*2\r\n:1\r\n*0\r\n",
      "-WRONGTYPE no\r\n",
      bulk(null),
      "*1\r\n",
      bulk(NOT_UTF8),
    ),
    {
      value: [
        "a",
        [1, []],
        { error: "WRONGTYPE no" },
        null,
        [NOT_UTF8],
      ],
    },
  ],
  [
    bytesOf("*3\r\n", bulk("subscribe"), bulk("c"), ":1\r\n"),
    { value: ["subscribe", "c", 1] },
  ],
  [bytesOf("*2\r\n", bulk("pong"), bulk("")), { value: ["pong", ""] }],
  [bytesOf("*3\r\n:1\r\n:2\r\n:3\r\n"), { value: [1, 2, 3] }],
  // As long as `message`.
  [
    bytesOf("*3\r\n", bulk("massage"), bulk("c"), bulk("p")),
    { value: ["massage", "c", "p"] },
  ],
  [message("last", "{}"), { channel: "last", payload: "{}" }],
];
const MIXED_BYTES = bytesOf(...MIXED.map(([bytes]) => bytes));
const MIXED_HANDED = MIXED.map(([, handed]) => handed);

Deno.test("RespDecoder reads every kind of value in one chunk", () => {
  assertEquals(new Recorder().push(MIXED_BYTES), MIXED_HANDED);
});

Deno.test("RespDecoder reads the same however the bytes are split in two", () => {
  for (let at = 1; at < MIXED_BYTES.length; at++) {
    assertEquals(
      new Recorder().push(MIXED_BYTES.slice(0, at), MIXED_BYTES.slice(at)),
      MIXED_HANDED,
      `split at ${at}`,
    );
  }
});

Deno.test("RespDecoder reads the same in single bytes", () => {
  const recorder = new Recorder();
  for (const byte of MIXED_BYTES) recorder.push(new Uint8Array([byte]));
  assertEquals(recorder.handed, MIXED_HANDED);
});

Deno.test("RespDecoder emits a message that arrives in single bytes", () => {
  const recorder = new Recorder();
  for (const byte of message("channel", "payload")) {
    recorder.push(new Uint8Array([byte]));
  }
  assertEquals(recorder.handed, [{ channel: "channel", payload: "payload" }]);
});

Deno.test("RespDecoder emits each value as soon as its last byte arrives", () => {
  for (const [bytes, handed] of MIXED) {
    for (let at = 1; at < bytes.length; at++) {
      const recorder = new Recorder();
      assertEquals(recorder.push(bytes.slice(0, at), bytes.slice(at, -1)), []);
      // An array may be shorter than the beginning of a message.
      assertEquals(recorder.push(bytes.slice(-1)), [handed]);
    }
  }
});

Deno.test("RespDecoder reads long streams in random splits", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed);
    const parts: Uint8Array[] = [];
    const expected: Handed[] = [];
    for (let i = 0; i < 300; i++) {
      if (random() < 0.1) {
        // Larger than one read.
        const large = (random() < 0.5 ? "x" : "\u00e4").repeat(
          Math.trunc(random() * 90_000),
        );
        const isMessage = random() < 0.5;
        parts.push(isMessage ? message("large", large) : bulk(large));
        expected.push(
          isMessage ? { channel: "large", payload: large } : { value: large },
        );
      }
      const [bytes, handed] = MIXED[Math.trunc(random() * MIXED.length)]!;
      parts.push(bytes);
      expected.push(handed);
    }
    const stream = bytesOf(...parts);
    const recorder = new Recorder();
    // From a few bytes a read to more than the buffer holds.
    const longest = 10 ** (1 + (seed % 5));
    for (let at = 0; at < stream.length;) {
      const length = 1 + Math.trunc(random() * longest);
      recorder.push(stream.subarray(at, at + length));
      at += length;
    }
    assertEquals(recorder.handed, expected, `seed ${seed}`);
  }
});

Deno.test("RespDecoder emits copies of bytes, not a view that the next read changes", () => {
  const recorder = new Recorder();
  recorder.push(bulk(NOT_UTF8));
  recorder.push(bulk("x".repeat(1000)));
  assertEquals(recorder.handed[0], { value: NOT_UTF8 });
});

Deno.test("RespDecoder reads what looks like a message as a value without onMessage", () => {
  for (const split of [1, 4, 20]) {
    const recorder = new Recorder({ withMessages: false });
    const bytes = message("channel", "payload");
    assertEquals(
      recorder.push(bytes.slice(0, split), bytes.slice(split)),
      [{ value: ["message", "channel", "payload"] }],
    );
  }
});

Deno.test("RespDecoder reads a message inside an array as a value", () => {
  const inner = message("channel", "payload");
  assertEquals(new Recorder().push(bytesOf("*1\r\n", inner)), [
    { value: [["message", "channel", "payload"]] },
  ]);
});

Deno.test("RespDecoder skips a message that no channel can have sent", () => {
  assertEquals(
    new Recorder().push(
      message("channel", "1"),
      bytesOf("*3\r\n", bulk("message"), bulk(NOT_UTF8), bulk("2")),
      bytesOf("*3\r\n", bulk("message"), bulk("channel"), bulk(null)),
      message("channel", "3"),
    ),
    [
      { channel: "channel", payload: "1" },
      { channel: "channel", payload: "3" },
    ],
  );
});

Deno.test("RespDecoder reads errors, inside arrays too, with their codes", () => {
  const values: RespValue[] = [];
  const decoder = new RespDecoder({ onValue: (value) => values.push(value) });
  decoder.push(encoder.encode("*2\r\n+OK\r\n-OOM command not allowed\r\n"));
  decoder.push(bytesOf("-ERR \u00fc ", new Uint8Array([0xff]), "\r\n"));
  const [array, error] = values;
  assert(Array.isArray(array));
  assertEquals(array[0], "OK");
  assertInstanceOf(array[1], RedisError);
  assertEquals(array[1].code, "OOM");
  assertInstanceOf(error, RedisError);
  assertEquals(error.code, "ERR");
  assertEquals(error.message, "ERR \u00fc \ufffd");
});

Deno.test("RespDecoder grows with the bytes received, not with the declared length", () => {
  const { decoder } = new Recorder();
  decoder.push(encoder.encode("$500000000\r\n"));
  decoder.push(new Uint8Array(1000));
  assert(decoder.reserve().buffer.byteLength <= 65536);
  decoder.push(new Uint8Array(1_000_000));
  assert(decoder.reserve().buffer.byteLength <= 4_194_304);
});

Deno.test("RespDecoder reads a huge bulk string in small reads, and releases its memory", () => {
  const recorder = new Recorder();
  const { decoder } = recorder;
  const large = "0123456789abcdef".repeat(500_000);
  const bytes = bulk(large);
  for (let at = 0; at < bytes.length; at += 16_384) {
    decoder.push(bytes.subarray(at, at + 16_384));
  }
  assertEquals(recorder.handed.length, 1);
  const handed = recorder.handed[0]!;
  assert("value" in handed && handed.value === large);
  assert(decoder.reserve().buffer.byteLength <= 65536);
});

Deno.test("RespDecoder releases memory even if the next value has begun", () => {
  const recorder = new Recorder();
  const { decoder } = recorder;
  decoder.push(bytesOf(bulk("x".repeat(5_000_000)), "+O"));
  // Enough that the rest is moved to the front of the buffer.
  assert(decoder.reserve().buffer.byteLength <= 65536);
  recorder.push("K\r\n");
  assertEquals(recorder.handed[1], { value: "OK" });
});

Deno.test("RespDecoder has free space after every commit", () => {
  const recorder = new Recorder();
  const { decoder } = recorder;
  const unit = bytesOf("+", "x".repeat(60_000), "\r\n");
  for (let round = 0; round < 20; round++) {
    for (let at = 0; at < unit.length;) {
      const room = decoder.reserve();
      assert(room.length > 0);
      const part = unit.subarray(at, at + room.length);
      room.set(part);
      decoder.commit(part.length);
      at += part.length;
    }
  }
  assertEquals(recorder.handed.length, 20);
});

Deno.test("RespDecoder refuses what is not RESP2", () => {
  const cases: [string, string][] = [
    ["HTTP/1.1 400 Bad Request\r\n", "HTTP/1.1 400"],
    ["\x15\x03\x01\x00\x02", "where a Redis reply should begin"],
    ["\r\n", "where a Redis reply should begin"],
    ["%1\r\n+a\r\n+b\r\n", "where a Redis reply should begin"],
    [":x\r\n", "where a number should be"],
    [":1.5\r\n", "where a number should be"],
    [":\r\n", "where a number should be"],
    [":-\r\n", "where a number should be"],
    ["$\r\n", "where a number should be"],
    ["$a\r\n", "where a number should be"],
    ["*a\r\n", "where a number should be"],
    ["$3\r\nabcd\r\n", "should end"],
    ["$3\r\nabc\nx", "should end"],
    [
      "*3\r\n$7\r\nmessage\r\n:1\r\n:2\r\n",
      "where a bulk string should begin",
    ],
    [
      "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n:2\r\n",
      "where a bulk string should begin",
    ],
  ];
  for (const [bytes, words] of cases) {
    assertThrows(() => new Recorder().push(bytes), RespError, words);
  }
});

Deno.test("RespDecoder emits what came before the garbage", () => {
  const recorder = new Recorder();
  assertThrows(() => recorder.push("+OK\r\ngarbage"), RespError);
  assertEquals(recorder.handed, [{ value: "OK" }]);
});

Deno.test("RespDecoder refuses a bulk string beyond the limit as soon as its length is known", () => {
  const limits = { maxBulkLength: 10 };
  assertEquals(new Recorder(limits).push(bulk("0123456789")), [
    { value: "0123456789" },
  ]);
  assertThrows(
    () => new Recorder(limits).push("$11\r\n"),
    RespError,
    "the limit is 10",
  );
  assertThrows(() => new Recorder().push("$536870913\r\n"), RespError);
  assertThrows(() => new Recorder().push(`$${"9".repeat(400)}\r\n`), RespError);
  assertThrows(
    () => new Recorder(limits).push(message("c", "01234567890")),
    RespError,
    "the limit is 10",
  );
});

Deno.test("RespDecoder refuses an array beyond the limit as soon as its length is known", () => {
  const limits = { maxArrayLength: 3 };
  assertEquals(new Recorder(limits).push("*3\r\n:1\r\n:2\r\n:3\r\n"), [
    { value: [1, 2, 3] },
  ]);
  assertThrows(
    () => new Recorder(limits).push("*4\r\n"),
    RespError,
    "the limit is 3",
  );
  assertThrows(() => new Recorder().push("*1048577\r\n"), RespError);
});

Deno.test("RespDecoder refuses arrays nested beyond the limit", () => {
  const nested = (depth: number): string => "*1\r\n".repeat(depth) + ":1\r\n";
  let value: RespValue = 1;
  for (let i = 0; i < 8; i++) value = [value];
  assertEquals(new Recorder().push(nested(8)), [{ value }]);
  assertThrows(
    () => new Recorder().push(nested(9)),
    RespError,
    "deeper than 8",
  );
  assertThrows(
    () => new Recorder({ maxDepth: 2 }).push(nested(3)),
    RespError,
    "deeper than 2",
  );
});

Deno.test("RespDecoder refuses an endless line", () => {
  const recorder = new Recorder();
  assertThrows(
    () => {
      recorder.push("+");
      for (let i = 0; i < 100; i++) recorder.push("x".repeat(1000));
    },
    RespError,
    "Read a line longer than",
  );
  assertThrows(
    () => {
      new Recorder().push(`:${"1".repeat(70_000)}`);
    },
    RespError,
    "Read a line longer than",
  );
});

Deno.test("RespDecoder reads a bare line feed or carriage return inside a line as part of it", () => {
  assertEquals(new Recorder().push("+a\nb\rc\r\n"), [{ value: "a\nb\rc" }]);
});

Deno.test("RespDecoder answers garbage with a RespError or waits for more, and never hangs", () => {
  const alphabet = encoder.encode("$*:+-\r\n0123456789message\xff");
  for (let seed = 1; seed <= 2000; seed++) {
    const random = seededRandom(seed);
    const bytes = Uint8Array.from(
      { length: 1 + Math.trunc(random() * 60) },
      () => alphabet[Math.trunc(random() * alphabet.length)]!,
    );
    try {
      new Recorder().push(bytes);
    } catch (error) {
      assertInstanceOf(error, RespError);
    }
  }
});
