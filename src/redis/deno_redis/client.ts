import {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
} from "../../errors.ts";
import type { Runtime, TcpAddress } from "../../runtime.ts";
import { abortable } from "../../util/abortable.ts";
import { Deadline } from "../../util/deadline.ts";
import { onAbort } from "../../util/on_abort.ts";
import { formatAddress } from "../address.ts";
import { explainHandshake } from "../server/explain_handshake.ts";
import type { Command } from "../wire/command.ts";
import { RespError } from "../wire/resp.ts";
import { explainDialError, explainHandshakeError } from "./failures.ts";
import { isReadCommand, toRespValue } from "./replies.ts";
import type { DenoRedisClient, DenoRedisConnect } from "./types.ts";

/** How to connect to a server through the package. */
export interface ClientSettings {
  /** The package's own function. */
  readonly connect: DenoRedisConnect;
  /** Where the server listens. */
  readonly address: TcpAddress;
  /** The database number. */
  readonly db: number;
  /** The ACL user; undefined means the server's default user. */
  readonly username: string | undefined;
  /** The password; undefined means no AUTH. */
  readonly password: string | undefined;
  /** The name for CLIENT LIST. */
  readonly clientName: string | undefined;
  /** Whether to use TLS. */
  readonly tls: boolean;
  /** PEM texts of certificate authorities. */
  readonly caCerts: readonly string[] | undefined;
  /** Milliseconds from the dial to the last reply of the handshake. */
  readonly connectTimeout: number;
  /** Milliseconds of silence before a probe. After as much again, the connection is closed. */
  readonly heartbeat: number;
  /** Time and randomness. Sockets are the package's. */
  readonly runtime: Runtime;
}

/** What a client reports. */
export interface ClientEvents {
  /** Called with each problem that does not end the client. */
  onNotice(notice: Error): void;
  /** Called when the package closed the connection, or replaced it. */
  onLost(reason: Error): void;
}

/**
 * Opens a client that is authenticated and on its database.
 *
 * The package only dials. AUTH and SELECT are sent from here, for two reasons: a
 * connection that the package replaces by itself then stays unusable, instead of
 * subscribing before its own AUTH and SELECT take effect; and the handshake with
 * a silent server can be cancelled.
 *
 * @throws {RedisConnectionError} if the server cannot be reached in time.
 * @throws {RedisError} if the server refuses the password, the database, or
 * to serve for now.
 * @throws {ConfigurationError} if the peer is not a Redis server, or a
 * permission is missing.
 */
export async function openClient(
  settings: ClientSettings,
  events: ClientEvents,
  signal: AbortSignal,
): Promise<DenoRedisClient> {
  const { address, connectTimeout, runtime } = settings;
  signal.throwIfAborted();
  const giveUp = new AbortController();
  using _abort = onAbort(signal, (reason) => giveUp.abort(reason));
  using deadline = new Deadline(runtime, connectTimeout);
  deadline.passed.then(() =>
    giveUp.abort(
      new RedisConnectionError(
        `Cannot connect to Redis at ${
          formatAddress(address)
        }: no answer within ${connectTimeout} ms (connectTimeout)`,
      ),
    )
  );
  const client = await dial(settings, giveUp.signal);
  checkIsClient(client);
  for (const type of ["close", "connect", "reconnecting"] as const) {
    client.addEventListener?.(
      type,
      () =>
        events.onLost(
          new RedisConnectionError(
            `Lost the connection to Redis at ${
              formatAddress(address)
            }: deno.land/x/redis reported "${type}"`,
          ),
        ),
    );
  }
  const ready = handshake(client, settings, events);
  try {
    await abortable(ready, giveUp.signal);
  } catch (error) {
    closeClient(client);
    await ready.catch(ignore);
    throw error;
  }
  return client;
}

/** Closes a client in any state. */
export function closeClient(client: DenoRedisClient): void {
  try {
    client.close();
  } catch {
    // The peer closed it first.
  }
}

/**
 * Sends commands in one pipeline. Resolves to the package's replies; a refusal
 * is an error among them.
 */
export async function sendPipeline(
  client: DenoRedisClient,
  commands: readonly Command[],
  isBinary: (command: Command) => boolean = isReadCommand,
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
  // Promise.try, because a caller's function may throw instead of rejecting.
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
    // A client that arrives late is not needed any longer.
    connecting.then(closeClient, ignore);
    throw signal.aborted ? signal.reason : explainDialError(error, address);
  } finally {
    // The aborted signal stops a dial that is still under way, and any that the
    // package would begin by itself later.
    dialling.abort();
  }
}

/** Permanent, because another dial would resolve to the same kind of value. */
function checkIsClient(client: unknown): void {
  const isClient = typeof client === "object" && client !== null &&
    "pipeline" in client && "subscribe" in client && "close" in client;
  if (isClient) return;
  throw new ConfigurationError(
    "Cannot use the value that connect resolved to: pass the function of this name from deno.land/x/redis",
  );
}

async function handshake(
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
    replies = await sendPipeline(client, commands);
  } catch (error) {
    throw explainHandshake(explainHandshakeError(error, address), settings);
  }
  // In order, because the first refusal explains those that follow it.
  for (const [index, command] of commands.entries()) {
    const reply = toRespValue(replies[index]);
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
