/// <reference lib="deno.worker" />

// The publisher of the drain benchmark: as much of a Redis server as a subscriber
// needs, in its own Worker, so that the benchmark measures the reader and not the
// publisher. Once all channels are subscribed, `FIRE` sends one pre-rendered
// result on each, as fast as the socket accepts them.

const encoder = new TextEncoder();

/** The document that Celery 5.6 stores for a small success. */
function renderDocument(taskId: string): string {
  return `{"status": "SUCCESS", "result": {"total": 42, "name": "caf\\u00e9"}, "traceback": null, ` +
    `"children": [], "date_done": "2026-11-20T15:24:35.026424+00:00", "task_id": "${taskId}"}`;
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

/** Renders every message, in random order, in chunks of about 1 MiB. */
function render(taskIds: string[]): Uint8Array[] {
  const shuffled = [...taskIds];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.trunc(Math.random() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  const chunks: Uint8Array[] = [];
  let text = "";
  for (const taskId of shuffled) {
    text += `*3\r\n${bulk("message")}${bulk(`celery-task-meta-${taskId}`)}${
      bulk(renderDocument(taskId))
    }`;
    if (text.length > 1 << 20) {
      chunks.push(encoder.encode(text));
      text = "";
    }
  }
  chunks.push(encoder.encode(text));
  return chunks;
}

/** One argument of SUBSCRIBE: all channels have the same length. */
const WORD = bulk("celery-task-meta-00000000-0000-0000-0000-000000000000");
const WORD_HEAD = WORD.slice(0, WORD.indexOf("\r\n") + 2);

/**
 * Answers the complete commands at the start of `text`; `rest` is what follows
 * them. Confirmations are built without looking at each channel, because Redis
 * would be as fast and the reader must not wait for the pump.
 */
function answer(
  text: string,
  onCommand: (name: string) => void,
): { replies: string; rest: string } {
  let replies = "";
  let at = 0;
  for (;;) {
    const head = /^\*(\d+)\r\n\$\d+\r\n(\w+)\r\n/.exec(text.slice(at, at + 64));
    if (head === null) break;
    const [header, count, name] = head as unknown as [string, string, string];
    const words = Number(count) - 1;
    const body = at + header.length;
    if (name === "SUBSCRIBE" || name === "UNSUBSCRIBE") {
      const end = body + words * WORD.length;
      if (end > text.length) break;
      const before = `*3\r\n${bulk(name.toLowerCase())}${WORD_HEAD}`;
      replies += text.slice(body, end)
        .replaceAll(WORD_HEAD, `:1\r\n${before}`).slice(":1\r\n".length) +
        ":1\r\n";
      onCommand(name);
      at = end;
      continue;
    }
    const args: string[] = [];
    let next = body;
    while (args.length < words) {
      const line = text.indexOf("\r\n", next);
      if (line < 0) break;
      const length = Number(text.slice(next + 1, line));
      if (line + 2 + length + 2 > text.length) break;
      args.push(text.slice(line + 2, line + 2 + length));
      next = line + 2 + length + 2;
    }
    if (args.length < words) break;
    replies += replyTo(name, args);
    onCommand(name);
    at = next;
  }
  return { replies, rest: text.slice(at) };
}

function replyTo(name: string, args: readonly string[]): string {
  switch (name) {
    case "PING":
      return args.length === 0
        ? "+PONG\r\n"
        : `*2\r\n${bulk("pong")}${bulk(args[0]!)}`;
    case "PUBSUB":
      return `*2\r\n${bulk(args[1]!)}:1\r\n`;
    case "MGET":
      return `*${args.length}\r\n${"$-1\r\n".repeat(args.length)}`;
    case "FIRE":
      return "";
    default:
      return "+OK\r\n";
  }
}

/** A connection with several writers, whose writes do not interleave. */
class Client {
  readonly conn: Deno.TcpConn;
  #last: Promise<void> = Promise.resolve();

  constructor(conn: Deno.TcpConn) {
    this.conn = conn;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#last = this.#last.then(async () => {
      for (let at = 0; at < bytes.length;) {
        at += await this.conn.write(bytes.subarray(at));
      }
    });
    return this.#last;
  }
}

async function serve(
  client: Client,
  messages: Uint8Array[],
  subscriber: { client?: Client },
): Promise<void> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(1 << 18);
  let pending = "";
  for (;;) {
    const length = await client.conn.read(buffer).catch(() => null);
    if (length === null) return;
    pending += decoder.decode(buffer.subarray(0, length));
    let fires = 0;
    const { replies, rest } = answer(pending, (name) => {
      if (name === "SUBSCRIBE") subscriber.client = client;
      if (name === "FIRE") fires++;
    });
    pending = rest;
    if (replies !== "") await client.write(encoder.encode(replies));
    for (; fires > 0; fires--) {
      const to = subscriber.client ?? client;
      for (const chunk of messages) await to.write(chunk);
    }
  }
}

self.onmessage = async ({ data }: MessageEvent<string[]>): Promise<void> => {
  const messages = render(data);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  self.postMessage((listener.addr as Deno.NetAddr).port);
  const subscriber: { client?: Client } = {};
  for await (const conn of listener) {
    conn.setNoDelay(true);
    const client = new Client(conn);
    // A client that disconnects during a write is not an error.
    serve(client, messages, subscriber).catch(() => {}).finally(() => {
      if (subscriber.client === client) delete subscriber.client;
      conn.close();
    });
  }
};
