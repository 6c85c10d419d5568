import { RedisConnectionError } from "../../errors.ts";
import { Deadline } from "../../util/deadline.ts";
import { onAbort } from "../../util/on_abort.ts";
import { toError } from "../../util/to_error.ts";
import { formatAddress } from "../address.ts";
import {
  Connection,
  type ConnectionEvents,
  type ConnectionOptions,
} from "./connection.ts";
import { askCredentials } from "./credentials.ts";
import { dial } from "./dial.ts";

/** What is reported while a connection is being opened. */
export interface OpeningEvents extends ConnectionEvents {
  /** Called with the date on which the credentials expire, if they say so. */
  onExpires?(at: Date): void;
  /** Called with what is being waited for; undefined once nothing is. */
  onStep?(step: string | undefined): void;
}

/**
 * Asks for credentials, dials, authenticates and selects the database. The
 * connection that it resolves to has answered a PING.
 *
 * @throws {RedisConnectionError} if the server cannot be reached in time.
 * @throws {RedisError} if the server refuses the password, the database, or
 * to serve for now (LOADING, too many clients). With `credentials`, a refused
 * password is a RedisConnectionError: the next ones may be accepted.
 * @throws {ConfigurationError} if the peer is not a Redis server, or the
 * permission to reach it is missing.
 */
export async function openConnection(
  options: ConnectionOptions,
  events: OpeningEvents,
  signal: AbortSignal,
): Promise<Connection> {
  const { address, credentials, tls, connectTimeout, runtime } = options;
  signal.throwIfAborted();
  const name = formatAddress(address);
  let isAsking = credentials !== undefined;
  const attempt = new AbortController();
  using _abort = onAbort(signal, (reason) => attempt.abort(reason));
  using deadline = new Deadline(runtime, connectTimeout);
  deadline.passed.then(() =>
    attempt.abort(
      new RedisConnectionError(
        `Cannot connect to Redis at ${name}: no answer ${
          isAsking ? "of credentials() " : ""
        }within ${connectTimeout} ms (connectTimeout)${
          tls === undefined || isAsking
            ? ""
            : "; a server that does not expect TLS is silent, too"
        }`,
      ),
    )
  );
  try {
    let session = options;
    if (credentials !== undefined) {
      events.onStep?.("waiting for credentials()");
      // Before the dial: a server may hang up on a client that stays silent.
      const { username, password, expiresAt } = await askCredentials(
        credentials,
        name,
        attempt.signal,
      );
      isAsking = false;
      session = { ...options, username, password };
      if (expiresAt !== undefined) events.onExpires?.(expiresAt);
    }
    events.onStep?.(
      `dialling ${name}${
        tls === undefined
          ? ""
          : " with TLS, to which a server that does not expect it is silent"
      }`,
    );
    const transport = await dial(address, runtime, attempt.signal, tls);
    events.onStep?.(`waiting for the first reply of ${name}`);
    const connection = new Connection(transport, session, events);
    using _end = onAbort(
      attempt.signal,
      (reason) => connection.end(toError(reason)),
    );
    await connection.handshake();
    return connection;
  } finally {
    events.onStep?.(undefined);
  }
}
