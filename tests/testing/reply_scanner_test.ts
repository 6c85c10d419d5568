import { ReplyScanner } from "../../src/testing/proxy/reply_scanner.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

const encoder = new TextEncoder();

const REPLIES = [
  "+OK\r\n",
  "-ERR no\r\n",
  ":42\r\n",
  "$-1\r\n",
  "*-1\r\n",
  "*0\r\n",
  "$0\r\n\r\n",
  "$9\r\n+OK\r\n*3\r\n\r\n",
  "*2\r\n*2\r\n:1\r\n$1\r\nx\r\n*0\r\n",
  "*3\r\n$9\r\nsubscribe\r\n$7\r\nmessage\r\n:1\r\n",
  "%1\r\n+key\r\n*1\r\n:1\r\n",
  "_\r\n",
  ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n",
];

const MESSAGES = [
  "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\n+OK\r\n\r\n",
  "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$0\r\n\r\n",
  "*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nx\r\n",
  ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n",
];

Deno.test("ReplyScanner.scan() finds the same frames in pieces of any size", () => {
  const frames = REPLIES.flatMap((reply, index) => [
    { text: reply, isReply: true },
    { text: MESSAGES[index % MESSAGES.length] as string, isReply: false },
  ]);
  const stream = frames.map(({ text }) => text).join("");
  const expected: { end: number; isReply: boolean }[] = [];
  let total = 0;
  for (const { text, isReply } of frames) {
    total += text.length;
    expected.push({ end: total, isReply });
  }
  const input = encoder.encode(stream);
  for (let size = 1; size <= 80; size++) {
    const scanner = new ReplyScanner();
    const found: { end: number; isReply: boolean }[] = [];
    for (let index = 0; index < input.length; index += size) {
      const piece = input.slice(index, index + size);
      for (const { end, isReply } of scanner.scan(piece)) {
        found.push({ end: index + end, isReply });
      }
    }
    assertEquals(found, expected);
    assertEquals(scanner.isBetweenFrames, true);
  }
});

Deno.test("ReplyScanner.mayBeReply recognizes an unfinished message by its head", () => {
  const scanner = new ReplyScanner();
  scanner.scan(encoder.encode("*3\r\n$7\r\nmess"));
  assertEquals(scanner.isBetweenFrames, false);
  assertEquals(scanner.mayBeReply, true);
  scanner.scan(encoder.encode("age\r\n$1\r\na\r\n$100\r\nbegun"));
  assertEquals(scanner.mayBeReply, false);
});

Deno.test("ReplyScanner.scan() throws if the input is not Redis's protocol", () => {
  assertThrows(
    () => new ReplyScanner().scan(encoder.encode("HTTP/1.1 200 OK\r\n")),
    SyntaxError,
  );
});
