import { abortable } from "../../util/abortable.ts";
import { ConfigurationError, RedisConnectionError } from "../../errors.ts";
import type { Runtime } from "../../runtime.ts";

/**
 * How to log in to a Redis server, for a while.
 *
 * @category Options
 */
export interface RedisCredentials {
  /** The ACL user; if not given, the default user. */
  username?: string | undefined;
  /** The password, or a token used as one. */
  password: string;
  /**
   * When connections made with them expire. A fresh connection replaces the old
   * one some time before; no outcome is lost or repeated. Without it,
   * connections stay open.
   */
  expiresAt?: Date | undefined;
}

/**
 * Returns the credentials for a connection. It is called for each connection:
 * two per server, and in a cluster two per node. Cache credentials that are
 * expensive to get while they are valid. Calls do not overlap: connections
 * opened at the same time share one call.
 *
 * @category Options
 */
export type CredentialsProvider = () =>
  | RedisCredentials
  | Promise<RedisCredentials>;

const EXPECTED =
  "expected { password: string, username?: string, expiresAt?: Date }";

/**
 * Asks for credentials; `at` is the server's name in messages.
 *
 * @throws {ConfigurationError} if it returns something else, a permission is
 * missing, or the provider throws one.
 * @throws {RedisConnectionError} if the provider throws anything else: its own
 * source may be down for a moment. Its error is not set as the cause, since it
 * may hold secrets of a failed request.
 * @throws the signal's reason, if it aborts.
 */
export async function askCredentials(
  provider: CredentialsProvider,
  at: string,
  signal: AbortSignal,
): Promise<RedisCredentials> {
  let given: unknown;
  try {
    given = await abortable(call(provider), signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof ConfigurationError) throw error;
    const why = error instanceof Error ? error.message : typeof error;
    const message =
      `Cannot connect to Redis at ${at}: credentials() failed: ${why}`;
    // Waiting does not grant a permission.
    throw error instanceof Deno.errors.NotCapable
      ? new ConfigurationError(message)
      : new RedisConnectionError(message);
  }
  return checkCredentials(given);
}

/**
 * Makes concurrent calls share one: the nodes of a cluster are dialled together,
 * and a token service may refuse that many requests at once. A call that has
 * taken `timeout` milliseconds is not joined any more: its caller has given up.
 */
export function shareCalls(
  provider: CredentialsProvider,
  runtime: Pick<Runtime, "now">,
  timeout: number,
): CredentialsProvider {
  let current: Promise<RedisCredentials> | undefined;
  let startedAt = 0;
  return () => {
    if (current !== undefined && runtime.now() - startedAt < timeout) {
      return current;
    }
    startedAt = runtime.now();
    const promise = current = call(provider);
    const forget = (): void => {
      if (current === promise) current = undefined;
    };
    promise.then(forget, forget);
    return promise;
  };
}

/** Turns what the provider throws into a rejection. */
async function call(provider: CredentialsProvider): Promise<RedisCredentials> {
  return await provider();
}

/** Errors show nothing of it: a token in the wrong place is still a token. */
function checkCredentials(given: unknown): RedisCredentials {
  if (typeof given !== "object" || given === null) {
    throw wrong(`it is ${given === null ? "null" : typeof given}`);
  }
  const { username, password, expiresAt }: {
    username?: unknown;
    password?: unknown;
    expiresAt?: unknown;
  } = given;
  if (typeof password !== "string") {
    throw wrong(`its password is ${typeof password}`);
  }
  if (username !== undefined && typeof username !== "string") {
    throw wrong(`its username is ${typeof username}`);
  }
  if (expiresAt === undefined) return { username, password };
  if (!(expiresAt instanceof Date) || Number.isNaN(expiresAt.getTime())) {
    throw wrong("its expiresAt is not a valid Date");
  }
  return { username, password, expiresAt };
}

function wrong(what: string): ConfigurationError {
  return new ConfigurationError(
    `Cannot use what credentials() returned: ${what}, ${EXPECTED}`,
  );
}
