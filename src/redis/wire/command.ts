/** One word of a command. Numbers are written in decimal. */
export type CommandArgument = string | number | Uint8Array;

/** A command: its name, then its arguments. */
export type Command = readonly CommandArgument[];

// Longer text is encoded by itself, so that a large document is not copied
// once more into the text of the commands around it.
const MAX_INLINE_LENGTH = 4096;
const encoder = new TextEncoder();
// Made once: writing the number takes as long as the rest of a word.
const LENGTH_LINES = Array.from({ length: 256 }, (_, n) => `$${n}\r\n`);

/**
 * Gathers commands as RESP2 bytes, until they are taken for one write.
 *
 * Short commands are gathered as text and encoded together: one encoder call
 * for a pipeline, not one for each word. Their words are taken for ASCII, as
 * keys nearly always are; if the bytes turn out to be more than the
 * characters, these commands are encoded word by word. (Measured: a look at
 * each word beforehand takes as long as the encoding.)
 */
export class CommandBuffer {
  #chunks: Uint8Array[] = [];
  #text = "";
  // What #text was made of.
  #gathered: Command[] = [];

  /** Whether there is anything to write. */
  get isEmpty(): boolean {
    return this.#gathered.length === 0 && this.#chunks.length === 0;
  }

  /** Adds a command behind those that are waiting. */
  add(command: Command): void {
    let text = `*${command.length}\r\n`;
    for (const word of command) {
      const short = typeof word === "number" ? String(word) : word;
      if (typeof short !== "string" || short.length > MAX_INLINE_LENGTH) {
        this.#flush();
        this.#encode(command);
        return;
      }
      text += (LENGTH_LINES[short.length] ?? `$${short.length}\r\n`) + short +
        "\r\n";
    }
    this.#text += text;
    this.#gathered.push(command);
  }

  /** Everything gathered so far, in order; the buffer is empty afterwards. */
  take(): Uint8Array[] {
    this.#flush();
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }

  #flush(): void {
    if (this.#gathered.length === 0) return;
    const bytes = encoder.encode(this.#text);
    if (bytes.length === this.#text.length) this.#chunks.push(bytes);
    else for (const command of this.#gathered) this.#encode(command);
    this.#text = "";
    this.#gathered = [];
  }

  /** Encodes a command of any words; long ones, and bytes, as chunks of their own. */
  #encode(command: Command): void {
    let text = `*${command.length}\r\n`;
    for (const word of command) {
      const bytes = word instanceof Uint8Array
        ? word
        : encoder.encode(String(word));
      text += `$${bytes.length}\r\n`;
      if (typeof word === "object" || bytes.length > MAX_INLINE_LENGTH) {
        this.#chunks.push(encoder.encode(text), bytes);
        text = "\r\n";
      } else {
        text += `${word}\r\n`;
      }
    }
    this.#chunks.push(encoder.encode(text));
  }
}
