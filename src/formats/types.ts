/** A stored or published document: a string if its bytes are UTF-8, or else the bytes. */
export type StoredDocument = string | Uint8Array;

/**
 * Writes and reads values in the format that both sides agreed on.
 *
 * Celery: `Backend.encode` and `Backend.decode`, with `result_serializer`.
 */
export interface Codec {
  /**
   * What Redis is to hold for `value`, which messages call `name`.
   *
   * @throws {TypeError} If the format has no word for it; says where in it.
   */
  encode(value: unknown, name?: string): StoredDocument;
  /**
   * The value that Redis holds, with what its envelopes stand for.
   *
   * @throws {Error} If it cannot be read; says why.
   */
  decode(stored: StoredDocument): unknown;
}

/** A codec with a name: one format. */
export interface Format extends Codec {
  /** Kombu's name for it: `json`, `msgpack`, or one that the application gave it. */
  readonly name: string;
}

/** How `parseJson()` reads what JavaScript's own parser cannot. */
export interface ParseOptions {
  /**
   * What an integer beyond 2^53 becomes: a bigint, which loses nothing, or a
   * number, which is rounded. No bigint of more than 4,300 digits is read, as
   * in Python.
   */
  integers: "bigint" | "number";
}
