import FakeTimers from "npm:@sinonjs/fake-timers@15.5.0";
import type { Address, Runtime, Timer, Transport } from "../../src/runtime.ts";
import { turn } from "./turn.ts";

/** Options of {@linkcode FakeRuntime}. */
export interface FakeRuntimeOptions {
  /**
   * Whether to replace the global timers and dates, too, which std's `retry` and
   * `delay` use.
   *
   * @default {false}
   */
  global?: boolean;
  /** Makes connections; without it, dialling fails. */
  dial?: Runtime["dial"];
}

/** A runtime in which time moves only when the test advances it. */
export class FakeRuntime implements Runtime, Disposable {
  /** What `random` returns. */
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

  /** Advances time. Timers fire in order, and what they trigger happens in between. */
  async advance(ms: number): Promise<void> {
    await turn();
    await this.#clock.tickAsync(ms);
    await turn();
  }

  /** Advances time at once: what timers trigger happens at the test's next await. */
  pass(ms: number): void {
    this.#clock.tick(ms);
  }

  /** Advances time like a blocked event loop: timers fire afterwards, and so too late. */
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
    // An id, like the real one.
    return this.#clock.setTimeout(callback, ms) as unknown as Timer;
  }

  clearTimer(timer: Timer): void {
    this.#clock.clearTimeout(timer as never);
  }

  /** Restores the global timers. */
  [Symbol.dispose](): void {
    this.#uninstall?.();
  }
}
