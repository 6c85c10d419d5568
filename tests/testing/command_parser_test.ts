import {
  type Command,
  CommandParser,
  CommandSyntaxError,
} from "../../src/testing/command_parser.ts";
import { assertEquals, assertInstanceOf } from "../support/assert.ts";

const encoder = new TextEncoder();

/** Parses text in pieces of `size`; returns the commands, and the bytes of the batches. */
function parse(
  text: string,
  size: number,
): { words: string[][]; bytes: string } {
  const parser = new CommandParser();
  const decoder = new TextDecoder();
  const input = encoder.encode(text);
  const words: string[][] = [];
  let bytes = "";
  for (let index = 0; index < input.length; index += size) {
    const batch = parser.push(input.slice(index, index + size));
    bytes += decoder.decode(batch.bytes);
    for (const { name, args } of batch.commands) {
      words.push([name, ...args.map((arg) => decoder.decode(arg))]);
    }
  }
  return { words, bytes };
}

const STREAM = "*2\r\n$3\r\nget\r\n$1\r\nk\r\n" +
  "PING inline\r\n\r\n" +
  "*0\r\n*-1\r\n" +
  "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$11\r\n*1\r\n$4\r\nx\r\n\r\n" +
  "*1\r\n$4\r\nQUIT\r\n";

Deno.test("CommandParser.push() finds the same commands in pieces of any size", () => {
  for (let size = 1; size <= STREAM.length; size++) {
    const { words, bytes } = parse(STREAM, size);
    assertEquals(words, [
      ["GET", "get", "k"],
      ["PING", "PING", "inline"],
      ["SET", "SET", "", "*1\r\n$4\r\nx\r\n"],
      ["QUIT", "QUIT"],
    ]);
    assertEquals(bytes, STREAM);
  }
});

Deno.test("CommandParser.push() returns the end of each command", () => {
  const parser = new CommandParser();
  const { commands, bytes } = parser.push(
    encoder.encode("*1\r\n$4\r\nPING\r\nECHO x\r\n*1\r\n$4\r\nQU"),
  );
  assertEquals(commands.map(({ end }: Command) => end), [14, 22]);
  assertEquals(bytes.length, 22);
});

Deno.test("CommandParser.push() keeps an incomplete command for the next call", () => {
  assertEquals(parse("*2\r\n$4\r\nECHO\r\n$5\r\nhel", 5).words, []);
});

Deno.test("CommandParser.push() copies a large command a few times at most", () => {
  const parser = new CommandParser();
  const size = 50_000_000;
  parser.push(encoder.encode(`*2\r\n$4\r\nECHO\r\n$${size}\r\n`));
  const piece = new Uint8Array(10_000);
  const start = performance.now();
  for (let sent = 0; sent < size; sent += piece.length) parser.push(piece);
  assertEquals(parser.push(encoder.encode("\r\n")).commands.length, 1);
  // A copy per piece would be 125 GB, and take tens of seconds.
  assertEquals(performance.now() - start < 5_000, true);
});

Deno.test("CommandParser.push() returns an error and all bytes if the input is not Redis's protocol", () => {
  for (
    const text of [
      "*1\r\n+PING\r\n",
      "*x\r\n",
      "*\r\n",
      "*1\r\n$x\r\n",
      "*1\r\n$99999999999\r\n",
    ]
  ) {
    const parser = new CommandParser();
    const half = encoder.encode(`PING\r\n${text.slice(0, 1)}`);
    const first = parser.push(half);
    assertEquals(first.commands.length, 1);
    assertEquals(first.error, undefined);
    const rest = encoder.encode(`${text.slice(1)}tail`);
    const { commands, bytes, error } = parser.push(rest);
    assertInstanceOf(error, CommandSyntaxError);
    assertEquals(commands, []);
    assertEquals(new TextDecoder().decode(bytes), `${text}tail`);
  }
});

Deno.test("CommandParser.push() returns the commands before a protocol error", () => {
  const { commands, error } = new CommandParser().push(
    encoder.encode("PING\r\nGET k\r\n*x\r\nPING\r\n"),
  );
  assertEquals(commands.map(({ name }) => name), ["PING", "GET"]);
  assertInstanceOf(error, CommandSyntaxError);
});

Deno.test("CommandParser.takeRest() returns the bytes of an incomplete command, once", () => {
  const parser = new CommandParser();
  parser.push(encoder.encode("PING\r\n*2\r\n$4\r\nEC"));
  parser.push(encoder.encode("HO\r\n"));
  const decoder = new TextDecoder();
  assertEquals(decoder.decode(parser.takeRest()), "*2\r\n$4\r\nECHO\r\n");
  assertEquals(parser.takeRest().length, 0);
});
