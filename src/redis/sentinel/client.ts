import {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
} from "../../errors.ts";
import type { TcpAddress } from "../../runtime.ts";
import { toError } from "../../util/to_error.ts";
import type { Command } from "../wire/command.ts";
import type {
  Connection,
  ConnectionEvents,
  ConnectionOptions,
} from "../server/connection.ts";
import { openConnection } from "../server/open_connection.ts";
import type { RespValue } from "../wire/resp.ts";
import {
  isSameAddress,
  mastersOf,
  type MasterState,
  presentAddressOf,
  sentinelsOf,
} from "./master.ts";
import { formatAddress } from "../address.ts";

/** How Sentinels are spoken with, but for where they listen. */
export type PeerOptions = Omit<
  ConnectionOptions,
  "address" | "db" | "role" | "lifetime"
>;

/** What a Sentinel answered. */
export interface PeerAnswer {
  /** The masters that it watches. */
  readonly masters: readonly MasterState[];
  /** The other Sentinels of the master that was asked about; none if they were not asked for. */
  readonly sentinels: readonly TcpAddress[];
}

const CLOSED = new RedisConnectionError("The Sentinel was asked");

/** One Sentinel: each question, and each watch, has a connection of its own. */
export class SentinelPeer {
  /** `host:port`. */
  readonly name: string;
  readonly #options: ConnectionOptions;

  /** Prepares; nothing is dialled. */
  constructor(address: TcpAddress, options: PeerOptions) {
    this.name = formatAddress(address);
    this.#options = { ...options, address, db: 0 };
  }

  /**
   * Opens a connection to it.
   *
   * @throws {RedisConnectionError} if it cannot be reached.
   * @throws {RedisError} if it refuses the password.
   * @throws {ConfigurationError} if a permission is missing, or it speaks
   * something else.
   */
  async open(
    events: ConnectionEvents,
    signal: AbortSignal,
  ): Promise<Connection> {
    try {
      return await openConnection(this.#options, events, signal);
    } catch (error) {
      throw signal.aborted ? error : this.explain(error);
    }
  }

  /**
   * Asks which masters it watches, and where the one called `name` is now;
   * undefined: the only one. With `isLearning`, also which other Sentinels
   * watch that.
   *
   * @throws as {@linkcode open} does.
   */
  async ask(
    signal: AbortSignal,
    name: string | undefined,
    isLearning = false,
  ): Promise<PeerAnswer> {
    const connection = await this.open({ onNotice() {} }, signal);
    function end(): void {
      connection.end(toError(signal.reason));
    }
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    // A Sentinel that takes the connection may still not answer.
    const { connectTimeout, runtime } = this.#options;
    const timer = runtime.setTimer(
      () =>
        connection.end(
          new RedisConnectionError(
            `Read no answer within ${connectTimeout} ms (connectTimeout)`,
          ),
        ),
      connectTimeout,
      false,
    );
    try {
      const masters = mastersOf(
        await connection.request(["SENTINEL", "MASTERS"]),
      );
      const [only] = masters;
      const state = name === undefined && masters.length === 1
        ? only
        : masters.find((each) => each.name === name);
      if (state === undefined) return { masters, sentinels: [] };
      const [now, sentinels] = await Promise.all([
        presentState(connection, state),
        isLearning ? others(connection, state.name) : [],
      ]);
      return {
        masters: masters.map((each) => each === state ? now : each),
        sentinels,
      };
    } catch (error) {
      throw signal.aborted ? signal.reason : this.explain(error);
    } finally {
      runtime.clearTimer(timer);
      signal.removeEventListener("abort", end);
      connection.end(CLOSED);
      await connection.finished();
    }
  }

  /** Says which Sentinel an error is about, and what can be done. */
  explain(error: unknown): Error {
    if (error instanceof RedisError) {
      // What was advised is about a server.
      const { message } = error.cause instanceof RedisError
        ? error.cause
        : error;
      return new RedisError(
        message,
        `Sentinel ${this.name}: ${adviceFor(error.code, message)}`,
        { cause: error, code: error.code },
      );
    }
    const words = toError(error).message;
    // The advice there is about a server and its URL.
    const advice = /\bTLS\b/.test(words)
      ? " (how TLS is spoken with the Sentinels is the option `sentinel.tls`: as with the servers, if not given; `false` is not at all)"
      : "";
    const message = `Sentinel ${this.name}: ${words}${advice}`;
    return error instanceof ConfigurationError
      ? new ConfigurationError(message, { cause: error })
      : new RedisConnectionError(message, { cause: error });
  }
}

/**
 * The state of a master, with the address that clients are to use. While a
 * Sentinel leads a fail-over, and for as long as it then waits for the
 * replicas, its list still has the old master, under the new epoch.
 */
async function presentState(
  connection: Connection,
  state: MasterState,
): Promise<MasterState> {
  const reply = await optional(connection, [
    "SENTINEL",
    "GET-MASTER-ADDR-BY-NAME",
    state.name,
  ]);
  const address = reply === null ? undefined : presentAddressOf(reply);
  return address === undefined || isSameAddress(address, state.address)
    ? state
    // What it says of the old one is not about this one.
    : { ...state, address, flags: ["master"] };
}

/** The other Sentinels; it is no harm not to know them. */
async function others(
  connection: Connection,
  name: string,
): Promise<TcpAddress[]> {
  const reply = await optional(connection, ["SENTINEL", "SENTINELS", name]);
  return reply === null ? [] : sentinelsOf(reply);
}

/** The reply to a command that an ACL may forbid; null where it does. */
async function optional(
  connection: Connection,
  command: Command,
): Promise<RespValue> {
  try {
    return await connection.request(command);
  } catch (error) {
    if (error instanceof RedisError) return null;
    throw error;
  }
}

function adviceFor(code: string, message: string): string {
  if (code === "NOAUTH") {
    return "it asks for a password of its own: give it as the option `sentinel.password`";
  }
  if (code === "WRONGPASS" || message.includes("AUTH")) {
    return "check `sentinel.username` and `sentinel.password`, which are not those of the servers";
  }
  if (code === "NOPERM") {
    return "its ACL must allow this user PING, SENTINEL MASTERS, SENTINEL GET-MASTER-ADDR-BY-NAME, SENTINEL SENTINELS, and to subscribe to +switch-master, +monitor, -sdown and -odown";
  }
  if (/unknown command/i.test(message)) {
    return "it is no Sentinel: check the port, which is 26379 by default";
  }
  return "while it was asked for the master";
}
