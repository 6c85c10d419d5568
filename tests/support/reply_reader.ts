/**
 * Reads RESP2 replies from chunks of any size, for the test client.
 *
 * @module
 */

/** A reply of a Redis server. */
export type Reply = string | number | null | Uint8Array | ReplyError | Reply[];

/** An error reply, with the server's message. */
export class ReplyError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "ReplyError";
  /** The first word: `ERR`, `WRONGTYPE`, and so on. */
  readonly code: string;

  /** Takes the reply without its leading `-`. */
  constructor(message: string) {
    super(message);
    this.code = message.split(" ", 1)[0] ?? "";
  }
}

/** A reply, and its plain form where `value` is the wire form. */
export interface ReadReply {
  /** What the caller asked for. */
  value: Reply;
  /** The reply parsed, whatever the caller asked for. */
  plain: Reply;
}

const decoder = new TextDecoder();

/** Parses replies out of a buffer that grows as they come in. */
export class ReplyReader {
  readonly #as: "text" | "bytes" | "wire";
  #buffer: Uint8Array = new Uint8Array(65_536);
  #filled = 0;
  /** Nothing is complete before there are this many bytes: spares huge replies a look per piece. */
  #wanted = 0;

  /** `as` says what bulk strings become; see the client's option of that name. */
  constructor(as: "text" | "bytes" | "wire") {
    this.#as = as;
  }

  /** Takes the next piece; gives the replies that it completes. */
  push(piece: Uint8Array): ReadReply[] {
    this.#append(piece);
    const replies: ReadReply[] = [];
    let offset = 0;
    while (this.#filled > offset && this.#filled >= this.#wanted) {
      // Measured first and parsed then: nothing is copied for a reply's beginning.
      const end = this.#endOf(offset);
      if (end === undefined) break;
      const plain = this.#parse(offset).plain;
      const value = this.#as === "wire"
        ? latin1(this.#buffer.subarray(offset, end))
        : plain;
      replies.push({ value, plain });
      offset = end;
    }
    this.#buffer.copyWithin(0, offset, this.#filled);
    this.#filled -= offset;
    this.#wanted = Math.max(0, this.#wanted - offset);
    return replies;
  }

  #append(piece: Uint8Array): void {
    if (this.#filled + piece.length > this.#buffer.length) {
      const grown = new Uint8Array(2 * (this.#filled + piece.length));
      grown.set(this.#buffer.subarray(0, this.#filled));
      this.#buffer = grown;
    }
    this.#buffer.set(piece, this.#filled);
    this.#filled += piece.length;
  }

  /** The line at `at`: type, rest, and where the next one begins. */
  #line(at: number): { type: string; rest: string; next: number } | undefined {
    const end = this.#buffer.subarray(0, this.#filled).indexOf(13, at);
    if (end < 0 || end + 1 >= this.#filled) return undefined;
    return {
      type: String.fromCharCode(this.#buffer[at] as number),
      rest: decoder.decode(this.#buffer.subarray(at + 1, end)),
      next: end + 2,
    };
  }

  /** Where the reply at `at` ends, or undefined while that is not known. */
  #endOf(at: number): number | undefined {
    const line = this.#line(at);
    if (line === undefined) return undefined;
    const length = Number(line.rest);
    if (line.type === "$" && length >= 0) {
      const end = line.next + length + 2;
      if (end <= this.#filled) return end;
      this.#wanted = end;
      return undefined;
    }
    let end: number | undefined = line.next;
    if (line.type === "*") {
      for (let item = 0; item < length && end !== undefined; item++) {
        end = this.#endOf(end);
      }
    }
    return end;
  }

  /** Parses the reply at `at`, which is known to be complete. */
  #parse(at: number): { plain: Reply; end: number } {
    const { type, rest, next } = this.#line(at) as {
      type: string;
      rest: string;
      next: number;
    };
    const length = Number(rest);
    switch (type) {
      case "+":
        return { plain: rest, end: next };
      case "-":
        return { plain: new ReplyError(rest), end: next };
      case ":":
        return { plain: length, end: next };
      case "$": {
        if (length < 0) return { plain: null, end: next };
        const bytes = this.#buffer.slice(next, next + length);
        return {
          plain: this.#as === "bytes" ? bytes : decoder.decode(bytes),
          end: next + length + 2,
        };
      }
      case "*": {
        if (length < 0) return { plain: null, end: next };
        const items: Reply[] = [];
        let end = next;
        for (let index = 0; index < length; index++) {
          const item = this.#parse(end);
          items.push(item.plain);
          end = item.end;
        }
        return { plain: items, end };
      }
      default:
        throw new SyntaxError(
          `Cannot read a reply that begins with ${JSON.stringify(type)}`,
        );
    }
  }
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
