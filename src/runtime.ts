/**
 * Everything that touches the outside world: sockets, files, time, randomness.
 * All of it can be replaced, so that tests and simulations run faults faster
 * than real time.
 *
 * @module
 */

/** A connection for bytes, such as a `Deno.Conn`. */
export interface Transport {
  /** Reads some bytes into `buffer`; resolves to their number, or `null` at the end of the stream. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes some of `bytes`; resolves to their number. */
  write(bytes: Uint8Array): Promise<number>;
  /** Closes both directions. */
  close(): void;
  /** Lets a pending read keep the process alive. */
  ref(): void;
  /** Lets the process end while a read is pending. */
  unref(): void;
}

/** TLS settings, with PEM texts. */
export interface TlsSettings {
  /** PEM texts of certificate authorities to trust in addition to Deno's own. */
  readonly caCerts: readonly string[];
  /** The client's certificate, with its chain, as PEM text. */
  readonly cert?: string;
  /** The private key of `cert`, as PEM text. */
  readonly key?: string;
  /** Whether the server's certificate must match the dialled host. */
  readonly checkHostname: boolean;
}

/** A server that is reached over TCP. */
export interface TcpAddress {
  /** A host name or an IP address; IPv6 without brackets. */
  readonly hostname: string;
  /** The TCP port. */
  readonly port: number;
  /** Enables TLS. */
  readonly tls?: TlsSettings;
}

/** A server on this machine, behind a Unix socket. */
export interface UnixAddress {
  /** The socket's absolute path. */
  readonly path: string;
}

/** Where a server listens. */
export type Address = TcpAddress | UnixAddress;

/** What `setTimeout` returns. */
export type Timer = ReturnType<typeof setTimeout>;

/**
 * The outside world, as this module uses it. Every wait goes through `setTimer`
 * and `now`, and every random choice through `random`, except what std/async's
 * `retry` does itself:
 *
 * - It waits between two attempts to connect on the global `setTimeout`, with
 *   `Math.random` for the jitter, unless `reconnect.delay` sets the schedule or
 *   the driver may end the wait early (as with Sentinels).
 * - In those cases, between two attempts of a store or a read, and between two
 *   attempts to replace a link, it sets a global timer of 0 ms and calls
 *   `Math.random` once; the wait itself is on `setTimer`.
 *
 * A simulation that controls all of time patches those two as well.
 */
export interface Runtime {
  /** Opens a connection, unless `signal` aborts first. */
  dial(address: Address, signal: AbortSignal): Promise<Transport>;
  /** Reads a certificate or key file. */
  readTextFile(path: string, signal: AbortSignal): Promise<string>;
  /** A monotonic clock, in milliseconds. */
  now(): number;
  /** The current date, for `date_done` and the expiry of credentials. */
  date(): Date;
  /** A number from 0 to just below 1. */
  random(): number;
  /**
   * Calls back once after `ms` milliseconds. That is at most 2^31 - 1, the
   * longest that `setTimeout` can wait: longer waits are made of several timers.
   * A timer that is not `persistent` does not keep the process alive.
   */
  setTimer(callback: () => void, ms: number, persistent: boolean): Timer;
  /** Cancels a timer. */
  clearTimer(timer: Timer): void;
}

/** The longest that `setTimeout` can wait: with more, it fires at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** The real world. Global functions are looked up on each call, so that fake timers take effect. */
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
 * Makes timers of any length out of those of `runtime`: one that is longer than
 * `setTimeout` can wait is a chain of timers. A timer of `Infinity` never fires.
 */
export function longTimers(
  runtime: Pick<Runtime, "now" | "setTimer" | "clearTimer">,
): Pick<Runtime, "setTimer" | "clearTimer"> {
  // The running timer of each chain, by the timer that was returned.
  const running = new Map<Timer, Timer>();

  function setLong(
    callback: () => void,
    ms: number,
    persistent: boolean,
  ): Timer {
    const due = runtime.now() + ms;
    const handle = runtime.setTimer(proceed, MAX_TIMEOUT_MS, persistent);
    running.set(handle, handle);
    function proceed(): void {
      const left = due - runtime.now();
      running.set(
        handle,
        left > MAX_TIMEOUT_MS
          ? runtime.setTimer(proceed, MAX_TIMEOUT_MS, persistent)
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
      return ms > MAX_TIMEOUT_MS
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

/** Opens a connection and performs the handshake, which verifies certificates. */
async function dialTls(
  address: TcpAddress & { readonly tls: TlsSettings },
  signal: AbortSignal,
): Promise<Deno.TlsConn> {
  const connection = await openTls(address, signal);
  let isClosed = false;
  function close(): void {
    if (isClosed) return;
    isClosed = true;
    // During a handshake, Deno keeps the socket open until the peer answers or
    // hangs up; nothing can close it earlier.
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
    // connectTls takes no signal, and startTls no certificate: if nobody
    // answers, the dial goes on, and keeps the process alive, until the system
    // gives up, which may take two minutes.
    return await Deno.connectTls({ ...options, port, cert, key });
  }
  const connection = await dialTcp({ hostname, port }, signal);
  try {
    return await Deno.startTls(connection, options);
  } catch (error) {
    try {
      connection.close();
    } catch {
      // startTls has taken and closed it.
    }
    throw error;
  }
}
