/**
 * The faults that are active or armed on a {@linkcode FaultProxy}. Its
 * connections consult them for every command and every frame.
 *
 * @module
 */

import type { Command } from "../command_parser.ts";
import type { HoldPoint, Latch } from "./hold.ts";
import type { FaultDirection, FaultTarget } from "./target.ts";

/** A truncation that has not found its frame yet. */
export interface Truncation {
  /** Which connections it applies to. */
  readonly which: FaultTarget;
  /** Resolves for the test once a frame was truncated. */
  readonly done: Latch;
}

/** The faults of all of a proxy's connections. */
export class Faults {
  /** Which new connections fall silent. */
  silence: FaultTarget | undefined;
  /** How long the bytes of each direction are delayed, in milliseconds. */
  readonly delays: {
    [direction in FaultDirection]?: { ms: number; which: FaultTarget };
  } = {};
  /** Which connections are written to byte by byte. */
  split: FaultTarget | undefined;
  /** The commands to hold. */
  readonly holds: Set<HoldPoint> = new Set();
  /** The commands whose replies to hold. */
  readonly replyHolds: Set<HoldPoint> = new Set();
  /** The truncations that have not found their frame yet. */
  truncations: Truncation[] = [];

  /** Removes the first of `holds` that matches this command, and returns it. */
  takeHold(
    holds: Set<HoldPoint>,
    command: Command,
    kind: FaultTarget,
  ): HoldPoint | undefined {
    for (const hold of holds) {
      if (!hold.matches(command, kind)) continue;
      holds.delete(hold);
      return hold;
    }
    return undefined;
  }

  /** Removes the first truncation for connections of this kind, and returns it. */
  takeTruncation(kind: FaultTarget): Truncation | undefined {
    const index = this.truncations.findIndex(({ which }) =>
      which === "all" || which === kind
    );
    return index < 0 ? undefined : this.truncations.splice(index, 1)[0];
  }

  /** Ends active faults, and disarms the others. */
  heal(): void {
    this.silence = undefined;
    this.split = undefined;
    delete this.delays.toClient;
    delete this.delays.toServer;
    for (const holds of [this.holds, this.replyHolds]) {
      for (const hold of holds) hold.release();
      holds.clear();
    }
    for (const { done } of this.truncations.splice(0)) {
      done.reject("No frame was truncated before the proxy was healed");
    }
  }
}
