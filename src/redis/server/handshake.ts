import { RedisError } from "../../errors.ts";
import {
  explainCut,
  explainSetUp,
  explainSharded,
  type SetUpOptions,
} from "./explain.ts";
import { RespError, type RespValue } from "../wire/resp.ts";
import { isRetriable } from "../retriable.ts";
import { type CommandSender, expectMaster } from "./role.ts";
import type { TlsSources } from "../tls/tls.ts";

/** Who a connection is to be, and what its server. */
export interface SessionOptions extends SetUpOptions {
  /** With it, TLS is spoken. */
  readonly tls?: TlsSources | undefined;
  /** The name that CLIENT LIST shows; a server that refuses it is told of, and kept. */
  readonly clientName?: string | undefined;
  /** Whether channels are sharded ones: SSUBSCRIBE, which Redis has from 7. */
  readonly sharded?: boolean | undefined;
  /** What the server has to be; one that is not is refused. */
  readonly role?: "master";
}

/**
 * Makes a fresh connection ready: who it is, which database, what it is called,
 * and whether the server is what was meant. All of it is sent at once.
 *
 * @throws {RedisError} if the server refuses something that is needed.
 * @throws {RedisConnectionError} if another attempt may succeed.
 * @throws {ConfigurationError} if the peer is no Redis server, or cannot do
 * what is asked of it.
 */
export async function handshake(
  server: CommandSender,
  identity: SessionOptions,
  onNotice: (notice: Error) => void,
): Promise<void> {
  const { address, db, username, password, clientName, sharded, role, tls } =
    identity;
  const steps: Promise<unknown>[] = [];
  if (username !== undefined || password !== undefined) {
    // A user may need no password, and is another one than the default all
    // the same. Any will do then.
    const words = username === undefined
      ? [password ?? ""]
      : [username, password ?? ""];
    steps.push(server.request(["AUTH", ...words]));
  }
  if (db !== 0) steps.push(server.request(["SELECT", db]));
  if (clientName !== undefined) {
    steps.push(
      server.request(["CLIENT", "SETNAME", clientName]).catch((error) => {
        // A server that is full says so to whatever comes first.
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
        // Whether it has them, the first subscription tells.
        onNotice(error);
      }),
    );
  }
  steps.push(server.request(["PING"]).then(expectPong));
  if (role !== undefined) steps.push(expectMaster(server, address, onNotice));
  for (const outcome of await Promise.allSettled(steps)) {
    // In order, because the first refusal explains those that follow it.
    if (outcome.status === "rejected") {
      throw explainSetUp(explainCut(outcome.reason, address, tls), identity);
    }
  }
}

function expectPong(reply: RespValue): void {
  if (reply !== "PONG") {
    throw new RespError(`Read ${JSON.stringify(reply)} as the reply to PING`);
  }
}
