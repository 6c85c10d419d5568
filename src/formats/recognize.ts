import type { StoredDocument } from "./types.ts";

/**
 * Recognizes the format of a stored value by its first bytes: a task's
 * document, a saved group, or a chord part.
 */
export function recognizeFormat(
  stored: StoredDocument,
): "json" | "msgpack" | "pickle" | undefined {
  if (typeof stored === "string") {
    return /^[ \t\n\r]*[{[]/.test(stored) ? "json" : undefined;
  }
  const [first = 0, second = 0] = stored;
  // Pickle's binary protocols. In msgpack, 0x80 is an empty map, which nothing follows.
  if (first === 0x80 && second >= 2 && second <= 5) return "pickle";
  const isMap = first >= 0x80 && first < 0x90 || first === 0xde ||
    first === 0xdf;
  const isList = first >= 0x90 && first < 0xa0 || first === 0xdc ||
    first === 0xdd;
  if (isMap || isList) return "msgpack";
  return first === 0x7b || first === 0x5b ? "json" : undefined;
}

/** Whether a value looks like a document in YAML: PyYAML writes each member at the beginning of a line. */
export function looksLikeYaml(stored: StoredDocument): boolean {
  return typeof stored === "string" && /^(---\s+)?\w+:\s/.test(stored) &&
    /^(status|result):\s/m.test(stored);
}
