import {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
} from "../../errors.ts";
import type { TcpAddress } from "../../runtime.ts";
import { Deadline } from "../../util/deadline.ts";
import { onAbort } from "../../util/on_abort.ts";
import { toError } from "../../util/to_error.ts";
import { formatAddress } from "../address.ts";
import type {
  Connection,
  ConnectionEvents,
  ConnectionOptions,
} from "../server/connection.ts";
import { openConnection } from "../server/open_connection.ts";
import type { Command } from "../wire/command.ts";
import type { RespValue } from "../wire/resp.ts";
import {
  isSameAddress,
  type MasterState,
  parseMasterAddress,
  parseMasters,
  parseSentinels,
} from "./master.ts";

/** How to connect to a Sentinel, apart from its address. */
export type SentinelClientOptions = Omit<
  ConnectionOptions,
  "address" | "db" | "role" | "lifetime"
>;

/** What one Sentinel knows. */
export interface SentinelAnswer {
  /** The masters that it watches. */
  readonly masters: readonly MasterState[];
  /** The other Sentinels of the master in question; empty unless requested. */
  readonly sentinels: readonly TcpAddress[];
}

/** A client of one Sentinel. Each query, and each watch, opens its own connection. */
export class SentinelClient {
  /** `host:port`. */
  readonly name: string;
  readonly #options: ConnectionOptions;

  /** Creates a client. It dials nothing yet. */
  constructor(address: TcpAddress, options: SentinelClientOptions) {
    this.name = formatAddress(address);
    this.#options = { ...options, address, db: 0 };
  }

  /**
   * Opens a connection.
   *
   * @throws {RedisConnectionError} if the Sentinel cannot be reached.
   * @throws {RedisError} if it refuses the password.
   * @throws {ConfigurationError} if a permission is missing, or the peer does
   * not speak Redis's protocol.
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
   * Asks which masters the Sentinel watches, and where the one called
   * `masterName` is now; undefined means the only one. With `withSentinels`,
   * also asks which other Sentinels watch that master.
   *
   * @throws the same errors as {@linkcode open}.
   */
  async query(
    signal: AbortSignal,
    masterName: string | undefined,
    { withSentinels = false }: { withSentinels?: boolean } = {},
  ): Promise<SentinelAnswer> {
    const { connectTimeout, runtime } = this.#options;
    const connection = await this.open({ onNotice() {} }, signal);
    try {
      using _abort = onAbort(
        signal,
        (reason) => connection.end(toError(reason)),
      );
      // A Sentinel that accepts the connection may still not answer.
      using deadline = new Deadline(runtime, connectTimeout, false);
      deadline.passed.then(() =>
        connection.end(
          new RedisConnectionError(
            `Read no answer within ${connectTimeout} ms (connectTimeout)`,
          ),
        )
      );
      const masters = parseMasters(
        await connection.request(["SENTINEL", "MASTERS"]),
      );
      const [first] = masters;
      const listed = masterName === undefined && masters.length === 1
        ? first
        : masters.find(({ name }) => name === masterName);
      if (listed === undefined) return { masters, sentinels: [] };
      const [current, sentinels] = await Promise.all([
        currentState(connection, listed),
        withSentinels ? otherSentinels(connection, listed.name) : [],
      ]);
      return {
        masters: masters.map((each) => each === listed ? current : each),
        sentinels,
      };
    } catch (error) {
      throw signal.aborted ? signal.reason : this.explain(error);
    } finally {
      connection.end(new RedisConnectionError("The Sentinel has answered"));
      await connection.finished();
    }
  }

  /** Adds to an error which Sentinel it is about, and what to do. */
  explain(error: unknown): Error {
    if (error instanceof RedisError) {
      // Unwrapped: its advice is about a server, not about a Sentinel.
      const { message } = error.cause instanceof RedisError
        ? error.cause
        : error;
      return new RedisError(
        message,
        `Sentinel ${this.name}: ${adviceFor(error.code, message)}`,
        { cause: error, code: error.code },
      );
    }
    const { message: original } = toError(error);
    // The original advice is about a server and its URL.
    const advice = /\bTLS\b/.test(original)
      ? " (TLS with the Sentinels is the option `sentinel.tls`: as with the servers by default; `false` turns it off)"
      : "";
    const message = `Sentinel ${this.name}: ${original}${advice}`;
    return error instanceof ConfigurationError
      ? new ConfigurationError(message, { cause: error })
      : new RedisConnectionError(message, { cause: error });
  }
}

/**
 * The state of a master with the address that clients should use. While a
 * Sentinel leads a fail-over, and while it then waits for the replicas, SENTINEL
 * MASTERS still lists the old address, under the new epoch.
 */
async function currentState(
  connection: Connection,
  state: MasterState,
): Promise<MasterState> {
  const reply = await requestIfAllowed(connection, [
    "SENTINEL",
    "GET-MASTER-ADDR-BY-NAME",
    state.name,
  ]);
  const address = reply === null ? undefined : parseMasterAddress(reply);
  return address === undefined || isSameAddress(address, state.address)
    ? state
    // The flags describe the old master.
    : { ...state, address, flags: ["master"] };
}

/** The other Sentinels; empty if the ACL hides them, since they are optional. */
async function otherSentinels(
  connection: Connection,
  masterName: string,
): Promise<TcpAddress[]> {
  const reply = await requestIfAllowed(connection, [
    "SENTINEL",
    "SENTINELS",
    masterName,
  ]);
  return reply === null ? [] : parseSentinels(reply);
}

/** The reply to a command; null where the Sentinel, or its ACL, refuses it. */
async function requestIfAllowed(
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
    return "it requires a password of its own: set the option `sentinel.password`";
  }
  if (code === "WRONGPASS" || message.includes("AUTH")) {
    return "check `sentinel.username` and `sentinel.password`, which are separate from those of the servers";
  }
  if (code === "NOPERM") {
    return "its ACL must allow this user PING, SENTINEL MASTERS, SENTINEL GET-MASTER-ADDR-BY-NAME, SENTINEL SENTINELS, and to subscribe to +switch-master, +monitor, -sdown and -odown";
  }
  if (/unknown command/i.test(message)) {
    return "it is not a Sentinel: check the port, which is 26379 by default";
  }
  return "in reply to a query for the master";
}
