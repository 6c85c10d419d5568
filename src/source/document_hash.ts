/**
 * Computes a 53-bit hash of a document, to compare documents without keeping
 * them. It is not cryptographic: the worst that a collision does is to hold
 * back a progress report.
 */
export function hashDocument(document: string | Uint8Array): number {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9 ^ document.length;
  const isText = typeof document === "string";
  for (let i = 0; i < document.length; i++) {
    const unit = isText ? document.charCodeAt(i) : document[i]!;
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x85ebca6b);
    b ^= b >>> 15;
  }
  a ^= a >>> 16;
  return (b & 0x1fffff) * 2 ** 32 + (a >>> 0);
}
