/**
 * A small RESP2 client for tests. It shares no code with `src/`, so that it
 * checks the module independently.
 *
 * @module
 */

import { Inbox } from "./inbox.ts";
import { type Reply, ReplyError, ReplyReader } from "./reply_reader.ts";

export { type Reply, ReplyError } from "./reply_reader.ts";

/** An argument of a command. Numbers are sent in decimal. */
export type Argument = string | number | Uint8Array;

/** A message that a subscribed connection received. */
export interface Message {
  /** Its channel. */
  channel: string;
  /** Its payload: text, or bytes if the client reads `"bytes"`. */
  payload: string | Uint8Array;
  /** The pattern that matched, after PSUBSCRIBE. */
  pattern?: string;
}

/** How to read replies. */
export interface TestClientOptions {
  /**
   * What a bulk string becomes: `"text"` decodes UTF-8, `"bytes"` keeps the
   * bytes. `"wire"` returns each reply as received, type byte and line ends
   * included, one character per byte; error replies then resolve, too.
   *
   * @default {"text"}
   */
  as?: "text" | "bytes" | "wire";
}

interface Pending {
  promise: Promise<Reply>;
  resolve: (reply: Reply) => void;
  reject: (reason: unknown) => void;
  /** How many replies are missing; SUBSCRIBE gets one per channel. */
  replies: number;
  collected: Reply[];
  /** The command's name. */
  name: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Connects to a Redis server, logs in, and selects the URL's database.
 *
 * ```ts ignore
 * await using client = await connect("redis://127.0.0.1:6379/0");
 * const [, stored] = await Promise.all([
 *   client.send("SET", "key", "value"),
 *   client.send("GET", "key"),
 * ]);
 * ```
 */
export async function connect(
  url: string | URL,
  options: TestClientOptions = {},
): Promise<TestClient> {
  const { hostname, port, username, password, pathname } = new URL(url);
  const conn = await Deno.connect({
    hostname: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port || 6379),
  });
  conn.setNoDelay(true);
  const client = new TestClient(conn, options);
  try {
    if (password !== "") {
      const user = username === "" ? [] : [decodeURIComponent(username)];
      await client.send("AUTH", ...user, decodeURIComponent(password));
    }
    const db = pathname.replace(/^\/+/, "");
    if (db !== "" && db !== "0") await client.send("SELECT", db);
  } catch (error) {
    await client.close();
    throw error;
  }
  return client;
}

/** One connection; commands may be sent without waiting for each other's replies. */
export class TestClient implements AsyncDisposable {
  /** The messages of subscribed channels. */
  readonly messages: Inbox<Message> = new Inbox<Message>();
  /** Settles when the connection has ended, on either side. */
  readonly closed: Promise<void>;
  readonly #conn: Deno.TcpConn;
  readonly #as: "text" | "bytes" | "wire";
  readonly #pending: Pending[] = [];
  readonly #channels = new Set<string>();
  #lines: Inbox<string> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #over = false;

  /** Wraps an open connection; {@linkcode connect} opens one. */
  constructor(conn: Deno.TcpConn, { as = "text" }: TestClientOptions = {}) {
    this.#conn = conn;
    this.#as = as;
    this.closed = this.#read();
  }

  /** The number of confirmed subscriptions to channels and patterns. */
  get subscriptions(): number {
    return this.#channels.size;
  }

