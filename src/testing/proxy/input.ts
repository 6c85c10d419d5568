/**
 * What a proxied connection makes of the bytes that it reads.
 *
 * @module
 */

import { type Command, CommandParser } from "../command_parser.ts";
import type { Faults } from "./faults.ts";
import type { HoldPoint } from "./hold.ts";
import type { CommandPlan, Piece } from "./lane.ts";
import { type FrameEnd, ReplyScanner } from "./reply_scanner.ts";

/** Who wants to know of commands, and what is to happen to them. */
export interface CommandObserver {
  /** The faults of all connections. */
  readonly faults: Faults;
  /** A command came in, whether or not it will be passed on. */
  onCommand(name: string): void;
}

/** What a client says before it shows what the connection is for. */
const SETUP = new Set(["AUTH", "HELLO", "SELECT", "CLIENT", "PING"]);

/** Whether a connection counts as subscribed from this command on. */
export function isSubscribe(command: Command): boolean {
  return /^[PS]?SUBSCRIBE$/.test(command.name);
}

/** A client's commands. */
export class ClientInput {
  /** The holds that this connection's commands ran into, until they are over. */
  readonly holds: Set<HoldPoint> = new Set();
  readonly #watcher: CommandObserver;
  #parser: CommandParser | undefined = new CommandParser();
  #isFirst = true;
  #isSubscribed = false;
  #isSilent: boolean;

  /** `isSilent`: commands are counted and not passed on. */
  constructor(watcher: CommandObserver, isSilent: boolean) {
    this.#watcher = watcher;
    this.#isSilent = isSilent;
  }

  /** From now on commands are counted and not passed on, nor held. */
  silence(): void {
    this.#isSilent = true;
  }

  /** Undefined where nothing is to be passed on. */
  toPiece(bytes: Uint8Array): Piece | undefined {
    const at = performance.now();
    if (this.#isFirst && !looksLikeRedis(bytes)) this.#parser = undefined;
    this.#isFirst = false;
    if (this.#parser === undefined) return { bytes, at };
    const batch = this.#parser.push(bytes);
    // Not Redis's protocol: passed on as it is from here on.
    if (batch.error !== undefined) this.#parser = undefined;
    const wasSilent = this.#isSilent;
    const plans = this.#plan(batch.commands);
    const { bytes: passed, commands } = batch;
    return wasSilent ? undefined : { bytes: passed, at, commands, plans };
  }

  /** What was kept because its command was not complete, to be passed on when no more comes. */
  takeRest(): Piece | undefined {
    if (this.#parser === undefined || this.#isSilent) return undefined;
    const bytes = this.#parser.takeRest();
    return bytes.length === 0 ? undefined : { bytes, at: performance.now() };
  }

  /**
   * Decides what is to happen to commands, as they come in: a fault that is
   * set or healed after a command was seen must not depend on how far it got.
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

/** A server's replies and messages. */
export class ServerInput {
  #scanner: ReplyScanner | undefined = new ReplyScanner();

  /** Finds the frames in what was read. */
  toPiece(bytes: Uint8Array): Piece {
    const at = performance.now();
    const scanner = this.#scanner;
    if (scanner === undefined) return { bytes, at };
    const beginsFrame = scanner.isBetweenFrames;
    let frames: FrameEnd[];
    try {
      frames = scanner.scan(bytes);
    } catch {
      // Not Redis's protocol: passed on as it is from here on.
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

/** Whether a connection that begins like this speaks RESP, or in lines; TLS does not. */
function looksLikeRedis(bytes: Uint8Array): boolean {
  return /^[*A-Za-z]/.test(String.fromCharCode(bytes[0] as number));
}
