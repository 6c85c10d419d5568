/**
 * The memory Redis's replies, and their wire format.
 *
 * @module
 */

/** A simple string, such as `OK`. */
export class Status {
  /** The string. */
  readonly text: string;

  /** Creates a simple string. */
  constructor(text: string) {
    this.text = text;
  }
}

/** Several replies to one command: SUBSCRIBE has one per channel. */
export class Replies {
  /** The replies, in order. */
  readonly items: readonly Reply[];

  /** Groups replies. */
  constructor(items: readonly Reply[]) {
    this.items = items;
  }
}

/** An error reply; commands throw it. */
export class ReplyError extends Error {
  /** The name of the class, which survives where `instanceof` does not. */
  override readonly name = "ReplyError";
}

/** The null array: the reply to an EXEC whose watched keys changed. */
export const NULL_ARRAY: unique symbol = Symbol("null array");

/** A reply. Strings and bytes are bulk strings, numbers are integers, and null is the null bulk string. */
export type Reply =
  | Status
  | Replies
  | ReplyError
  | Uint8Array
  | string
  | number
  | bigint
  | null
  | typeof NULL_ARRAY
  | readonly Reply[];

/** The reply of commands that succeed and have nothing to return. */
export const OK: Status = new Status("OK");

const INITIAL_BYTES = 4_096;
const MAX_KEPT_BYTES = 1_048_576;
const encoder = new TextEncoder();

/** Collects replies in wire format until they are sent. */
export class ReplyBuffer {
  #bytes: Uint8Array = new Uint8Array(INITIAL_BYTES);
  #length = 0;

  /** How many bytes are collected. */
  get length(): number {
    return this.#length;
  }

  /** The collected bytes; invalid once anything is added or cleared. */
  get view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Drops the collected bytes. */
  clear(): void {
    // Do not keep the memory of one large reply.
    if (this.#bytes.length > MAX_KEPT_BYTES) {
      this.#bytes = new Uint8Array(INITIAL_BYTES);
    }
    this.#length = 0;
  }

  /** Returns the collected bytes, and starts over. */
  take(): Uint8Array {
    const bytes = this.view;
    // Not reused: the bytes may be written later.
    this.#bytes = new Uint8Array(INITIAL_BYTES);
    this.#length = 0;
    return bytes;
  }

  /** Adds bytes that are already in wire format. */
  addBytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Adds a reply. */
  add(reply: Reply): void {
    if (typeof reply === "number" || typeof reply === "bigint") {
      this.#line(":", String(reply));
    } else if (reply === null) {
      this.#line("$", "-1");
    } else if (reply instanceof Uint8Array) {
      this.#bulk(reply);
    } else if (typeof reply === "string") {
      this.#bulk(encoder.encode(reply));
    } else if (reply instanceof Status) {
      this.#line("+", reply.text);
    } else if (reply instanceof ReplyError) {
      // A line break would end the reply.
      this.#line("-", reply.message.replace(/[\r\n]/g, " "));
    } else if (reply === NULL_ARRAY) {
      this.#line("*", "-1");
    } else if (reply instanceof Replies) {
      for (const item of reply.items) this.add(item);
    } else {
      this.#line("*", String(reply.length));
      for (const item of reply) this.add(item);
    }
  }

  #bulk(bytes: Uint8Array): void {
    this.#line("$", String(bytes.length));
    this.addBytes(bytes);
    this.#reserve(2);
    this.#bytes[this.#length++] = 13;
    this.#bytes[this.#length++] = 10;
  }

  #line(type: string, text: string): void {
    // UTF-8 needs at most three bytes per UTF-16 code unit.
    this.#reserve(3 * text.length + 3);
    this.#bytes[this.#length++] = type.charCodeAt(0);
    // Nearly always lengths and numbers: too short for an encoder to pay off.
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > 127) {
        this.#addText(text.slice(index));
        break;
      }
      this.#bytes[this.#length++] = code;
    }
    this.#bytes[this.#length++] = 13;
    this.#bytes[this.#length++] = 10;
  }

  #addText(text: string): void {
    const rest = this.#bytes.subarray(this.#length);
    this.#length += encoder.encodeInto(text, rest).written;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, needed));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
