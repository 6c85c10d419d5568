import {
  type Command,
  CommandBuffer,
} from "../../../src/redis/wire/command.ts";
import { assertEquals } from "../../support/assert.ts";
import { CommandReader } from "../../support/command_reader.ts";

function sent(...commands: Command[]): string[][] {
  const buffer = new CommandBuffer();
  for (const command of commands) buffer.add(command);
  const reader = new CommandReader();
  const read = buffer.take().flatMap((chunk) => reader.push(chunk));
  assertEquals(reader.pending, 0);
  return read.map((words) =>
    words.map((word) =>
      new TextDecoder("utf-8", { ignoreBOM: true }).decode(word)
    )
  );
}

Deno.test("CommandBuffer writes ASCII arguments, including empty ones and line ends", () => {
  assertEquals(sent(["SET", "key", ""], ["GET", "a\r\nb"], ["PING"]), [
    ["SET", "key", ""],
    ["GET", "a\r\nb"],
    ["PING"],
  ]);
});

Deno.test("CommandBuffer counts bytes, not characters", () => {
  const words = ["SET", "\u00fc", "\u4e2d\u6587", "\u{1f600}", "\ufeffx", "\0"];
  assertEquals(sent(words, ["GET", "\u00fc"]), [words, ["GET", "\u00fc"]]);
});

Deno.test("CommandBuffer writes text too long for the common buffer, between other arguments", () => {
  for (const length of [4095, 4096, 4097, 100_000]) {
    const ascii = "x".repeat(length);
    const wide = "\u00e9".repeat(length);
    const command = ["EVAL", ascii, "1", wide, "tail", ascii];
    assertEquals(sent(["PING"], command, ["PING"]), [
      ["PING"],
      command,
      ["PING"],
    ]);
  }
});

Deno.test("CommandBuffer writes bytes as they are", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const buffer = new CommandBuffer();
  buffer.add(["SET", "key", bytes, "EX", 5]);
  buffer.add(["SET", "key", new Uint8Array(0)]);
  const reader = new CommandReader();
  const [first, second] = buffer.take().flatMap((chunk) => reader.push(chunk));
  assertEquals(first?.[2], bytes);
  assertEquals(first?.length, 5);
  assertEquals(second?.[2], new Uint8Array(0));
  assertEquals(reader.pending, 0);
});

Deno.test("CommandBuffer writes numbers in decimal", () => {
  assertEquals(sent(["X", 0, -1, 86400, 2 ** 53, 1.5]), [
    ["X", "0", "-1", "86400", "9007199254740992", "1.5"],
  ]);
});

Deno.test("CommandBuffer writes half a surrogate pair as the replacement character", () => {
  assertEquals(sent(["GET", "a\ud800b"], ["PING"]), [
    ["GET", "a\ufffdb"],
    ["PING"],
  ]);
});

Deno.test("CommandBuffer joins short commands into one chunk, and is empty after take", () => {
  const buffer = new CommandBuffer();
  assertEquals(buffer.isEmpty, true);
  assertEquals(buffer.take(), []);
  for (let i = 0; i < 1000; i++) buffer.add(["GET", `key-${i}`]);
  assertEquals(buffer.isEmpty, false);
  assertEquals(buffer.take().length, 1);
  assertEquals(buffer.isEmpty, true);
  buffer.add(["SET", "key", new Uint8Array([1])]);
  assertEquals(buffer.isEmpty, false);
});
