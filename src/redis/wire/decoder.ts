import { RedisError } from "../../errors.ts";

import { type MessageHandler, RespError, type RespValue } from "./resp.ts";

/** What a decoder does with what it reads, and how much it accepts. */
export interface RespDecoderOptions {
  /** Takes each complete value. */
  onValue(value: RespValue): void;
  /**
   * Takes the messages of subscribed channels, plain and sharded. Without it, a
   * `message` is a value like any other: only a subscribed connection may give
   * it, because a reply to MGET can look the same.
   */
  onMessage?: MessageHandler | undefined;
  /**
   * Told of the length of an array that is a value of its own, before its
   * elements are read. It may throw what ends the reading.
   */
  onArray?(length: number): void;
  /** The longest bulk string accepted, in bytes. @default {536870912} */
  maxBulkLength?: number;
  /** The longest array accepted, in elements. @default {1048576} */
  maxArrayLength?: number;
  /** How deep arrays may nest. @default {8} */
  maxDepth?: number;
}

interface Frame {
  readonly items: RespValue[];
  missing: number;
}

const CR = 13;
const LF = 10;
const MINUS = 45;
const PLUS = 43;
const COLON = 58;
const DOLLAR = 36;
const STAR = 42;
const MIN_CAPACITY = 65536;
const MAX_LINE_LENGTH = 65536;
// The array and its first item, as every message begins.
const encoder = new TextEncoder();
const MESSAGE_HEAD = encoder.encode("*3\r\n$7\r\nmessage\r\n");
const SMESSAGE_HEAD = encoder.encode("*3\r\n$8\r\nsmessage\r\n");
const UNSUBSCRIBE_HEAD = encoder.encode("*3\r\n$11\r\nunsubscribe\r\n");
// The BOM is part of a document; dropping it would change what was stored.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes RESP2 from byte chunks of any split.
 *
 * A read goes straight into the decoder's own buffer (`reserve`, then
 * `commit`), so that bytes are copied once. What Celery writes is ASCII: a
 * whole read is decoded to text in one go, and bulk strings are slices of
 * that. (Measured: a TextDecoder call per bulk string costs five times as
 * much.)
 */
export class RespDecoder {
  readonly #onValue: (value: RespValue) => void;
  readonly #onMessage: RespDecoderOptions["onMessage"];
  readonly #onArray: RespDecoderOptions["onArray"];
  readonly #maxBulkLength: number;
  readonly #maxArrayLength: number;
  readonly #maxDepth: number;
  readonly #stack: Frame[] = [];
  #buffer = new Uint8Array(MIN_CAPACITY);
  #start = 0;
  #end = 0;
  // Fewer unread bytes than this cannot complete the next element, so a large
  // bulk string is looked at once, however many reads it comes in.
  #needed = 1;
  // The unread bytes as text when they are all ASCII: false, when they are
  // not; undefined, when nobody asked yet. #textAt is where it begins.
  #text: string | false | undefined;
  #textAt = 0;
  #messages = 0;
  // Where the bulk string that #bounds found lies, and what comes behind it.
  #from = 0;
  #to = 0;
  #next = 0;

  /** Prepares for one connection's replies. */
  constructor(options: RespDecoderOptions) {
    this.#onValue = options.onValue;
    this.#onMessage = options.onMessage;
    this.#onArray = options.onArray;
    this.#maxBulkLength = options.maxBulkLength ?? 536_870_912;
    this.#maxArrayLength = options.maxArrayLength ?? 1_048_576;
    this.#maxDepth = options.maxDepth ?? 8;
  }

