import { setOwn } from "../own_property.ts";
import { MAX_READ_DEPTH } from "../envelopes.ts";
import type { ParseOptions } from "../types.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Stands for a container whose items come next. */
const OPENED = Symbol("opened");

/** A container that is being filled. */
interface Frame {
  value: unknown[] | Record<string, unknown>;
  /** How many items are still to come. */
  left: number;
  /** The key of the member that comes next. */
  key: string;
}

/**
 * Reads msgpack as Python's `packb()` writes it, and as anyone else may: bytes
 * become a `Uint8Array` of its own, a timestamp a `Date`, and a key that is no
 * string its text, as it would be in JSON (`1` is `"1"`). Integers beyond 2^53
 * become what `options` say.
 *
 * No size that a document claims is believed: nothing is allocated for items
 * that are not there, and nothing is read beyond an end.
 *
 * @throws {Error} If `bytes` are not msgpack, hold an extension type or text
 * that is not UTF-8, or are nested more than 2,000 levels deep. The message
 * reads on from "Cannot decode ...:".
 */
export function decodeMsgpack(
  bytes: Uint8Array,
  options: ParseOptions,
): unknown {
  return new Reader(bytes, options.integers === "bigint").read();
}

/** One pass over one document. It keeps its own stack, so that no nesting can use up the real one. */
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
      let value = this.#value();
      if (value === OPENED) continue;
      for (;;) {
        const frame = this.#stack.at(-1);
        if (frame === undefined) {
          if (this.#at < this.#bytes.length) {
            this.#fail(`goes on after its end at byte ${this.#at}`);
          }
          return value;
        }
        if (Array.isArray(frame.value)) frame.value.push(value);
        else setOwn(frame.value, frame.key, value);
        if (--frame.left > 0) {
          if (!Array.isArray(frame.value)) frame.key = this.#key();
          break;
        }
        value = frame.value;
        this.#stack.pop();
      }
    }
  }

  /** Reads a scalar or an empty container, or opens a container and pushes it. */
  #value(): unknown {
    const type = this.#view.getUint8(this.#take(1));
    if (type < 0x80) return type;
    if (type < 0x90) return this.#open({}, type & 0x0f);
    if (type < 0xa0) return this.#open([], type & 0x0f);
    if (type < 0xc0) return this.#text(type & 0x1f);
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
        return this.#binary(this.#size(type - 0xc4));
      case 0xca:
        return this.#view.getFloat32(this.#take(4));
      case 0xcb:
        return this.#view.getFloat64(this.#take(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#size(type - 0xcc);
      case 0xcf:
        return this.#integer(this.#view.getBigUint64(this.#take(8)));
      case 0xd0:
        return this.#view.getInt8(this.#take(1));
      case 0xd1:
        return this.#view.getInt16(this.#take(2));
      case 0xd2:
        return this.#view.getInt32(this.#take(4));
      case 0xd3:
        return this.#integer(this.#view.getBigInt64(this.#take(8)));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#size(type - 0xc7));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(2 ** (type - 0xd4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#size(type - 0xd9));
      case 0xdc:
      case 0xdd:
        return this.#open([], this.#size(type - 0xdb));
      case 0xde:
      case 0xdf:
        return this.#open({}, this.#size(type - 0xdd));
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
    const frame: Frame = { value, left: size, key: "" };
    if (!Array.isArray(value)) frame.key = this.#key();
    this.#stack.push(frame);
    return OPENED;
  }

  /** A key is text, or becomes what Python's JSON makes of it. */
  #key(): string {
    const start = this.#at;
    const key = this.#scalarKey();
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
          `has a key at byte ${start} that is neither text nor number`,
        );
    }
  }

  #scalarKey(): unknown {
    const type = this.#bytes[this.#at];
    // A container as a key would be opened, with keys of its own.
    const isContainer = type !== undefined &&
      (type >= 0x80 && type < 0xa0 || type >= 0xdc && type < 0xe0);
    return isContainer ? undefined : this.#value();
  }

  /** An unsigned integer of 1, 2 or 4 bytes. */
  #size(power: number): number {
    switch (power) {
      case 0:
        return this.#view.getUint8(this.#take(1));
      case 1:
        return this.#view.getUint16(this.#take(2));
      default:
        return this.#view.getUint32(this.#take(4));
    }
  }

  #integer(value: bigint): number | bigint {
    const number = Number(value);
    return this.#bigints && !Number.isSafeInteger(number) ? value : number;
  }

  #text(size: number): string {
    const start = this.#take(size);
    try {
      return utf8.decode(this.#bytes.subarray(start, this.#at));
    } catch {
      this.#fail(`has text at byte ${start} that is not UTF-8`);
    }
  }

  /** A copy: a part of the document would keep, and clone, all of it. */
  #binary(size: number): Uint8Array {
    const start = this.#take(size);
    return this.#bytes.slice(start, this.#at);
  }

  #extension(size: number): Date {
    const start = this.#take(size + 1);
    const type = this.#view.getInt8(start);
    const date = type === -1 ? this.#timestamp(start + 1, size) : undefined;
    if (date !== undefined) return date;
    this.#fail(
      `has an extension of type ${type} at byte ${start}, which Celery's msgpack does not know`,
    );
  }

  /** The only extension that msgpack itself defines. */
  #timestamp(at: number, size: number): Date | undefined {
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

  /** Goes past `size` bytes; returns where they begin. */
  #take(size: number): number {
    const start = this.#at;
    if (size > this.#bytes.length - start) this.#fail("ends too early");
    this.#at = start + size;
    return start;
  }

  #fail(what: string): never {
    throw new Error(`it is not msgpack that can be read: it ${what}`);
  }
}
