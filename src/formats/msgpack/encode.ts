import { type Refusal, toIsoformat } from "../encodable.ts";
import { toPlain } from "../plain.ts";
import { datetimeText } from "../envelopes.ts";

const MIN_INT64 = -(2n ** 63n);
const MAX_UINT64 = 2n ** 64n - 1n;

/** The size of the longest number, with its type. */
const MAX_NUMBER_BYTES = 9;

const RULES = { refuse };

/**
 * Encodes msgpack byte for byte as Python's `packb()` does for Celery: with
 * different types for strings and bytes, each integer in its shortest form, and
 * no extension types.
 *
 * It accepts the same values as `encodeJson()`, with these differences:
 *
 * - a `Uint8Array` is bytes;
 * - a `Date` is its ISO text, since Celery's msgpack has no datetime;
 * - a bigint may have up to 64 bits;
 * - a string must be well-formed, since UTF-8 cannot encode a lone surrogate.
 *
 * @throws {TypeError} If `value` holds something that msgpack cannot represent,
 * contains itself, or is nested more than 800 levels deep. The message has the
 * path, which begins with `name`.
 */
export function encodeMsgpack(
  value: unknown,
  name?: string,
): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.write(toPlain(value, name, RULES));
  return writer.bytes();
}

function refuse(value: string | bigint): Refusal | undefined {
  if (typeof value === "string") {
    return value.isWellFormed() ? undefined : [
      "a string with a lone surrogate",
      "msgpack cannot represent it: use text.toWellFormed()",
    ];
  }
  return value >= MIN_INT64 && value <= MAX_UINT64 ? undefined : [
    "an integer of more than 64 bits",
    "msgpack cannot represent it: store its digits as a string, or use JSON",
  ];
}

/** Writes plain data to a growing buffer. */
class Writer {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  write(value: unknown): void {
    switch (typeof value) {
      case "string":
        return this.#string(value);
      case "number":
        return this.#number(value);
      case "bigint":
        return this.#bigint(value);
      case "boolean":
        return this.#byte(value ? 0xc3 : 0xc2);
      default:
        if (value === null) this.#byte(0xc0);
        // toPlain() leaves no other type.
        else this.#object(value as object);
    }
  }

  #object(value: object): void {
    if (value instanceof Uint8Array) {
      this.#head(value.length, 0, 0, 0xc4, 0xc5, 0xc6);
      this.#append(value);
    } else if (value instanceof Date) {
      this.#string(datetimeText(value) ?? toIsoformat(value));
    } else if (Array.isArray(value)) {
      this.#head(value.length, 0x90, 16, 0, 0xdc, 0xdd);
      for (const item of value) this.write(item);
    } else {
      const members = Object.entries(value);
      this.#head(members.length, 0x80, 16, 0, 0xde, 0xdf);
      for (const [key, member] of members) {
        this.#string(key);
        this.write(member);
      }
    }
  }

  #string(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.#head(bytes.length, 0xa0, 32, 0xd9, 0xda, 0xdb);
    this.#append(bytes);
  }

  /** Writes a type and a size in their shortest form: in one byte, or the size in 1, 2 or 4 more. */
  #head(
    size: number,
    fixed: number,
    fixedEnd: number,
    type8: number,
    type16: number,
    type32: number,
  ): void {
    this.#reserve(MAX_NUMBER_BYTES);
    if (size < fixedEnd) {
      this.#byte(fixed | size);
    } else if (size < 2 ** 8 && type8 !== 0) {
      this.#view.setUint8(this.#advance(type8, 1), size);
    } else if (size < 2 ** 16) {
      this.#view.setUint16(this.#advance(type16, 2), size);
    } else {
      this.#view.setUint32(this.#advance(type32, 4), size);
    }
  }

  #number(value: number): void {
    this.#reserve(MAX_NUMBER_BYTES);
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.#view.setFloat64(this.#advance(0xcb, 8), value);
    } else if (value >= 0) {
      if (value < 2 ** 7) this.#byte(value);
      else if (value < 2 ** 8) {
        this.#view.setUint8(this.#advance(0xcc, 1), value);
      } else if (value < 2 ** 16) {
        this.#view.setUint16(this.#advance(0xcd, 2), value);
      } else if (value < 2 ** 32) {
        this.#view.setUint32(this.#advance(0xce, 4), value);
      } else this.#view.setBigUint64(this.#advance(0xcf, 8), BigInt(value));
    } else if (value >= -(2 ** 5)) this.#byte(value & 0xff);
    else if (value >= -(2 ** 7)) {
      this.#view.setInt8(this.#advance(0xd0, 1), value);
    } else if (value >= -(2 ** 15)) {
      this.#view.setInt16(this.#advance(0xd1, 2), value);
    } else if (value >= -(2 ** 31)) {
      this.#view.setInt32(this.#advance(0xd2, 4), value);
    } else this.#view.setBigInt64(this.#advance(0xd3, 8), BigInt(value));
  }

  #bigint(value: bigint): void {
    this.#reserve(MAX_NUMBER_BYTES);
    const number = Number(value);
    if (Number.isSafeInteger(number)) this.#number(number);
    else if (value > 0n) this.#view.setBigUint64(this.#advance(0xcf, 8), value);
    else this.#view.setBigInt64(this.#advance(0xd3, 8), value);
  }

  #byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /**
   * Writes a type, and returns the position of the `size` bytes that follow it.
   * Call `#reserve()` before: it replaces `#view`.
   */
  #advance(type: number, size: number): number {
    this.#bytes[this.#length] = type;
    const at = this.#length + 1;
    this.#length = at + size;
    return at;
  }

  #append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(size: number): void {
    const needed = this.#length + size;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
