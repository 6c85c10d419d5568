import FakeTimers from "npm:@sinonjs/fake-timers@15.5.0";
import type { Address, Runtime, Timer, Transport } from "../../src/runtime.ts";
import { turn } from "./turn.ts";

/** What a {@linkcode FakeRuntime} replaces. */
export interface FakeRuntimeOptions {
  /**
   * Whether the global timers and dates stand still too: std's `retry` and
   * `delay` use those.
   *
   * @default {false}
   */
  global?: boolean;
  /** Makes connections; without it nothing can be dialled. */
  dial?: Runtime["dial"];
}

/** A world in which time moves only when the test says so. */
export class FakeRuntime implements Runtime, Disposable {
  /** What `random` gives. */
  chance = 0.5;
  /** How many timers were set to keep the process alive. */
  persistentTimers = 0;
  readonly #clock: FakeTimers.Clock;
  readonly #dial: Runtime["dial"] | undefined;
  readonly #uninstall: (() => void) | undefined;

  /** Starts at time 0. */
  constructor({ global = false, dial }: FakeRuntimeOptions = {}) {
    this.#dial = dial;
    if (global) {
      const clock = FakeTimers.install({
        now: 0,
        toFake: ["setTimeout", "clearTimeout", "Date"],
      });
      this.#clock = clock;
      this.#uninstall = () => clock.uninstall();
    } else {
      this.#clock = FakeTimers.createClock(0);
    }
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#clock.countTimers();
  }

  /** Moves time on; timers fire at their time, and what they set off happens in between. */
  async advance(ms: number): Promise<void> {
    await turn();
    await this.#clock.tickAsync(ms);
    await turn();
  }

  /** Moves time on at once: what timers set off happens while the test awaits something. */
  pass(ms: number): void {
    this.#clock.tick(ms);
  }

  /** Moves time on as a blocked event loop does: timers fire once it is over, and so too late. */
  async block(ms: number): Promise<void> {
    await turn();
    this.#clock.jump(ms);
    await turn();
  }

  readTextFile(path: string): Promise<string> {
    return Promise.reject(new Error(`No file here: ${path}`));
  }

  dial(address: Address, signal: AbortSignal): Promise<Transport> {
    if (this.#dial !== undefined) return this.#dial(address, signal);
    return Promise.reject(new Error("Nothing can be dialled here"));
  }

  now(): number {
    return this.#clock.now;
  }

  date(): Date {
    return new Date(this.#clock.now);
  }

  random(): number {
    return this.chance;
  }

  setTimer(callback: () => void, ms: number, persistent: boolean): Timer {
    if (persistent) this.persistentTimers++;
    // An id, where the real one is an id too.
    return this.#clock.setTimeout(callback, ms) as unknown as Timer;
  }

  clearTimer(timer: Timer): void {
    this.#clock.clearTimeout(timer as never);
  }

  /** Puts the global timers back. */
  [Symbol.dispose](): void {
    this.#uninstall?.();
  }
}
