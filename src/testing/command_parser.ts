/**
 * Parses what a Redis client sends into commands.
 *
 * @module
 */

/** One command, as the client sent it. */
export interface Command {
  /** The name in capitals, without a subcommand. */
  readonly name: string;
  /** The name and the arguments, as views into the parser's input. */
  readonly args: readonly Uint8Array[];
  /** Where the command ends in the batch's `bytes`; it begins where the previous one ends. */
  readonly end: number;
}

/** The commands that a piece of input completed. */
export interface CommandBatch {
  /** The commands, in order. */
  readonly commands: readonly Command[];
  /** The bytes of these commands; with `error`, also everything received after them. */
  readonly bytes: Uint8Array;
  /** Why the bytes after the commands are not Redis's protocol. The parser cannot continue. */
  readonly error?: CommandSyntaxError;
}

/** A protocol error. Its message is the one that Redis sends before it disconnects. */
export class CommandSyntaxError extends SyntaxError {
  /** The name of the class, which survives where `instanceof` does not. */
  override readonly name = "CommandSyntaxError";
}

const CR = 13;
const LF = 10;
const ASTERISK = 42;
const DOLLAR = 36;
/** Redis's limits: of an unfinished line, of a command's arguments, of a bulk string. */
const MAX_LINE_BYTES = 65_536;
const MAX_ARGUMENTS = 1_048_576;
const MAX_BULK_BYTES = 536_870_912;

const EMPTY = new Uint8Array(0);
const decoder = new TextDecoder();

/**
 * Parses pieces of any size into whole commands. Do not write to a piece
 * afterwards, because the commands are views into it.
 */
export class CommandParser {
  #rest: Uint8Array = EMPTY;
  #pieces: Uint8Array[] = [];
  #size = 0;
  /** No command is complete with fewer bytes. Spares a large command a parse and a copy per piece. */
  #neededSize = 0;
  /** The parser's position; a field, so that the parsing methods need no result objects. */
  #at = 0;

  /** Parses the next piece. */
  push(piece: Uint8Array): CommandBatch {
    this.#pieces.push(piece);
    this.#size += piece.length;
    if (this.#size < this.#neededSize) return { commands: [], bytes: EMPTY };
    const buffer = this.#join();
    this.#neededSize = 0;
    const commands: Command[] = [];
    let end = 0;
    while (end < buffer.length) {
      this.#at = end;
      let args: Uint8Array[] | undefined;
      try {
        args = buffer[end] === ASTERISK
          ? this.#multibulk(buffer)
          : this.#inline(buffer);
      } catch (error) {
        if (!(error instanceof CommandSyntaxError)) throw error;
        return { commands, bytes: buffer, error };
      }
      if (args === undefined) break;
      end = this.#at;
      const name = args[0];
      // Like Redis, skip empty lines and empty arrays.
      if (name === undefined) continue;
      commands.push({ name: upperCase(name), args, end });
    }
    this.#rest = buffer.subarray(end);
    this.#size = this.#rest.length;
    this.#neededSize = Math.max(0, this.#neededSize - end);
    return { commands, bytes: buffer.subarray(0, end) };
  }

  /** Returns the bytes of an incomplete command, and drops them. */
  takeRest(): Uint8Array {
    const rest = this.#join();
    this.#rest = EMPTY;
    this.#size = 0;
    this.#neededSize = 0;
    return rest;
  }

  #join(): Uint8Array {
    const pieces = this.#pieces;
    this.#pieces = [];
    if (this.#rest.length === 0 && pieces.length === 1) {
      return pieces[0] as Uint8Array;
    }
    const joined = new Uint8Array(this.#size);
    joined.set(this.#rest);
    let offset = this.#rest.length;
    for (const piece of pieces) {
      joined.set(piece, offset);
      offset += piece.length;
    }
    return joined;
  }

  #multibulk(buffer: Uint8Array): Uint8Array[] | undefined {
    const count = this.#number(buffer, "multibulk", MAX_ARGUMENTS);
    if (count === undefined) return undefined;
    const args: Uint8Array[] = [];
    for (let index = 0; index < count; index++) {
      if (this.#at >= buffer.length) return undefined;
      if (buffer[this.#at] !== DOLLAR) {
        const got = String.fromCharCode(buffer[this.#at] as number);
        throw new CommandSyntaxError(`expected '$', got '${got}'`);
      }
      const length = this.#number(buffer, "bulk", MAX_BULK_BYTES);
      if (length === undefined) return undefined;
      const start = this.#at;
      const end = start + length;
      if (end + 2 > buffer.length) {
        this.#neededSize = end + 2;
        return undefined;
      }
      args.push(buffer.subarray(start, end));
      this.#at = end + 2;
    }
    return args;
  }

  /** The number between a type byte and the end of its line. */
  #number(
    buffer: Uint8Array,
    what: "multibulk" | "bulk",
    limit: number,
  ): number | undefined {
    let value = 0;
    let index = this.#at + 1;
    // Redis treats a negative number of arguments as zero.
    const isNegative = what === "multibulk" && buffer[index] === 45;
    if (isNegative) index++;
    for (; index < buffer.length; index++) {
      const byte = buffer[index] as number;
      if (byte === CR) {
        if (index + 1 >= buffer.length) return undefined;
        if (value > limit || index === this.#at + 1) break;
        this.#at = index + 2;
        return isNegative ? 0 : value;
      }
      if (byte < 48 || byte > 57 || value > limit) break;
      value = value * 10 + byte - 48;
    }
    if (index >= buffer.length) return undefined;
    throw new CommandSyntaxError(`invalid ${what} length`);
  }

  /** An inline command: words in a line, as typed into telnet. */
  #inline(buffer: Uint8Array): Uint8Array[] | undefined {
    const end = buffer.indexOf(LF, this.#at);
    if (end < 0) {
      if (buffer.length - this.#at <= MAX_LINE_BYTES) return undefined;
      throw new CommandSyntaxError("too big inline request");
    }
    const line = decoder.decode(buffer.subarray(this.#at, end)).trim();
    this.#at = end + 1;
    const encoder = new TextEncoder();
    return line === ""
      ? []
      : line.split(/\s+/).map((word) => encoder.encode(word));
  }
}

function upperCase(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    text += String.fromCharCode(byte >= 97 && byte <= 122 ? byte - 32 : byte);
  }
  return text;
}