  /** The free space to read into. Valid until `commit`. */
  reserve(): Uint8Array {
    if (this.#start > 0) {
      if (this.#start === this.#end) {
        this.#start = this.#end = 0;
      } else if (
        this.#end === this.#buffer.length || this.#start > MIN_CAPACITY / 2
      ) {
        this.#buffer.copyWithin(0, this.#start, this.#end);
        this.#end -= this.#start;
        this.#start = 0;
      }
    }
    if (
      this.#start === 0 && this.#end < MIN_CAPACITY / 2 &&
      this.#buffer.length > 4 * MIN_CAPACITY
    ) {
      // A large value has gone through: give its memory back.
      const smaller = new Uint8Array(MIN_CAPACITY);
      smaller.set(this.#buffer.subarray(0, this.#end));
      this.#buffer = smaller;
    } else if (this.#end === this.#buffer.length) {
      // Grows with the bytes that came, not with the length that the peer
      // declared: a declared length costs the peer nothing.
      const larger = new Uint8Array(this.#buffer.length * 2);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    return this.#buffer.subarray(this.#end);
  }

  /**
   * Takes the first `length` bytes of what `reserve` gave, and hands on what is
   * complete.
   *
   * @throws {RespError} if the bytes are not RESP2, or exceed a limit. The
   * decoder is of no further use then.
   */
  commit(length: number): void {
    this.#end += length;
    if (this.#end - this.#start < this.#needed) return;
    this.#text = undefined;
    while (this.#end - this.#start >= this.#needed && this.#element()) {
      // #element advances.
    }
    this.#text = undefined;
  }

  /**
   * What the last bytes began and did not complete. The beginning of an array
   * may become a message.
   */
  get partial(): "reply" | "message" | undefined {
    if (this.#stack.length > 0) return "reply";
    if (this.#start === this.#end) return undefined;
    return this.#buffer[this.#start] === STAR ? "message" : "reply";
  }

  /** How many messages have come. */
  get messages(): number {
    return this.#messages;
  }

  /** Takes a chunk from elsewhere: `reserve` and `commit` with a copy. */
  push(chunk: Uint8Array): void {
    for (let offset = 0; offset < chunk.length;) {
      const part = this.reserve();
      const length = Math.min(part.length, chunk.length - offset);
      part.set(chunk.subarray(offset, offset + length));
      offset += length;
      this.commit(length);
    }
  }

  /** Reads one element at #start; false when its bytes are not all there. */
  #element(): boolean {
    const buffer = this.#buffer;
    const at = this.#start;
    switch (buffer[at]) {
      case DOLLAR: {
        const value = this.#bulk(at);
        return value !== undefined && this.#took(this.#next, value);
      }
      case STAR:
        return this.#array(at);
      case COLON: {
        const end = this.#line(at);
        return end >= 0 && this.#took(end + 2, this.#number(at + 1, end));
      }
      case PLUS: {
        const end = this.#line(at);
        return end >= 0 && this.#took(end + 2, this.#slice(at + 1, end));
      }
      case MINUS: {
        const end = this.#line(at);
        if (end < 0) return false;
        return this.#took(end + 2, new RedisError(this.#lenient(at + 1, end)));
      }
      default:
        throw new RespError(
          `Read ${this.#excerpt(at)} where a Redis reply should begin`,
        );
    }
  }

  #array(at: number): boolean {
    const isPush = this.#onMessage !== undefined && this.#stack.length === 0;
    // The reply that comes most: no array is built for it. (Measured: framing
    // takes a fifth less time.)
    if (isPush && this.#startsWith(MESSAGE_HEAD, at)) {
      return this.#message(MESSAGE_HEAD.length, at);
    }
    if (isPush && this.#startsWith(SMESSAGE_HEAD, at)) {
      return this.#message(SMESSAGE_HEAD.length, at);
    }
    if (isPush && this.#startsWith(UNSUBSCRIBE_HEAD, at)) {
      // The other reply that comes once per result: its channel is not wanted.
      if (!this.#bounds(at + UNSUBSCRIBE_HEAD.length)) return false;
      const end = this.#line(this.#next);
      return end >= 0 && this.#took(end + 2, "unsubscribe");
    }
    const end = this.#line(at);
    if (end < 0) return false;
    const length = this.#number(at + 1, end);
    if (length > this.#maxArrayLength) {
      throw new RespError(
        `Read an array of ${length} elements: the limit is ${this.#maxArrayLength}`,
      );
    }
    if (length <= 0) return this.#took(end + 2, length < 0 ? null : []);
    if (this.#stack.length >= this.#maxDepth) {
      throw new RespError(
        `Read arrays nested deeper than ${this.#maxDepth}`,
      );
    }
    if (this.#stack.length === 0) this.#onArray?.(length);
    this.#stack.push({ items: [], missing: length });
    this.#start = end + 2;
    this.#needed = 1;
    return true;
  }

  /** Hands on a message whose channel stands behind `headLength` bytes. */
  #message(headLength: number, at: number): boolean {
    if (this.#end - at < headLength) {
      // Any byte may show that it is none, and a whole array be shorter.
      this.#needed = this.#end - at + 1;
      return false;
    }
    const channel = this.#bulk(at + headLength);
    if (channel === undefined) return false;
    const payload = this.#bulk(this.#next);
    if (payload === undefined) return false;
    this.#start = this.#next;
    this.#needed = 1;
    this.#messages++;
    if (payload === null || typeof channel !== "string") return true;
    this.#onMessage?.(channel, payload);
    return true;
  }

  /** Whether this begins like `head`, as far as it has come. */
  #startsWith(head: Uint8Array, at: number): boolean {
    const length = Math.min(head.length, this.#end - at);
    for (let i = 0; i < length; i++) {
      if (this.#buffer[at + i] !== head[i]) return false;
    }
    return true;
  }

  /**
   * Reads a bulk string at `at`, and sets #next to where it ends. Undefined,
   * and #needed set, when its bytes are not all there.
   */
  #bulk(at: number): string | Uint8Array | null | undefined {
    if (!this.#bounds(at)) return undefined;
    return this.#to < 0 ? null : this.#slice(this.#from, this.#to);
  }

  /**
   * Finds the bounds of the bulk string at `at`: #from, #to (negative for a
   * null) and #next. False, and #needed set, when its bytes are not all there.
   */
  #bounds(at: number): boolean {
    const lineEnd = this.#line(at);
    if (lineEnd < 0) return false;
    if (this.#buffer[at] !== DOLLAR) {
      throw new RespError(
        `Read ${this.#excerpt(at)} where a bulk string should begin`,
      );
    }
    const length = this.#number(at + 1, lineEnd);
    if (length > this.#maxBulkLength) {
      throw new RespError(
        `Read a bulk string of ${length} bytes: the limit is ${this.#maxBulkLength}`,
      );
    }
    const from = lineEnd + 2;
    if (length < 0) {
      this.#to = -1;
      this.#next = from;
      return true;
    }
    const to = from + length;
    if (to + 2 > this.#end) {
      this.#needed = to + 2 - this.#start;
      return false;
    }
    if (this.#buffer[to] !== CR || this.#buffer[to + 1] !== LF) {
      throw new RespError(
        `Read ${
          this.#excerpt(to)
        } where a bulk string of ${length} bytes should end`,
      );
    }
    this.#from = from;
    this.#to = to;
    this.#next = to + 2;
    return true;
  }

  /** Hands a value to the array it belongs to, or on. */
  #took(next: number, value: RespValue): true {
    this.#start = next;
    this.#needed = 1;
    let whole = value;
    for (;;) {
      const frame = this.#stack.at(-1);
      if (frame === undefined) break;
      frame.items.push(whole);
      if (--frame.missing > 0) return true;
      this.#stack.pop();
      whole = frame.items;
    }
    this.#onValue(whole);
    return true;
  }

  /** The index of the line's CR, or -1 when its end has not come. */
  #line(at: number): number {
    const buffer = this.#buffer;
    for (let i = at + 1; i + 1 < this.#end; i++) {
      if (buffer[i] === CR && buffer[i + 1] === LF) return i;
      if (i - at > MAX_LINE_LENGTH) {
        throw new RespError(`Read a line longer than ${MAX_LINE_LENGTH} bytes`);
      }
    }
    this.#needed = this.#end - this.#start + 1;
    return -1;
  }

  #number(from: number, to: number): number {
    const buffer = this.#buffer;
    const negative = buffer[from] === MINUS;
    let value = 0;
    for (let i = negative ? from + 1 : from; i < to; i++) {
      const digit = buffer[i]! - 48;
      if (digit < 0 || digit > 9) {
        throw new RespError(
          `Read ${this.#excerpt(from)} where a number should be`,
        );
      }
      value = value * 10 + digit;
    }
    if (to === from || (negative && to === from + 1)) {
      throw new RespError("Read an empty line where a number should be");
    }
    return negative ? -value : value;
  }

  /** Text, where the bytes are UTF-8; a copy of them, where they are not. */
  #slice(from: number, to: number): string | Uint8Array {
    this.#text ??= this.#ascii();
    if (this.#text !== false) {
      return this.#text.slice(from - this.#textAt, to - this.#textAt);
    }
    const bytes = this.#buffer.subarray(from, to);
    try {
      return utf8.decode(bytes);
    } catch {
      // Not UTF-8, or too long for a string: the bytes say it all.
      return bytes.slice();
    }
  }

  #ascii(): string | false {
    this.#textAt = this.#start;
    const bytes = this.#buffer.subarray(this.#start, this.#end);
    try {
      const text = utf8.decode(bytes);
      // As many code units as bytes, and valid: then each byte is ASCII.
      return text.length === bytes.length && text;
    } catch {
      return false;
    }
  }

  #lenient(from: number, to: number): string {
    return new TextDecoder().decode(this.#buffer.subarray(from, to));
  }

  #excerpt(at: number): string {
    return JSON.stringify(this.#lenient(at, Math.min(at + 32, this.#end)));
  }
}
