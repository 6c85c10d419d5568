/**
 * Holding a command back, or its reply.
 *
 * @module
 */

import type { Command } from "../command_parser.ts";
import type { FaultTarget } from "./target.ts";

/** Which command to hold back. */
export interface HoldOptions {
  /**
   * Only a command on such a connection.
   *
   * @default {"all"}
   */
  which?: FaultTarget;
  /** Only a command that has this among its arguments, such as a key. */
  argument?: string;
  /**
   * How many such commands to let through first.
   *
   * @default {0}
   */
  skip?: number;
}

/** A command, or its reply, that is held back until the test lets it go. */
export interface Hold extends Disposable {
  /**
   * Resolves once it is held. Rejects if that can no longer happen, because
   * the hold was released or healed, or the proxy stopped, before.
   */
  readonly reached: Promise<void>;
  /** Lets it go on, with everything behind it. Idempotent. */
  release(): void;
}

/** Something that a test waits for, and that may never happen. */
export class Latch {
  /** Settles by one of the two methods. */
  readonly promise: Promise<void>;
  readonly #resolve: () => void;
  readonly #reject: (reason: unknown) => void;

  /** Nothing has happened yet. */
  constructor() {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // A test that does not look must not fail over it.
    promise.catch(() => {});
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** It happened. */
  resolve(): void {
    this.#resolve();
  }

  /** It will not happen any more; without effect if it did. */
  reject(why: string): void {
    this.#reject(new Error(why));
  }
}

/** The proxy's side of a {@linkcode Hold}. */
export class HoldPoint implements Hold {
  /** Whether the test let it go. */
  isReleased = false;
  readonly #command: string;
  readonly #argument: Uint8Array | undefined;
  readonly #which: FaultTarget;
  readonly #reached = new Latch();
  readonly #freed = Promise.withResolvers<void>();
  #skip: number;

  /** Takes the public method's parameters. */
  constructor(command: string, options: HoldOptions = {}) {
    const { which = "all", argument, skip = 0 } = options;
    this.#command = command.toUpperCase();
    this.#which = which;
    this.#skip = skip;
    if (argument !== undefined) {
      this.#argument = new TextEncoder().encode(argument);
    }
  }

  /** Resolves once it is held. */
  get reached(): Promise<void> {
    return this.#reached.promise;
  }

  /** Whether this command is the one, on a connection that counts as `kind`. */
  matches(command: Command, kind: FaultTarget): boolean {
    if (command.name !== this.#command || this.isReleased) return false;
    if (this.#which !== "all" && this.#which !== kind) return false;
    const wanted = this.#argument;
    if (
      wanted !== undefined &&
      !command.args.some((arg, index) => index > 0 && isEqual(arg, wanted))
    ) return false;
    return this.#skip-- <= 0;
  }

  /** Tells the test that it is held; resolves when it may go on. */
  enter(): Promise<void> {
    this.#reached.resolve();
    return this.#freed.promise;
  }

  /** Lets it go on. */
  release(): void {
    this.isReleased = true;
    this.#freed.resolve();
    this.#reached.reject(
      `${this.#command} was not held before its hold was released`,
    );
  }

  /** Lets it go on. */
  [Symbol.dispose](): void {
    this.release();
  }
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length &&
    one.every((byte, index) => byte === other[index]);
}
