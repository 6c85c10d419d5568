import { DecodeError } from "../errors.ts";
import { jsonFormat } from "../formats/json/format.ts";
import { msgpackFormat } from "../formats/msgpack/format.ts";
import { decodeDocument, type DecodeOptions } from "../protocol/decode.ts";
import type { FormatSet } from "../formats/format_set.ts";
import { recognizeFormat } from "../formats/recognize.ts";
import { isDict } from "../formats/is_dict.ts";
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
  readonly #formats: FormatSet;

  /** Reads what `formats` reads, and the formats that the script reads. */
  constructor(formats: FormatSet) {
    // Only the state matters here, and rounded integers are cheaper.
    const options = { integers: "number" } as const;
    this.#formats = formats.with([jsonFormat(options), msgpackFormat(options)]);
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
      return isDict(raw) && Object.hasOwn(raw, "status") &&
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
  return typeof document !== "string" &&
    recognizeFormat(document) === undefined;
}
