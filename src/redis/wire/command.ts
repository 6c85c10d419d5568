/** One argument of a command. Numbers are written in decimal. */
export type CommandArgument = string | number | Uint8Array;

/** A command: its name, then its arguments. */
export type Command = readonly CommandArgument[];

// Longer text is encoded separately, so that a large document is not copied once
// more into the text of the commands around it.
const MAX_INLINE_CHARS = 4096;
const encoder = new TextEncoder();
// Prepared: formatting the number takes as long as the rest of an argument.
const LENGTH_LINES = Array.from({ length: 256 }, (_, n) => `$${n}\r\n`);

/**
 * Buffers commands as RESP2 bytes until the next write.
 *
 * Short commands are collected as text and encoded together, with one encoder
 * call for a pipeline instead of one per argument. This assumes ASCII, which
 * keys nearly always are: if there turn out to be more bytes than characters,
 * these commands are encoded argument by argument. (Measured: checking each
 * argument beforehand takes as long as the encoding.)
 */
export class CommandBuffer {
  #chunks: Uint8Array[] = [];
  #text = "";
  // The commands that #text holds.
  #batch: Command[] = [];

  /** Whether there is anything to write. */
  get isEmpty(): boolean {
    return this.#batch.length === 0 && this.#chunks.length === 0;
  }

  /** Adds a command after those that are waiting. */
  add(command: Command): void {
    let text = `*${command.length}\r\n`;
    for (const word of command) {
      const short = typeof word === "number" ? String(word) : word;
      if (typeof short !== "string" || short.length > MAX_INLINE_CHARS) {
        this.#flush();
        this.#encode(command);
        return;
      }
      text += (LENGTH_LINES[short.length] ?? `$${short.length}\r\n`) + short +
        "\r\n";
    }
    this.#text += text;
    this.#batch.push(command);
  }

  /** Removes and returns everything buffered, in order. */
  take(): Uint8Array[] {
    this.#flush();
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    const bytes = encoder.encode(this.#text);
    if (bytes.length === this.#text.length) this.#chunks.push(bytes);
    else for (const command of this.#batch) this.#encode(command);
    this.#text = "";
    this.#batch = [];
  }

  /** Encodes a command of any arguments; long ones, and bytes, as separate chunks. */
  #encode(command: Command): void {
    let text = `*${command.length}\r\n`;
    for (const word of command) {
      const bytes = word instanceof Uint8Array
        ? word
        : encoder.encode(String(word));
      text += `$${bytes.length}\r\n`;
      if (typeof word === "object" || bytes.length > MAX_INLINE_CHARS) {
        this.#chunks.push(encoder.encode(text), bytes);
        text = "\r\n";
      } else {
        text += `${word}\r\n`;
      }
    }
    this.#chunks.push(encoder.encode(text));
  }
}
