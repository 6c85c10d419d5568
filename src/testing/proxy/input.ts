/**
 * Splits the bytes that a proxied connection reads into commands and replies.
 *
 * @module
 */

import { type Command, CommandParser } from "../command_parser.ts";
import type { Faults } from "./faults.ts";
import type { HoldPoint } from "./hold.ts";
import type { CommandPlan, Piece } from "./lane.ts";
import { type FrameEnd, ReplyScanner } from "./reply_scanner.ts";

/** Observes commands, and decides on their faults. */
export interface CommandObserver {
  /** The faults of all connections. */
  readonly faults: Faults;
  /** Called for each command received, whether or not it is passed on. */
  onCommand(name: string): void;
}

/** The commands that do not show what a connection is for. */
const SETUP = new Set(["AUTH", "HELLO", "SELECT", "CLIENT", "PING"]);

/** Whether this command makes a connection `"subscribed"`. */
export function isSubscribe(command: Command): boolean {
  return /^[PS]?SUBSCRIBE$/.test(command.name);
}

/** Reads a client's commands. */
export class ClientInput {
  /** The holds on this connection's commands that have not ended. */
  readonly holds: Set<HoldPoint> = new Set();
  readonly #watcher: CommandObserver;
  #parser: CommandParser | undefined = new CommandParser();
  #isFirst = true;
  #isSubscribed = false;
  #isSilent: boolean;

  /** With `isSilent`, commands are counted but not passed on. */
  constructor(watcher: CommandObserver, isSilent: boolean) {
    this.#watcher = watcher;
    this.#isSilent = isSilent;
  }

  /** Counts commands from now on, but neither holds them nor passes them on. */
  silence(): void {
    this.#isSilent = true;
  }

  /** Parses bytes that were read; undefined if there is nothing to pass on. */
  toPiece(bytes: Uint8Array): Piece | undefined {
    const at = performance.now();
    if (this.#isFirst && !looksLikeRedis(bytes)) this.#parser = undefined;
    this.#isFirst = false;
    if (this.#parser === undefined) return { bytes, at };
    const batch = this.#parser.push(bytes);
    // Not Redis's protocol: pass everything on unparsed from here on.
    if (batch.error !== undefined) this.#parser = undefined;
    const wasSilent = this.#isSilent;
    const plans = this.#plan(batch.commands);
    const { bytes: passed, commands } = batch;
    return wasSilent ? undefined : { bytes: passed, at, commands, plans };
  }

  /** Returns the bytes of an incomplete command, to be passed on at the end of the input. */
  takeRest(): Piece | undefined {
    if (this.#parser === undefined || this.#isSilent) return undefined;
    const bytes = this.#parser.takeRest();
    return bytes.length === 0 ? undefined : { bytes, at: performance.now() };
  }

  /**
   * Decides on the faults of commands on arrival: a fault that the test sets or
   * heals after a command was seen must not depend on how far the command got.
   */
  #plan(commands: readonly Command[]): Map<Command, CommandPlan> {
    const { faults } = this.#watcher;
    const plans = new Map<Command, CommandPlan>();
    for (const command of commands) {
      if (!this.#isSilent) {
        this.#isSubscribed ||= isSubscribe(command);
        const kind = this.#isSubscribed ? "subscribed" : "command";
        const hold = faults.takeHold(faults.holds, command, kind);
        const replyHold = faults.takeHold(faults.replyHolds, command, kind);
        this.#isSilent = faults.silence === "all" ||
          faults.silence === kind && !SETUP.has(command.name);
        if (this.#isSilent || hold !== undefined || replyHold !== undefined) {
          plans.set(command, { fallsSilent: this.#isSilent, hold, replyHold });
        }
        if (hold !== undefined) this.holds.add(hold);
        if (replyHold !== undefined) this.holds.add(replyHold);
      }
      this.#watcher.onCommand(command.name);
    }
    return plans;
  }
}

/** Reads a server's replies and messages. */
export class ServerInput {
  #scanner: ReplyScanner | undefined = new ReplyScanner();

  /** Finds the frames in bytes that were read. */
  toPiece(bytes: Uint8Array): Piece {
    const at = performance.now();
    const scanner = this.#scanner;
    if (scanner === undefined) return { bytes, at };
    const beginsFrame = scanner.isBetweenFrames;
    let frames: FrameEnd[];
    try {
      frames = scanner.scan(bytes);
    } catch {
      // Not Redis's protocol: pass everything on unparsed from here on.
      this.#scanner = undefined;
      return { bytes, at };
    }
    const endsFrame = scanner.isBetweenFrames;
    if (!endsFrame) {
      frames.push({ end: bytes.length, isReply: scanner.mayBeReply });
    }
    return { bytes, at, frames, beginsFrame, endsFrame };
  }
}

/** Whether a connection that begins like this uses RESP or inline commands; TLS does neither. */
function looksLikeRedis(bytes: Uint8Array): boolean {
  return /^[*A-Za-z]/.test(String.fromCharCode(bytes[0] as number));
}
