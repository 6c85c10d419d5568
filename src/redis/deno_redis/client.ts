import { abortable } from "../../util/abortable.ts";
import {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
} from "../../errors.ts";
import type { Runtime, TcpAddress } from "../../runtime.ts";
import { explainHandshake } from "../server/explain_handshake.ts";
import type { Command } from "../wire/command.ts";
import { RespError } from "../wire/resp.ts";
import { dialFailureOf, strangenessOf } from "./failures.ts";
import type { DenoRedisClient, DenoRedisConnect } from "./types.ts";
import { isRead, replyOf } from "./replies.ts";
import { formatAddress } from "../address.ts";

/** How to reach a server through the package, and who to be there. */
export interface ClientSettings {
  /** The package's own function. */
  readonly connect: DenoRedisConnect;
  /** Where the server listens. */
  readonly address: TcpAddress;
  /** The database number. */
  readonly db: number;
  /** The ACL user; none for the default user. */
  readonly username: string | undefined;
  /** The password; none, and AUTH is not sent. */
  readonly password: string | undefined;
  /** The name that CLIENT LIST shows. */
  readonly clientName: string | undefined;
  /** Whether to speak TLS. */
  readonly tls: boolean;
  /** PEM texts of certificate authorities. */
  readonly caCerts: readonly string[] | undefined;
  /** Milliseconds from the dial to the last reply of the set-up. */
  readonly connectTimeout: number;
  /** Milliseconds of silence before a probe; as many again, and the server is given up. */
  readonly heartbeat: number;
  /** The world outside, but for sockets, which are the package's. */
  readonly runtime: Runtime;
}

/** What a client tells its owner. */
export interface ClientEvents {
  /** Takes what is worth telling and no reason to stop. */
  onNotice(notice: Error): void;
  /** Told that the package closed the connection, or made another, by itself. */
  onStray(reason: Error): void;
}

/**
 * Makes a client that is authenticated and on its database.
 *
 * The package only dials: AUTH and SELECT are sent from here. A connection
 * that it made anew behind our back is then of no use to it, where its own
 * AUTH and SELECT come too late for the subscription; and a server that falls
 * silent within them can be left.
 *
 * @throws {RedisConnectionError} if the server cannot be reached in time.
 * @throws {RedisError} if the server refuses the password, the database, or
 * to serve for now.
 * @throws {ConfigurationError} if the peer is no Redis server, or the
 * permission to reach it is missing.
 */
export async function openClient(
  settings: ClientSettings,
  events: ClientEvents,
  signal: AbortSignal,
): Promise<DenoRedisClient> {
  const { address, connectTimeout, runtime } = settings;
  signal.throwIfAborted();
  const giveUp = new AbortController();
  const abort = (): void => giveUp.abort(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  const timer = runtime.setTimer(
    () =>
      giveUp.abort(
        new RedisConnectionError(
          `Cannot connect to Redis at ${
            formatAddress(address)
          }: no answer within ${connectTimeout} ms (connectTimeout)`,
        ),
      ),
    connectTimeout,
    true,
  );
  try {
    const client = await dial(settings, giveUp.signal);
    checkClient(client);
    for (const type of ["close", "connect", "reconnecting"] as const) {
      client.addEventListener?.(
        type,
        () =>
          events.onStray(
            new RedisConnectionError(
              `Lost the connection to Redis at ${
                formatAddress(address)
              }: the package tells of its end (${type})`,
            ),
          ),
      );
    }
    const ready = setUp(client, settings, events);
    try {
      await abortable(ready, giveUp.signal);
    } catch (error) {
      closeClient(client);
      await ready.catch(ignore);
      throw error;
    }
    return client;
  } finally {
    runtime.clearTimer(timer);
    signal.removeEventListener("abort", abort);
  }
}

/** Closes a client, in whatever state it is. */
export function closeClient(client: DenoRedisClient): void {
  try {
    client.close();
  } catch {
    // The peer was first.
  }
}

/**
 * Sends commands at once, and resolves to their replies as the package gives
 * them: a refusal is an error among them.
 */
export async function exchange(
  client: DenoRedisClient,
  commands: readonly Command[],
  isBinary: (command: Command) => boolean = isRead,
): Promise<unknown[]> {
  const pipeline = client.pipeline();
  for (const command of commands) {
    const [name, ...args] = command;
    pipeline.sendCommand(String(name), args, {
      returnUint8Arrays: isBinary(command),
    });
  }
  return await pipeline.flush();
}

async function dial(
  { connect, address, tls, caCerts }: ClientSettings,
  signal: AbortSignal,
): Promise<DenoRedisClient> {
  const dialling = new AbortController();
  // A function of the caller's may throw where it should reject.
  const connecting = Promise.try(connect, {
    ...address,
    tls,
    ...(caCerts === undefined ? {} : { caCerts: [...caCerts] }),
    maxRetryCount: 0,
    noDelay: true,
    signal: () => dialling.signal,
  });
  try {
    return await abortable(connecting, signal);
  } catch (error) {
    // What comes late is not wanted any more.
    connecting.then(closeClient, ignore);
    throw signal.aborted ? signal.reason : dialFailureOf(error, address);
  } finally {
    // From here on it refuses each dial: that under way, if it was given up,
    // and any that the package would begin by itself.
    dialling.abort();
  }
}

/** No other dial makes another client of it. */
function checkClient(client: unknown): void {
  const isClient = typeof client === "object" && client !== null &&
    "pipeline" in client && "subscribe" in client && "close" in client;
  if (isClient) return;
  throw new ConfigurationError(
    "Cannot use what connect resolved to: hand over the function of this name from deno.land/x/redis",
  );
}

async function setUp(
  client: DenoRedisClient,
  settings: ClientSettings,
  { onNotice }: ClientEvents,
): Promise<void> {
  const { address, db, username, password, clientName } = settings;
  const commands: Command[] = [];
  if (password !== undefined) {
    commands.push(
      username === undefined
        ? ["AUTH", password]
        : ["AUTH", username, password],
    );
  }
  if (db !== 0) commands.push(["SELECT", db]);
  if (clientName !== undefined) {
    commands.push(["CLIENT", "SETNAME", clientName]);
  }
  commands.push(["PING"]);
  let replies: unknown[];
  try {
    replies = await exchange(client, commands);
  } catch (error) {
    throw explainHandshake(strangenessOf(error, address), settings);
  }
  // In order, because the first refusal explains those that follow it.
  for (const [index, command] of commands.entries()) {
    const reply = replyOf(replies[index]);
    if (reply instanceof RedisError) {
      if (command[0] !== "CLIENT") throw explainHandshake(reply, settings);
      onNotice(reply);
    } else if (command[0] === "PING" && reply !== "PONG") {
      throw explainHandshake(
        new RespError(`Read ${JSON.stringify(reply)} as the reply to PING`),
        settings,
      );
    }
  }
}

function ignore(): void {}
