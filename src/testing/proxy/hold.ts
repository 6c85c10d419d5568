/**
 * Holds on a command or its reply.
 *
 * @module
 */

import type { Command } from "../command_parser.ts";
import type { FaultTarget } from "./target.ts";

/** Which command to hold. */
export interface HoldOptions {
  /**
   * Hold only a command on such a connection.
   *
   * @default {"all"}
   */
  which?: FaultTarget;
  /** Hold only a command with this argument, such as a key. */
  argument?: string;
  /**
   * How many matching commands to let pass first.
   *
   * @default {0}
   */
  skip?: number;
}

/** A hold on a command or its reply, until the test releases it. Disposal releases it, too. */
export interface Hold extends Disposable {
  /**
   * Resolves once the command or reply is held. Rejects if that can no longer
   * happen, because the hold was released, or the proxy healed or stopped.
   */
  readonly reached: Promise<void>;
  /** Passes it on, with everything behind it. Idempotent. */
  release(): void;
}

/** An event that a test waits for, and that may never happen. */
export class Latch {
  /** Settles when one of the two methods is called. */
  readonly promise: Promise<void>;
  readonly #resolve: () => void;
  readonly #reject: (reason: unknown) => void;

  /** Creates an unsettled latch. */
  constructor() {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // A test that does not await it must not fail because of it.
    promise.catch(() => {});
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Resolves the promise. */
  resolve(): void {
    this.#resolve();
  }

  /** Rejects the promise, unless it is settled. */
  reject(reason: string): void {
    this.#reject(new Error(reason));
  }
}

/** The proxy's side of a {@linkcode Hold}. */
export class HoldPoint implements Hold {
  /** Whether the test released it. */
  isReleased = false;
  readonly #command: string;
  readonly #argument: Uint8Array | undefined;
  readonly #which: FaultTarget;
  readonly #reached = new Latch();
  readonly #released = Promise.withResolvers<void>();
  #skip: number;

  /** Takes the parameters of {@linkcode FaultProxy.hold}. */
  constructor(command: string, options: HoldOptions = {}) {
    const { which = "all", argument, skip = 0 } = options;
    this.#command = command.toUpperCase();
    this.#which = which;
    this.#skip = skip;
    if (argument !== undefined) {
      this.#argument = new TextEncoder().encode(argument);
    }
  }

  /** Resolves once the command or reply is held. */
  get reached(): Promise<void> {
    return this.#reached.promise;
  }

  /** Whether to hold this command, on a connection of this kind. */
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

  /** Reports to the test that it is held; resolves once it is released. */
  enter(): Promise<void> {
    this.#reached.resolve();
    return this.#released.promise;
  }

  /** Passes it on. */
  release(): void {
    this.isReleased = true;
    this.#released.resolve();
    this.#reached.reject(
      `${this.#command} was not held before its hold was released`,
    );
  }

  /** Passes it on. */
  [Symbol.dispose](): void {
    this.release();
  }
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length &&
    one.every((byte, index) => byte === other[index]);
}
