/**
 * Finds the ends of replies in what a Redis server sends, without decoding them.
 *
 * @module
 */

/** Where a frame ends, and whether it answers a command. */
export interface FrameEnd {
  /** The index after the frame's last byte, in the piece in which it ended. */
  readonly end: number;
  /** False for a published message, which answers no command. */
  readonly isReply: boolean;
}

const LF = 10;
/** Enough to tell a message from a reply: type, length, type, length, `smessage`. */
const HEAD_BYTES = 24;
/** The heads of unsolicited frames, in RESP2 (`*`) and RESP3 (`>`). */
const MESSAGE =
  /^(?:[*>]3\r\n\$7\r\nmessage|[*>]4\r\n\$8\r\npmessage|[*>]3\r\n\$8\r\nsmessage|>2\r\n\$10\r\ninvalidate)/;

/** Scans a stream of frames that arrives in pieces of any size. */
export class ReplyScanner {
  /** How many elements each open aggregate still lacks, the outermost first. */
  readonly #open: number[] = [];
  /** How many bytes of a bulk string are missing, its line end included. */
  #skip = 0;
  #line = "";
  #head = "";

  /** Whether the next byte begins a frame. */
  get isBetweenFrames(): boolean {
    return this.#head === "";
  }

  /**
   * Whether an unfinished frame may be a reply: false only once enough of it has
   * arrived to recognize a message.
   */
  get mayBeReply(): boolean {
    return !MESSAGE.test(this.#head);
  }

  /**
   * Scans the next piece, and returns the frames that end in it.
   *
   * @throws {SyntaxError} If it is not Redis's protocol.
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
        if (!this.#endElement()) continue;
      } else {
        const newline = piece.indexOf(LF, index);
        const stop = newline < 0 ? piece.length : newline + 1;
        this.#line += latin1(piece, index, stop);
        index = stop;
        if (newline < 0) break;
        if (!this.#endLine()) continue;
      }
      this.#addHead(piece, start, index);
      ends.push({ end: index, isReply: this.mayBeReply });
      this.#head = "";
      start = index;
    }
    this.#addHead(piece, start, piece.length);
    return ends;
  }

  /** Processes a header line; true if it ends a frame. */
  #endLine(): boolean {
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
        return this.#endElement();
      case "$":
      case "!":
      case "=":
        if (length < 0) return this.#endElement();
        this.#skip = length + 2;
        return false;
      case "*":
      case ">":
      case "~":
      case "%": {
        if (length <= 0) return this.#endElement();
        this.#open.push(line[0] === "%" ? 2 * length : length);
        return false;
      }
      default:
        throw new SyntaxError(
          `Cannot find a frame: it begins with ${JSON.stringify(line[0])}`,
        );
    }
  }

  /** Ends an element, and the aggregates whose last it was; true if that ends the frame. */
  #endElement(): boolean {
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
