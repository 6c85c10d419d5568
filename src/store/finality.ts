import { DecodeError } from "../errors.ts";
import { jsonCodec, msgpackCodec } from "../formats/codec.ts";
import { decodeDocument, type DecodeOptions } from "../protocol/decode.ts";
import { type Formats, recognize } from "../formats/formats.ts";
import { isObject } from "../protocol/members.ts";
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
  readonly #formats: Formats;

  /** Reads what `formats` reads, and the formats that the script reads. */
  constructor(formats: Formats) {
    // Only the state is looked at: rounded integers are cheaper.
    const options = { integers: "number" } as const;
    this.#formats = formats.with([jsonCodec(options), msgpackCodec(options)]);
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
    // A character for each byte, whatever they are.
    : new TextDecoder("latin1").decode(document);
  if (text.includes(SUCCESS)) return true;
  // Compressed, or encrypted: the word need not be there to be seen.
  return typeof document !== "string" && recognize(document) === undefined;
}
