/**
 * What one direction of a proxied connection has read and not yet passed on.
 *
 * @module
 */

import type { Command } from "../command_parser.ts";
import type { HoldPoint } from "./hold.ts";
import type { FrameEnd } from "./reply_scanner.ts";

/** What is to happen to a command when its turn comes. */
export interface CommandPlan {
  /** The connection falls silent at this command. */
  readonly fallsSilent: boolean;
  /** The command is held. */
  readonly hold: HoldPoint | undefined;
  /** Its reply is held. */
  readonly replyHold: HoldPoint | undefined;
}

/** Bytes on their way through the proxy. */
export interface Piece {
  /** The bytes. */
  readonly bytes: Uint8Array;
  /** When they came in, on the clock of `performance.now()`. */
  readonly at: number;
  /** The commands that they are; none where they are not Redis's protocol. */
  readonly commands?: readonly Command[];
  /** The commands to which something is to happen. */
  readonly plans?: ReadonlyMap<Command, CommandPlan>;
  /** The frames that end in them; an unfinished one at the end is among them. */
  readonly frames?: readonly FrameEnd[];
  /** Whether their first byte begins a frame. */
  readonly beginsFrame?: boolean;
  /** Whether their last byte ends one. */
  readonly endsFrame?: boolean;
}

/** Past this, the sender is held back as by a full socket. */
const CAPACITY_BYTES = 16_777_216;

/** A bounded queue with one reader and one writer. */
export class ProxyLane {
  #pieces: Piece[] = [];
  #size = 0;
  #ended = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  /** Puts a piece in; resolves when there is room for another. */
  async push(piece: Piece): Promise<void> {
    if (this.#ended) return;
    this.#pieces.push(piece);
    this.#size += piece.bytes.length;
    this.#wakeReader?.();
    while (this.#size > CAPACITY_BYTES && !this.#ended) {
      await new Promise<void>((resolve) => this.#wakeWriter = resolve);
    }
  }

  /** The next piece; undefined once the lane has ended and is empty. */
  async next(): Promise<Piece | undefined> {
    while (this.#pieces.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
    const piece = this.#pieces.shift();
    this.#size -= piece?.bytes.length ?? 0;
    this.#wakeWriter?.();
    return piece;
  }

  /** Nothing more comes; what is in can still be taken. */
  end(): void {
    this.#ended = true;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  /** Throws away what is in. */
  clear(): void {
    this.#pieces = [];
    this.#size = 0;
    this.#wakeWriter?.();
  }
}
