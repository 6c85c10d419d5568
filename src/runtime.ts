/**
 * Everything that touches the world outside: sockets, time, chance. All of it
 * can be replaced, which is what lets tests and simulations run faults faster
 * than real time.
 *
 * @module
 */

/** A byte connection, as `Deno.Conn` is one. */
export interface Transport {
  /** Reads some bytes into `buffer`; `null` at the end of the stream. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes some of `bytes`, and says how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Closes both directions. */
  close(): void;
  /** Lets a pending read keep the process alive. */
  ref(): void;
  /** Lets the process end although a read is pending. */
  unref(): void;
}

/** Where a server listens. */
export interface Address {
  /** A host name or an IP address, IPv6 without brackets. */
  readonly hostname: string;
  /** The TCP port. */
  readonly port: number;
}

/** What `setTimeout` gives. */
export type Timer = ReturnType<typeof setTimeout>;

/** The world, as this module sees it. */
export interface Runtime {
  /** Opens a connection; gives up when `signal` aborts. */
  dial(address: Address, signal: AbortSignal): Promise<Transport>;
  /** A clock that only goes forward, in milliseconds. */
  now(): number;
  /** The date, for `date_done`. */
  date(): Date;
  /** A number from 0 to just below 1. */
  random(): number;
  /**
   * Calls back once after `ms` milliseconds. A timer that is not `persistent`
   * does not keep the process alive.
   */
  setTimer(callback: () => void, ms: number, persistent: boolean): Timer;
  /** Forgets a timer. */
  clearTimer(timer: Timer): void;
}

/** The real world. Global functions are looked up on each call, so that fake timers take hold. */
export const denoRuntime: Runtime = {
  async dial(address: Address, signal: AbortSignal): Promise<Transport> {
    const connection = await Deno.connect({ ...address, signal });
    // A command's last bytes must not wait for the acknowledgement of the first.
    connection.setNoDelay(true);
    return connection;
  },
  now(): number {
    return performance.now();
  },
  date(): Date {
    return new Date();
  },
  random(): number {
    return Math.random();
  },
  setTimer(callback: () => void, ms: number, persistent: boolean): Timer {
    // Longer than this, and setTimeout fires at once.
    const timer = setTimeout(callback, Math.min(ms, 2 ** 31 - 1));
    if (!persistent) Deno.unrefTimer(timer);
    return timer;
  },
  clearTimer(timer: Timer): void {
    clearTimeout(timer);
  },
};
