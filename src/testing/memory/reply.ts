/**
 * What the memory Redis answers, and how that is written to the wire.
 *
 * @module
 */

/** A reply in a few words that are not data, such as `OK`. */
export class Status {
  /** The words. */
  readonly text: string;

  /** Takes the words. */
  constructor(text: string) {
    this.text = text;
  }
}

/** Several replies to one command, as SUBSCRIBE has one a channel. */
export class Replies {
  /** The replies, in order. */
  readonly items: readonly Reply[];

  /** Takes the replies. */
  constructor(items: readonly Reply[]) {
    this.items = items;
  }
}

/** An error reply; commands throw it. */
export class ReplyError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "ReplyError";
}

/** The array that is none: the reply of an EXEC whose watched keys changed. */
export const NULL_ARRAY: unique symbol = Symbol("null array");

/** A reply: a string or bytes are a bulk string, numbers an integer, null the missing bulk string. */
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

/** The reply to what went well and has nothing to say. */
export const OK: Status = new Status("OK");

const INITIAL_SIZE = 4_096;
const MAX_KEPT = 1_048_576;
const encoder = new TextEncoder();

/** Replies in wire format, gathered until they are sent. */
export class ReplyBuffer {
  #bytes: Uint8Array = new Uint8Array(INITIAL_SIZE);
  #length = 0;

  /** How many bytes there are. */
  get length(): number {
    return this.#length;
  }

  /** What was gathered, to be used before anything is added or cleared. */
  get view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Throws away what was gathered. */
  clear(): void {
    // What one large reply needed is not kept for the small ones.
    if (this.#bytes.length > MAX_KEPT) {
      this.#bytes = new Uint8Array(INITIAL_SIZE);
    }
    this.#length = 0;
  }

  /** Hands over what was gathered, and begins anew. */
  take(): Uint8Array {
    const bytes = this.view;
    // Not reused: whoever writes these bytes may take a while.
    this.#bytes = new Uint8Array(INITIAL_SIZE);
    this.#length = 0;
    return bytes;
  }

  /** Adds bytes that are in wire format already. */
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
      // A line end within would be taken for the reply's end.
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
    // Three bytes a character at most, in UTF-8.
    this.#reserve(3 * text.length + 3);
    this.#bytes[this.#length++] = type.charCodeAt(0);
    // Lengths and numbers, nearly always: too short for an encoder to pay.
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
