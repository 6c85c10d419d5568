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

/** What TLS needs, as texts. */
export interface TlsSettings {
  /** PEM texts of certificate authorities, trusted along with those that Deno knows. */
  readonly caCerts: readonly string[];
  /** The client's certificate (with its chain), as PEM text. */
  readonly cert?: string;
  /** The key of `cert`, as PEM text. */
  readonly key?: string;
  /** Whether the certificate has to be for the host that is dialled. */
  readonly checkHostname: boolean;
}

/** A server that is reached over TCP. */
export interface TcpAddress {
  /** A host name or an IP address, IPv6 without brackets. */
  readonly hostname: string;
  /** The TCP port. */
  readonly port: number;
  /** With it, TLS is spoken. */
  readonly tls?: TlsSettings;
}

/** A server on this machine, behind a Unix socket. */
export interface UnixAddress {
  /** The socket's path, from the root. */
  readonly path: string;
}

/** Where a server listens. */
export type Address = TcpAddress | UnixAddress;

/** What `setTimeout` gives. */
export type Timer = ReturnType<typeof setTimeout>;

/**
 * The world, as this module sees it. Every wait of this module goes through
 * `setTimer` and `now`, and every choice by chance through `random`, but for
 * what std/async's `retry` does itself:
 *
 * - The wait between two attempts to connect is its own, on the global
 *   `setTimeout`, with `Math.random` for its jitter; unless `reconnect.delay`
 *   gives the schedule, or the driver may end the wait early (Sentinels do).
 * - Between two tries of a store or a read, and between two attempts to connect
 *   in those cases, it sets a global timer of 0 ms and asks `Math.random` once;
 *   the wait itself is on `setTimer`.
 *
 * A simulation that is to control all of time patches those two as well.
 */
export interface Runtime {
  /** Opens a connection; gives up when `signal` aborts. */
  dial(address: Address, signal: AbortSignal): Promise<Transport>;
  /** Reads a file of a certificate or a key. */
  readTextFile(path: string, signal: AbortSignal): Promise<string>;
  /** A clock that only goes forward, in milliseconds. */
  now(): number;
  /** The date, for `date_done`. */
  date(): Date;
  /** A number from 0 to just below 1. */
  random(): number;
  /**
   * Calls back once after `ms` milliseconds, which are at most 2^31 - 1, the
   * longest that `setTimeout` waits: a longer wait is made of several timers. A
   * timer that is not `persistent` does not keep the process alive.
   */
  setTimer(callback: () => void, ms: number, persistent: boolean): Timer;
  /** Forgets a timer. */
  clearTimer(timer: Timer): void;
}

/** What `setTimeout` waits at most, in milliseconds: with more, it fires at once. */
const LONGEST = 2 ** 31 - 1;

/** The real world. Global functions are looked up on each call, so that fake timers take hold. */
export const denoRuntime: Runtime = {
  async dial(address: Address, signal: AbortSignal): Promise<Transport> {
    if ("path" in address) {
      return await Deno.connect({ transport: "unix", path: address.path });
    }
    const { hostname, port, tls } = address;
    if (tls !== undefined) {
      return await dialTls({ hostname, port, tls }, signal);
    }
    return await dialTcp(address, signal);
  },
  readTextFile(path: string, signal: AbortSignal): Promise<string> {
    return Deno.readTextFile(path, { signal });
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
  ...longTimers({
    now(): number {
      return performance.now();
    },
    setTimer(callback: () => void, ms: number, persistent: boolean): Timer {
      const timer = setTimeout(callback, ms);
      if (!persistent) Deno.unrefTimer(timer);
      return timer;
    },
    clearTimer(timer: Timer): void {
      clearTimeout(timer);
    },
  }),
};

/**
 * Timers of any length, made of those of `runtime`: where one is longer than
 * `setTimeout` can wait, others follow it until its time has come. `Infinity`
 * never comes.
 */
export function longTimers(
  runtime: Pick<Runtime, "now" | "setTimer" | "clearTimer">,
): Pick<Runtime, "setTimer" | "clearTimer"> {
  // The timer that runs now, by the one that was handed out.
  const running = new Map<Timer, Timer>();

  function setLong(
    callback: () => void,
    ms: number,
    persistent: boolean,
  ): Timer {
    const due = runtime.now() + ms;
    const handle = runtime.setTimer(goOn, LONGEST, persistent);
    running.set(handle, handle);
    function goOn(): void {
      const left = due - runtime.now();
      running.set(
        handle,
        left > LONGEST
          ? runtime.setTimer(goOn, LONGEST, persistent)
          : runtime.setTimer(finish, Math.max(0, left), persistent),
      );
    }
    function finish(): void {
      running.delete(handle);
      callback();
    }
    return handle;
  }

  return {
    setTimer(callback: () => void, ms: number, persistent: boolean): Timer {
      return ms > LONGEST
        ? setLong(callback, ms, persistent)
        : runtime.setTimer(callback, ms, persistent);
    },
    clearTimer(timer: Timer): void {
      runtime.clearTimer(running.get(timer) ?? timer);
      running.delete(timer);
    },
  };
}

async function dialTcp(
  { hostname, port }: TcpAddress,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname, port, signal });
  // A command's last bytes must not wait for the acknowledgement of the first.
  connection.setNoDelay(true);
  return connection;
}

/** Opens a connection, and shakes hands: what is wrong with a certificate shows here. */
async function dialTls(
  address: TcpAddress & { readonly tls: TlsSettings },
  signal: AbortSignal,
): Promise<Deno.TlsConn> {
  const connection = await openTls(address, signal);
  let isClosed = false;
  function close(): void {
    if (isClosed) return;
    isClosed = true;
    // Of a handshake that is cut off, Deno keeps the socket until the peer
    // answers or hangs up; there is no way to be rid of it before.
    connection.close();
  }
  signal.addEventListener("abort", close, { once: true });
  try {
    signal.throwIfAborted();
    await connection.handshake();
    signal.throwIfAborted();
    return connection;
  } catch (error) {
    close();
    throw error;
  } finally {
    signal.removeEventListener("abort", close);
  }
}

async function openTls(
  { hostname, port, tls }: TcpAddress & { readonly tls: TlsSettings },
  signal: AbortSignal,
): Promise<Deno.TlsConn> {
  const { cert, key } = tls;
  const options = {
    hostname,
    caCerts: [...tls.caCerts],
    unsafelyDisableHostnameVerification: !tls.checkHostname,
  };
  if (cert !== undefined && key !== undefined) {
    // It takes no signal, and startTls takes no certificate: where nobody
    // answers, the dial goes on until the system gives it up, which may be two
    // minutes later, and keeps the process alive for so long.
    return await Deno.connectTls({ ...options, port, cert, key });
  }
  const connection = await dialTcp({ hostname, port }, signal);
  try {
    return await Deno.startTls(connection, options);
  } catch (error) {
    try {
      connection.close();
    } catch {
      // It was taken, and closed.
    }
    throw error;
  }
}
