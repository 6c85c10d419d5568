import { RedisError } from "../../errors.ts";
import {
  explainDisconnect,
  explainHandshake,
  explainSharded,
  type LoginOptions,
} from "./explain_handshake.ts";
import { RespError, type RespValue } from "../wire/resp.ts";
import { isRetriable } from "../retriable.ts";
import { type CommandSender, expectMaster } from "./role.ts";
import type { TlsSources } from "../tls/tls.ts";

/** What the handshake sets up, and what it expects of the server. */
export interface SessionOptions extends LoginOptions {
  /** How to use TLS; undefined: not at all. */
  readonly tls?: TlsSources | undefined;
  /** The name shown by CLIENT LIST; a server that refuses it is used anyway, with a notice. */
  readonly clientName?: string | undefined;
  /** Whether to use sharded channels (SSUBSCRIBE), which came with Redis 7. */
  readonly sharded?: boolean | undefined;
  /** The role that the server must have. */
  readonly role?: "master";
}

/**
 * Prepares a fresh connection: logs in, selects the database, sets the client's
 * name, and checks the server. All of it is sent at once.
 *
 * @throws {RedisError} if the server refuses something that is needed.
 * @throws {RedisConnectionError} if the failure is transient.
 * @throws {ConfigurationError} if the peer is not a Redis server, or lacks a
 * feature that is needed.
 */
export async function handshake(
  server: CommandSender,
  options: SessionOptions,
  onNotice: (notice: Error) => void,
): Promise<void> {
  const { address, db, username, password, clientName, sharded, role, tls } =
    options;
  const steps: Promise<unknown>[] = [];
  if (username !== undefined || password !== undefined) {
    // A user other than the default may need no password: any will do.
    const credentials = username === undefined
      ? [password ?? ""]
      : [username, password ?? ""];
    steps.push(server.request(["AUTH", ...credentials]));
  }
  if (db !== 0) steps.push(server.request(["SELECT", db]));
  if (clientName !== undefined) {
    steps.push(
      server.request(["CLIENT", "SETNAME", clientName]).catch((error) => {
        // A server with too many clients says so to whatever is sent first.
        if (!(error instanceof RedisError) || isRetriable(error)) throw error;
        onNotice(error);
      }),
    );
  }
  if (sharded === true) {
    steps.push(
      server.request(["PUBSUB", "SHARDNUMSUB"]).catch((error) => {
        const isRefused = error instanceof RedisError &&
          error.code === "NOPERM";
        if (!isRefused) throw explainSharded(error, address);
        // The first subscription shows whether it has them.
        onNotice(error);
      }),
    );
  }
  steps.push(server.request(["PING"]).then(expectPong));
  if (role !== undefined) steps.push(expectMaster(server, address, onNotice));
  for (const outcome of await Promise.allSettled(steps)) {
    // In order, because the first refusal explains the following ones.
    if (outcome.status === "rejected") {
      throw explainHandshake(
        explainDisconnect(outcome.reason, address, tls),
        options,
      );
    }
  }
}

function expectPong(reply: RespValue): void {
  if (reply !== "PONG") {
    throw new RespError(`Read ${JSON.stringify(reply)} as the reply to PING`);
  }
}
