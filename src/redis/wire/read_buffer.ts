const MIN_CAPACITY_BYTES = 65_536;
// A byte order mark is part of a document: dropping it would change what was stored.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenientUtf8 = new TextDecoder();

/**
 * The unread bytes of one connection, as bytes and as text.
 *
 * What Celery writes is ASCII: a whole read is decoded to text in one go, and
 * strings are slices of that. (Measured: a TextDecoder call per string costs
 * five times as much.)
 */
export class ReadBuffer {
  /** Holds the unread bytes. Replaced by `reserve`. */
  bytes = new Uint8Array(MIN_CAPACITY_BYTES);
  /** Where the unread bytes begin. The reader advances it. */
  start = 0;
  /** Where they end. */
  end = 0;
  // The unread bytes as text if all of them are ASCII; false if not; undefined
  // until asked for. #textStart is where it begins.
  #text: string | false | undefined;
  #textStart = 0;

  /** The free space to read into. Valid until `commit`. */
  reserve(): Uint8Array {
    if (this.start > 0) {
      if (this.start === this.end) {
        this.start = this.end = 0;
      } else if (
        this.end === this.bytes.length || this.start > MIN_CAPACITY_BYTES / 2
      ) {
        this.bytes.copyWithin(0, this.start, this.end);
        this.end -= this.start;
        this.start = 0;
      }
    }
    if (
      this.start === 0 && this.end < MIN_CAPACITY_BYTES / 2 &&
      this.bytes.length > 4 * MIN_CAPACITY_BYTES
    ) {
      // A large value has passed: release its memory.
      this.#resize(MIN_CAPACITY_BYTES);
    } else if (this.end === this.bytes.length) {
      // Grows with the bytes received, not with a declared length, which costs
      // the peer nothing.
      this.#resize(this.bytes.length * 2);
    }
    return this.bytes.subarray(this.end);
  }

  /** Adds the first `length` bytes of what `reserve` returned. */
  commit(length: number): void {
    this.end += length;
    this.#text = undefined;
  }

  /** Whether the bytes at `at` are those of `prefix`, as far as they have arrived. */
  startsWith(prefix: Uint8Array, at: number): boolean {
    const { bytes } = this;
    const length = Math.min(prefix.length, this.end - at);
    for (let i = 0; i < length; i++) {
      if (bytes[at + i] !== prefix[i]) return false;
    }
    return true;
  }

  /** The bytes as text where they are UTF-8; a copy of them where they are not. */
  slice(from: number, to: number): string | Uint8Array {
    this.#text ??= this.#decodeAscii();
    if (this.#text !== false) {
      return this.#text.slice(from - this.#textStart, to - this.#textStart);
    }
    const bytes = this.bytes.subarray(from, to);
    try {
      return utf8.decode(bytes);
    } catch {
      // Not UTF-8, or too long for a string.
      return bytes.slice();
    }
  }

  /** The bytes as text, with invalid UTF-8 replaced. */
  lenientSlice(from: number, to: number): string {
    return lenientUtf8.decode(this.bytes.subarray(from, to));
  }

  /** Releases the text, which would keep a whole read in memory. */
  releaseText(): void {
    this.#text = undefined;
  }

  #resize(capacity: number): void {
    const bytes = new Uint8Array(capacity);
    bytes.set(this.bytes.subarray(0, this.end));
    this.bytes = bytes;
  }

  #decodeAscii(): string | false {
    this.#textStart = this.start;
    const bytes = this.bytes.subarray(this.start, this.end);
    try {
      const text = utf8.decode(bytes);
      // Valid, with as many code units as bytes: every byte is ASCII.
      return text.length === bytes.length && text;
    } catch {
      return false;
    }
  }
}