  /**
   * Sends one command and resolves to its reply. SUBSCRIBE and UNSUBSCRIBE
   * resolve to an array of all their confirmations.
   *
   * @throws {ReplyError} if the server answers with an error.
   */
  send(...args: Argument[]): Promise<Reply> {
    const name = String(args[0]).toUpperCase();
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    if (this.#over) {
      return Promise.reject(
        new Error(`Cannot send ${name}: the connection is closed`),
      );
    }
    this.#pending.push({
      promise,
      resolve,
      reject,
      name,
      collected: [],
      replies: /^[PS]?(UN)?SUBSCRIBE$/.test(name)
        ? Math.max(
          1,
          args.length > 1 ? args.length - 1 : this.#countOf(name),
        )
        : 1,
    });
    this.sendRaw(encodeCommand(args)).catch(() => {
      // The reader also detects the loss, and rejects what is pending.
    });
    return promise;
  }

  /** Writes raw bytes, without waiting for a reply. */
  sendRaw(bytes: Uint8Array): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      for (let sent = 0; sent < bytes.length;) {
        sent += await this.#conn.write(bytes.subarray(sent));
      }
    });
    return this.#writing;
  }

  /** Sends MONITOR: from then on, the server reports each command it runs as a line. */
  async monitor(): Promise<Inbox<string>> {
    const lines = new Inbox<string>();
    const ready = this.send("MONITOR");
    // Set at once: the first line may arrive in the same packet as the reply.
    this.#lines = lines;
    await ready;
    return lines;
  }

  /** Closes the connection; replies still awaited reject. Idempotent. */
  async close(): Promise<void> {
    this.#end(new Error("The test client was closed"));
    await this.closed;
  }

  /** Closes the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #read(): Promise<void> {
    const reader = new ReplyReader(this.#as);
    const buffer = new Uint8Array(65_536);
    let reason: unknown = new Error("The server closed the connection");
    try {
      for (;;) {
        const count = await this.#conn.read(buffer);
        if (count === null) break;
        for (const reply of reader.push(buffer.slice(0, count))) {
          this.#dispatch(reply.value, reply.plain);
        }
      }
    } catch (error) {
      reason = error;
    }
    this.#end(reason);
    await this.#writing.catch(() => {});
  }

  /** `plain` is the reply as text or bytes, even if `reply` is the wire form. */
  #dispatch(reply: Reply, plain: Reply): void {
    const pending = this.#pending[0];
    if (
      this.#lines !== undefined && typeof plain === "string" &&
      (pending === undefined || pending.name !== "MONITOR")
    ) {
      return this.#lines.push(plain);
    }
    if (Array.isArray(plain) && this.#isPush(plain)) return;
    if (pending === undefined) {
      return this.#end(
        new Error(
          `The server sent what nobody asked for: ${Deno.inspect(reply)}`,
        ),
      );
    }
    pending.collected.push(reply);
    if (
      !(plain instanceof ReplyError) &&
      pending.collected.length < pending.replies
    ) return;
    this.#pending.shift();
    if (reply instanceof ReplyError) return pending.reject(reply);
    const several = /SUBSCRIBE$/.test(pending.name) &&
      !(plain instanceof ReplyError);
    pending.resolve(several ? pending.collected : reply);
  }

  /** Separates messages from replies, and counts subscriptions. */
  #isPush(items: Reply[]): boolean {
    const [kind, first, second, third] = items.map(textOf);
    if (kind === undefined || first === undefined) return false;
    if (/^[ps]?subscribe$/.test(kind)) {
      this.#channels.add(`${kind} ${first}`);
    } else if (/^[ps]?unsubscribe$/.test(kind)) {
      this.#channels.delete(`${kind.replace("un", "")} ${first}`);
    } else if (this.#channels.size > 0) {
      if (kind === "message" || kind === "smessage") {
        this.messages.push({ channel: first, payload: payloadOf(items[2]) });
        return true;
      }
      if (kind === "pmessage" && second !== undefined && third !== undefined) {
        this.messages.push({
          pattern: first,
          channel: second,
          payload: payloadOf(items[3]),
        });
        return true;
      }
    }
    return false;
  }

  #countOf(name: string): number {
    const kind = name.toLowerCase().replace("un", "");
    return [...this.#channels].filter((key) => key.startsWith(`${kind} `))
      .length;
  }

  #end(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#conn.close();
    for (const pending of this.#pending.splice(0)) {
      // Tests of faults abandon replies, and must not fail because of them.
      pending.promise.catch(() => {});
      pending.reject(reason);
    }
    this.messages.close(reason);
    this.#lines?.close(reason);
  }
}

/** Encodes a command as RESP2. */
export function encodeCommand(args: Argument[]): Uint8Array {
  const parts: Uint8Array[] = [encoder.encode(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = arg instanceof Uint8Array ? arg : encoder.encode(String(arg));
    parts.push(encoder.encode(`$${bytes.length}\r\n`), bytes);
    parts.push(encoder.encode("\r\n"));
  }
  const whole = new Uint8Array(
    parts.reduce((length, part) => length + part.length, 0),
  );
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

function textOf(reply: Reply): string | undefined {
  if (typeof reply === "string") return reply;
  return reply instanceof Uint8Array ? decoder.decode(reply) : undefined;
}

function payloadOf(reply: Reply | undefined): string | Uint8Array {
  return reply instanceof Uint8Array ? reply : String(reply);
}
