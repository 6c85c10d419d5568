/** Cuts a text to `maxChars` characters for a message, and marks the cut with `...`. */
export function truncate(text: string, maxChars: number): string {
  return text.length > maxChars ? `${text.slice(0, maxChars)}...` : text;
}
