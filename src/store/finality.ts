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
 * Tells whether a stored document is a SUCCESS, which nothing may replace.
 *
 * It reads JSON and msgpack even where they are not accepted, as the store's
 * script does: whose format it is does not make a result less final. Of what
 * it cannot read it tells at least whether it can be a SUCCESS: the formats
 * that are texts, and pickles, have that word in them somewhere. Celery reads
 * what stands with its own serializer, and fails to store if it cannot.
 */
export class Finality {
  readonly #options: DecodeOptions;
  readonly #formats: FormatSet;

  /** Reads what `formats` reads, and the formats that the script reads. */
  constructor(formats: FormatSet) {
    // Only the state is looked at: rounded integers are cheaper.
    const options = { integers: "number" } as const;
    this.#formats = formats.with([jsonFormat(options), msgpackFormat(options)]);
    this.#options = { ...options, formats: this.#formats };
  }

  /** Whether it is a SUCCESS; the error that reading it ended with, if that cannot be told. */
  isSuccess(document: StoredDocument, taskId: string): boolean | DecodeError {
    try {
      return decodeDocument(document, taskId, this.#options).state === SUCCESS;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      if (this.#hasOtherStatus(document)) return false;
      return mayBeSuccess(document) && error;
    }
  }

  /** Whether it can be read, and says a status, but none that an event can have. */
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
    // A character for each byte, whatever they are.
    : new TextDecoder("latin1").decode(document);
  if (text.includes(SUCCESS)) return true;
  // Compressed, or encrypted: the word need not be there to be seen.
  return typeof document !== "string" &&
    recognizeFormat(document) === undefined;
}
