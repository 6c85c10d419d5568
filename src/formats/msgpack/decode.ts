import { decodeUtf8 } from "../../util/decode_utf8.ts";
import { MAX_READ_DEPTH } from "../envelopes.ts";
import { setOwn } from "../own_property.ts";
import type { ParseOptions } from "../types.ts";

/** The value of a container that was opened: its items come next. */
const OPENED = Symbol("opened");

/** A container that is being read. */
interface Frame {
  value: unknown[] | Record<string, unknown>;
  /** How many of its items are not read yet. */
  remaining: number;
  /** The key of the next member. */
  key: string;
}

/**
 * Decodes msgpack, from Python's `packb()` or any other writer: bytes become a
 * `Uint8Array`, which shares no memory with the document; a timestamp becomes a
 * `Date`; and a key that is not a string becomes its text, as in JSON (`1` is
 * `"1"`). Integers beyond 2^53 become what `options` say.
 *
 * It does not trust the sizes that a document claims: it allocates nothing for
 * items that are missing, and reads nothing beyond the end.
 *
 * @throws {Error} If `bytes` are not msgpack, hold an extension type or text
 * that is not UTF-8, or are nested more than 2,000 levels deep. The message
 * completes "Cannot decode ...:".
 */
export function decodeMsgpack(
  bytes: Uint8Array,
  options: ParseOptions,
): unknown {
  return new Reader(bytes, options.integers === "bigint").read();
}

/** Reads one document, once. It has its own stack, so no nesting can exhaust the call stack. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #bigints: boolean;
  readonly #stack: Frame[] = [];
  #at = 0;

  constructor(bytes: Uint8Array, bigints: boolean) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#bigints = bigints;
  }

  read(): unknown {
    for (;;) {
      let value = this.#readValue();
      if (value === OPENED) continue;
      for (;;) {
        const frame = this.#stack.at(-1);
        if (frame === undefined) {
          if (this.#at < this.#bytes.length) {
            this.#fail(`continues after its end at byte ${this.#at}`);
          }
          return value;
        }
        if (Array.isArray(frame.value)) frame.value.push(value);
        else setOwn(frame.value, frame.key, value);
        if (--frame.remaining > 0) {
          if (!Array.isArray(frame.value)) frame.key = this.#readKey();
          break;
        }
        value = frame.value;
        this.#stack.pop();
      }
    }
  }

  /** Reads a scalar or an empty container, or opens a container and pushes it. */
  #readValue(): unknown {
    const type = this.#view.getUint8(this.#skip(1));
    if (type < 0x80) return type;
    if (type < 0x90) return this.#open({}, type & 0x0f);
    if (type < 0xa0) return this.#open([], type & 0x0f);
    if (type < 0xc0) return this.#readText(type & 0x1f);
    if (type >= 0xe0) return type - 0x100;
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#readBytes(this.#readSize(type - 0xc4));
      case 0xca:
        return this.#view.getFloat32(this.#skip(4));
      case 0xcb:
        return this.#view.getFloat64(this.#skip(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#readSize(type - 0xcc);
      case 0xcf:
        return this.#toInteger(this.#view.getBigUint64(this.#skip(8)));
      case 0xd0:
        return this.#view.getInt8(this.#skip(1));
      case 0xd1:
        return this.#view.getInt16(this.#skip(2));
      case 0xd2:
        return this.#view.getInt32(this.#skip(4));
      case 0xd3:
        return this.#toInteger(this.#view.getBigInt64(this.#skip(8)));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#readExtension(this.#readSize(type - 0xc7));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#readExtension(2 ** (type - 0xd4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#readText(this.#readSize(type - 0xd9));
      case 0xdc:
      case 0xdd:
        return this.#open([], this.#readSize(type - 0xdb));
      case 0xde:
      case 0xdf:
        return this.#open({}, this.#readSize(type - 0xdd));
      default:
        this.#fail(
          `has an unknown type 0x${type.toString(16)} at byte ${this.#at - 1}`,
        );
    }
  }

  #open(
    value: unknown[] | Record<string, unknown>,
    size: number,
  ): unknown {
    if (size === 0) return value;
    if (this.#stack.length === MAX_READ_DEPTH) {
      throw new RangeError(
        `it is nested more than ${MAX_READ_DEPTH} levels deep`,
      );
    }
    const frame: Frame = { value, remaining: size, key: "" };
    if (!Array.isArray(value)) frame.key = this.#readKey();
    this.#stack.push(frame);
    return OPENED;
  }

  /** Reads a key as text: other scalars become what Python's JSON makes of them. */
  #readKey(): string {
    const start = this.#at;
    const key = this.#readScalarKey();
    switch (typeof key) {
      case "string":
        return key;
      case "number":
      case "bigint":
      case "boolean":
        return String(key);
      default:
        if (key === null) return "null";
        this.#fail(
          `has a key at byte ${start} that is neither text nor a number`,
        );
    }
  }

  #readScalarKey(): unknown {
    const type = this.#bytes[this.#at];
    // Reading a container would open it.
    const isContainer = type !== undefined &&
      (type >= 0x80 && type < 0xa0 || type >= 0xdc && type < 0xe0);
    return isContainer ? undefined : this.#readValue();
  }

  /** Reads an unsigned integer of 1, 2 or 4 bytes. */
  #readSize(power: number): number {
    switch (power) {
      case 0:
        return this.#view.getUint8(this.#skip(1));
      case 1:
        return this.#view.getUint16(this.#skip(2));
      default:
        return this.#view.getUint32(this.#skip(4));
    }
  }

  #toInteger(value: bigint): number | bigint {
    const number = Number(value);
    return this.#bigints && !Number.isSafeInteger(number) ? value : number;
  }

  #readText(size: number): string {
    const start = this.#skip(size);
    return decodeUtf8(this.#bytes.subarray(start, this.#at)) ??
      this.#fail(`has text at byte ${start} that is not UTF-8`);
  }

  /** Copies bytes: a view would retain, and clone, the whole document. */
  #readBytes(size: number): Uint8Array {
    const start = this.#skip(size);
    return this.#bytes.slice(start, this.#at);
  }

  #readExtension(size: number): Date {
    const start = this.#skip(size + 1);
    const type = this.#view.getInt8(start);
    const date = type === -1 ? this.#readTimestamp(start + 1, size) : undefined;
    if (date !== undefined) return date;
    this.#fail(
      `has an extension of type ${type} at byte ${start}, which Celery's msgpack does not know`,
    );
  }

  /** Reads the only extension that msgpack itself defines. */
  #readTimestamp(at: number, size: number): Date | undefined {
    const view = this.#view;
    let seconds: number;
    let nanoseconds = 0;
    if (size === 4) {
      seconds = view.getUint32(at);
    } else if (size === 8) {
      const first = view.getUint32(at);
      nanoseconds = first >>> 2;
      seconds = (first & 3) * 2 ** 32 + view.getUint32(at + 4);
    } else if (size === 12) {
      nanoseconds = view.getUint32(at);
      seconds = Number(view.getBigInt64(at + 4));
    } else return undefined;
    const date = new Date(seconds * 1000 + Math.floor(nanoseconds / 1e6));
    return Number.isNaN(date.getTime()) ? undefined : date;
  }

  /** Moves past `size` bytes, and returns the position of the first. */
  #skip(size: number): number {
    const start = this.#at;
    if (size > this.#bytes.length - start) this.#fail("ends too early");
    this.#at = start + size;
    return start;
  }

  #fail(what: string): never {
    throw new Error(`it is not valid msgpack: it ${what}`);
  }
}
