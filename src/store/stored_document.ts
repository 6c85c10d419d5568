import type { StoredDocument } from "../formats/types.ts";
import type { RespValue } from "../redis/wire/resp.ts";

/** Whether a reply is a document; null, for a missing key, is not. */
export function isDocument(reply: RespValue): reply is StoredDocument {
  return typeof reply === "string" || reply instanceof Uint8Array;
}

/** Whether two documents have the same bytes: one written as bytes may be read as a string. */
export function isSameDocument(a: StoredDocument, b: StoredDocument): boolean {
  if (a === b) return true;
  const [first, second] = [toBytes(a), toBytes(b)];
  return first.length === second.length &&
    first.every((byte, index) => byte === second[index]);
}

function toBytes(document: StoredDocument): Uint8Array {
  return typeof document === "string"
    ? new TextEncoder().encode(document)
    : document;
}
