import { DecodeError } from "../errors.ts";
import { jsonCodec, msgpackCodec } from "../formats/codec.ts";
import { decodeDocument, type DecodeOptions } from "../protocol/decode.ts";
import { type Formats, recognize } from "../formats/formats.ts";
import { isObject } from "../protocol/members.ts";
import type { StoredDocument } from "../formats/types.ts";

const SUCCESS = "SUCCESS";

/**
 * Tells whether a stored document is final: a SUCCESS, which nothing may
 * replace.
 *
 * Like the store's script, it reads JSON and msgpack even where
 * `acceptContent` excludes them: a result is final in any format. In a document
 * that it cannot read, it looks for the word SUCCESS, which text formats and
 * pickles contain as it is. (Celery reads the stored document with its own
 * serializer, and fails to store if it cannot.)
 */
export class Finality {
  readonly #options: DecodeOptions;
  readonly #formats: Formats;

  /** Reads what `formats` reads, and the formats that the script reads. */
  constructor(formats: Formats) {
    // Only the state matters here, and rounded integers are cheaper.
    const options = { integers: "number" } as const;
    this.#formats = formats.with([jsonCodec(options), msgpackCodec(options)]);
    this.#options = { ...options, formats: this.#formats };
  }

  /**
   * Whether the document is a SUCCESS.
   *
   * @throws {DecodeError} if it cannot be read, and may be one.
   */
  isFinal(document: StoredDocument, taskId: string): boolean {
    try {
      return decodeDocument(document, taskId, this.#options).state === SUCCESS;
    } catch (error) {
      const isHarmless = error instanceof DecodeError &&
        (this.#hasOtherStatus(document) || !mayBeSuccess(document));
      if (isHarmless) return false;
      throw error;
    }
  }

  /** Whether its status can be read, though it is not one that an event can have. */
  #hasOtherStatus(document: StoredDocument): boolean {
    try {
      const raw = this.#formats.decode(document);
      return isObject(raw) && Object.hasOwn(raw, "status") &&
        raw.status !== SUCCESS;
    } catch {
      return false;
    }
  }
}

/** Whether a document that cannot be read may be a SUCCESS. */
function mayBeSuccess(document: StoredDocument): boolean {
  const text = typeof document === "string"
    ? document
    // latin1 maps each byte to one character.
    : new TextDecoder("latin1").decode(document);
  if (text.includes(SUCCESS)) return true;
  // In a compressed or encrypted document the word cannot be seen.
  return typeof document !== "string" && recognize(document) === undefined;
}
