/**
 * Parses commands as a Redis server does: arrays of bulk strings. It shares no
 * code with what it tests.
 */
export class CommandReader {
  #bytes = new Uint8Array(0);

  /** Adds bytes; returns the complete commands, each argument as bytes. */
  push(bytes: Uint8Array): Uint8Array[][] {
    const joined = new Uint8Array(this.#bytes.length + bytes.length);
    joined.set(this.#bytes);
    joined.set(bytes, this.#bytes.length);
    const commands: Uint8Array[][] = [];
    let at = 0;
    for (;;) {
      const read = readCommand(joined, at);
      if (read === undefined) break;
      commands.push(read.words);
      at = read.next;
    }
    this.#bytes = joined.slice(at);
    return commands;
  }

  /** The number of bytes of an incomplete command. */
  get pending(): number {
    return this.#bytes.length;
  }
}

function readCommand(
  bytes: Uint8Array,
  from: number,
): { words: Uint8Array[]; next: number } | undefined {
  const head = readHeader(bytes, from, "*");
  if (head === undefined) return undefined;
  const words: Uint8Array[] = [];
  let at = head.next;
  for (let i = 0; i < head.value; i++) {
    const size = readHeader(bytes, at, "$");
    if (size === undefined) return undefined;
    const end = size.next + size.value;
    if (end + 2 > bytes.length) return undefined;
    if (bytes[end] !== 13 || bytes[end + 1] !== 10) {
      throw new Error(`A word of ${size.value} bytes has no end`);
    }
    words.push(bytes.slice(size.next, end));
    at = end + 2;
  }
  return { words, next: at };
}

function readHeader(
  bytes: Uint8Array,
  from: number,
  kind: string,
): { value: number; next: number } | undefined {
  const end = bytes.indexOf(10, from);
  if (end < 0) return undefined;
  const line = new TextDecoder().decode(bytes.subarray(from, end + 1));
  const match = /^(.)(0|[1-9]\d*)\r\n$/.exec(line);
  if (match?.[1] !== kind) {
    throw new Error(`Read ${JSON.stringify(line)}, expected ${kind}<number>`);
  }
  return { value: Number(match[2]), next: end + 1 };
}
