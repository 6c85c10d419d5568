/**
 * Finds where replies end in what a Redis server sends, without reading them.
 *
 * @module
 */

/** Where a frame ends, and whether it answers a command. */
export interface FrameEnd {
  /** The index after the frame's last byte, in the piece in which it ended. */
  readonly end: number;
  /** False for a published message, which no command asked for. */
  readonly isReply: boolean;
}

const LF = 10;
/** Enough of a frame to tell a message from a reply: type, length, type, length, `smessage`. */
const HEAD_BYTES = 24;
/** The heads of what comes unasked, in RESP2 (`*`) and RESP3 (`>`). */
const MESSAGE =
  /^(?:[*>]3\r\n\$7\r\nmessage|[*>]4\r\n\$8\r\npmessage|[*>]3\r\n\$8\r\nsmessage|>2\r\n\$10\r\ninvalidate)/;

/** Keeps its place in a stream of frames that comes in pieces of any size. */
export class ReplyScanner {
  /** Elements that each open aggregate still waits for, the outermost first. */
  readonly #open: number[] = [];
  /** Bytes of a bulk string, its line end included, that are still to come. */
  #skip = 0;
  #line = "";
  #head = "";

  /** Whether the next byte begins a frame. */
  get isBetweenFrames(): boolean {
    return this.#head === "";
  }

  /**
   * Whether a frame that has begun but not ended may be a reply: false only
   * once enough of it is there to know a message.
   */
  get mayBeReply(): boolean {
    return !MESSAGE.test(this.#head);
  }

  /**
   * Takes the next piece; gives the frames that end in it.
   *
   * @throws {SyntaxError} If this is not Redis's protocol.
   */
  scan(piece: Uint8Array): FrameEnd[] {
    const ends: FrameEnd[] = [];
    let index = 0;
    let start = 0;
    while (index < piece.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, piece.length - index);
        this.#skip -= skipped;
        index += skipped;
        if (this.#skip > 0) break;
        if (!this.#closed()) continue;
      } else {
        const newline = piece.indexOf(LF, index);
        const stop = newline < 0 ? piece.length : newline + 1;
        this.#line += latin1(piece, index, stop);
        index = stop;
        if (newline < 0) break;
        if (!this.#lineRead()) continue;
      }
      this.#addHead(piece, start, index);
      ends.push({ end: index, isReply: this.mayBeReply });
      this.#head = "";
      start = index;
    }
    this.#addHead(piece, start, piece.length);
    return ends;
  }

  /** Takes note of a header line; true if it ended a frame. */
  #lineRead(): boolean {
    const line = this.#line;
    this.#line = "";
    const length = Number(line.slice(1));
    switch (line[0]) {
      case "+":
      case "-":
      case ":":
      case "_":
      case ",":
      case "#":
      case "(":
        return this.#closed();
      case "$":
      case "!":
      case "=":
        if (length < 0) return this.#closed();
        this.#skip = length + 2;
        return false;
      case "*":
      case ">":
      case "~":
      case "%": {
        if (length <= 0) return this.#closed();
        this.#open.push(line[0] === "%" ? 2 * length : length);
        return false;
      }
      default:
        throw new SyntaxError(
          `Cannot find a frame: it begins with ${JSON.stringify(line[0])}`,
        );
    }
  }

  /** An element ended: so do the aggregates of which it was the last. */
  #closed(): boolean {
    const open = this.#open;
    while (open.length > 0) {
      const left = (open[open.length - 1] as number) - 1;
      if (left > 0) {
        open[open.length - 1] = left;
        return false;
      }
      open.pop();
    }
    return true;
  }

  #addHead(piece: Uint8Array, start: number, end: number): void {
    const missing = HEAD_BYTES - this.#head.length;
    if (missing > 0) {
      this.#head += latin1(piece, start, Math.min(end, start + missing));
    }
  }
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let index = start; index < end; index++) {
    text += String.fromCharCode(bytes[index] as number);
  }
  return text;
}
