/**
 * The faults that stand or are armed on a {@linkcode FaultProxy}; its
 * connections look here at every command and every frame.
 *
 * @module
 */

import type { Command } from "../command_parser.ts";
import type { HoldPoint, Latch } from "./hold.ts";
import type { FaultDirection, FaultTarget } from "./target.ts";

/** A truncation that waits for its frame. */
export interface Truncation {
  /** Which connections it is for. */
  readonly which: FaultTarget;
  /** Tells the test. */
  readonly done: Latch;
}

/** What a proxy's connections have to suffer, as a whole. */
export class Faults {
  /** Which connections fall silent as they come up. */
  silence: FaultTarget | undefined;
  /** How long a direction's bytes are kept, in milliseconds. */
  readonly delays: {
    [direction in FaultDirection]?: { ms: number; which: FaultTarget };
  } = {};
  /** Which connections get single bytes. */
  split: FaultTarget | undefined;
  /** Commands that are to be held. */
  readonly holds: Set<HoldPoint> = new Set();
  /** Commands whose replies are to be held. */
  readonly replyHolds: Set<HoldPoint> = new Set();
  /** Truncations that have not found their frame yet. */
  truncations: Truncation[] = [];

  /** Takes a hold out of `holds`, if one of them is for this command. */
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

  /** Takes a truncation, if one is for connections of this kind. */
  takeTruncation(kind: FaultTarget): Truncation | undefined {
    const index = this.truncations.findIndex(({ which }) =>
      which === "all" || which === kind
    );
    return index < 0 ? undefined : this.truncations.splice(index, 1)[0];
  }

  /** Ends everything that stands, and disarms the rest. */
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
