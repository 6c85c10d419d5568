/** One word of a command. Numbers are written in decimal. */
export type CommandArgument = string | number | Uint8Array;

/** A command: its name, then its arguments. */
export type Command = readonly CommandArgument[];

// Longer text is encoded by itself, so that a large document is not copied
// once more into the text of the commands around it.
const MAX_INLINE_LENGTH = 4096;
// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;
const encoder = new TextEncoder();

/**
 * Gathers commands as RESP2 bytes, until they are taken for one write.
 *
 * Short commands are gathered as text and encoded together: one encoder call
 * for a pipeline, not one for each word.
 */
export class CommandBuffer {
  #chunks: Uint8Array[] = [];
  #text = "";

  /** Whether there is anything to write. */
  get isEmpty(): boolean {
    return this.#text === "" && this.#chunks.length === 0;
  }

  /** Adds a command behind those that are waiting. */
  add(command: Command): void {
    let text = `*${command.length}\r\n`;
    for (const word of command) {
      if (typeof word === "number") {
        const digits = String(word);
        text += `$${digits.length}\r\n${digits}\r\n`;
      } else if (
        typeof word === "string" && word.length <= MAX_INLINE_LENGTH &&
        ASCII.test(word)
      ) {
        text += `$${word.length}\r\n${word}\r\n`;
      } else {
        const bytes = typeof word === "string" ? encoder.encode(word) : word;
        this.#text += `${text}$${bytes.length}\r\n`;
        this.#flush();
        this.#chunks.push(bytes);
        text = "\r\n";
      }
    }
    this.#text += text;
  }

  /** Everything gathered so far, in order; the buffer is empty afterwards. */
  take(): Uint8Array[] {
    this.#flush();
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }

  #flush(): void {
    if (this.#text === "") return;
    this.#chunks.push(encoder.encode(this.#text));
    this.#text = "";
  }
}
