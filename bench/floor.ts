// The least that any reader must do, as fast as possible: read the socket, frame
// the messages, decode the text, look up the key, parse the JSON.

const PREFIX = "celery-task-meta-";
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Reads messages until there was one for each of `taskIds`. */
export async function drainFloor(
  conn: Deno.Conn,
  taskIds: readonly string[],
): Promise<unknown> {
  const awaited = new Map<string, string>();
  for (const taskId of taskIds) awaited.set(PREFIX + taskId, taskId);
  let left = taskIds.length;
  let last: unknown;
  let buffer = new Uint8Array(1 << 16);
  let end = 0;
  while (left > 0) {
    const length = await conn.read(buffer.subarray(end));
    if (length === null) throw new Error("The pump hung up");
    end += length;
    const text = utf8.decode(buffer.subarray(0, end));
    let at = 0;
    for (;;) {
      // *3\r\n $7\r\nmessage\r\n $..\r\n<channel>\r\n $..\r\n<document>\r\n
      const channelLine = text.indexOf("\r\n", at + 18);
      if (channelLine < 0) break;
      const channelEnd = channelLine + 2 +
        Number(text.slice(at + 18, channelLine));
      const documentLine = text.indexOf("\r\n", channelEnd + 3);
      if (documentLine < 0) break;
      const documentEnd = documentLine + 2 +
        Number(text.slice(channelEnd + 3, documentLine));
      if (documentEnd + 2 > text.length) break;
      const channel = text.slice(channelLine + 2, channelEnd);
      const document = text.slice(documentLine + 2, documentEnd);
      if (awaited.get(channel) !== undefined) {
        last = JSON.parse(document);
        left--;
      }
      at = documentEnd + 2;
    }
    buffer.copyWithin(0, at, end);
    end -= at;
    if (end === buffer.length) {
      const larger = new Uint8Array(buffer.length * 2);
      larger.set(buffer);
      buffer = larger;
    }
  }
  return last;
}
