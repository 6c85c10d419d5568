/** A stored or published document: a string if its bytes are UTF-8, otherwise the bytes. */
export type StoredDocument = string | Uint8Array;

/**
 * Encodes and decodes values.
 *
 * Celery: `Backend.encode` and `Backend.decode`, with `result_serializer`.
 */
export interface Format {
  /** Kombu's name for it: `json`, `msgpack`, or the name of a custom serializer. */
  readonly name: string;
  /**
   * Encodes `value`. Error messages call it `valueName`.
   *
   * @throws {TypeError} If the format cannot represent a part of it; the
   * message has the path to that part.
   */
  encode(value: unknown, valueName?: string): StoredDocument;
  /**
   * Decodes what Redis holds, with kombu's envelopes revived.
   *
   * @throws {Error} If it cannot be decoded. The message gives the reason.
   */
  decode(stored: StoredDocument): unknown;
}

/** How to parse what JavaScript's own parser cannot represent. */
export interface ParseOptions {
  /**
   * What an integer beyond 2^53 becomes: a bigint, which is exact, or a number,
   * which is rounded. As in Python, no bigint may have more than 4,300 digits.
   */
  integers: "bigint" | "number";
}
