/**
 * The queue of bytes that one direction of a proxied connection has read but not
 * yet passed on.
 *
 * @module
 */

import type { Command } from "../command_parser.ts";
import type { HoldPoint } from "./hold.ts";
import type { FrameEnd } from "./reply_scanner.ts";

/** The faults of one command. */
export interface CommandPlan {
  /** Whether the connection falls silent at this command. */
  readonly fallsSilent: boolean;
  /** The hold on the command. */
  readonly hold: HoldPoint | undefined;
  /** The hold on its reply. */
  readonly replyHold: HoldPoint | undefined;
}

/** Bytes on their way through the proxy. */
export interface Piece {
  /** The bytes. */
  readonly bytes: Uint8Array;
  /** When they were read, by `performance.now()`. */
  readonly at: number;
  /** The commands in them; undefined if they are not Redis's protocol. */
  readonly commands?: readonly Command[];
  /** The commands that have faults. */
  readonly plans?: ReadonlyMap<Command, CommandPlan>;
  /** The frames that end in them, and an unfinished one at their end. */
  readonly frames?: readonly FrameEnd[];
  /** Whether the first byte begins a frame. */
  readonly beginsFrame?: boolean;
  /** Whether the last byte ends a frame. */
  readonly endsFrame?: boolean;
}

/** Beyond this, the sender is not read, as with a full socket. */
const CAPACITY_BYTES = 16_777_216;

/** A bounded queue with one reader and one writer. */
export class ProxyLane {
  #pieces: Piece[] = [];
  #size = 0;
  #isEnded = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  /** Adds a piece; resolves when there is room for another. */
  async push(piece: Piece): Promise<void> {
    if (this.#isEnded) return;
    this.#pieces.push(piece);
    this.#size += piece.bytes.length;
    this.#wakeReader?.();
    while (this.#size > CAPACITY_BYTES && !this.#isEnded) {
      await new Promise<void>((resolve) => this.#wakeWriter = resolve);
    }
  }

  /** Resolves with the next piece; with undefined once the lane has ended and is empty. */
  async next(): Promise<Piece | undefined> {
    while (this.#pieces.length === 0 && !this.#isEnded) {
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
    const piece = this.#pieces.shift();
    this.#size -= piece?.bytes.length ?? 0;
    this.#wakeWriter?.();
    return piece;
  }

  /** Ends the lane; the pieces in it can still be read. */
  end(): void {
    this.#isEnded = true;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  /** Drops all pieces. */
  clear(): void {
    this.#pieces = [];
    this.#size = 0;
    this.#wakeWriter?.();
  }
}
