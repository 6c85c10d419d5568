import { abortable } from "../../util/abortable.ts";
import { ConfigurationError, RedisConnectionError } from "../../errors.ts";
import type { Runtime } from "../../runtime.ts";

/** Who to be on a Redis server, for a while. */
export interface RedisCredentials {
  /** The ACL user; none for the default user. */
  username?: string | undefined;
  /** The password, or the token that serves as one. */
  password: string;
  /**
   * Until when a connection may live that was made with them. Some time before
   * it, a fresh connection takes the old one's place; no outcome is lost or
   * repeated by that. Without it, a connection lives on.
   */
  expiresAt?: Date | undefined;
}

/**
 * Gives the credentials for a connection. It is asked for each one that is
 * made, of which a server has two, and a cluster two for each node: keep what
 * is dear to get, and give it again while it is valid. It is not asked twice at
 * a time: connections that are made meanwhile get the same answer.
 */
export type CredentialsProvider = () =>
  | RedisCredentials
  | Promise<RedisCredentials>;

const EXPECTED =
  "expected { password: string, username?: string, expiresAt?: Date }";

/**
 * Asks for credentials; `at` is the server's name in messages.
 *
 * @throws {ConfigurationError} if what comes is none, a permission is missing,
 * or the provider throws one.
 * @throws {RedisConnectionError} if the provider throws anything else: what it
 * asks may be away for a while. Its error is not the cause, since it may hold
 * secrets of a request that failed.
 * @throws the signal's reason, if it aborts.
 */
export async function askCredentials(
  provider: CredentialsProvider,
  at: string,
  signal: AbortSignal,
): Promise<RedisCredentials> {
  let given: unknown;
  try {
    given = await abortable(ask(provider), signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof ConfigurationError) throw error;
    const why = error instanceof Error ? error.message : typeof error;
    const message =
      `Cannot connect to Redis at ${at}: credentials() failed: ${why}`;
    // A permission does not come by waiting.
    throw error instanceof Deno.errors.NotCapable
      ? new ConfigurationError(message)
      : new RedisConnectionError(message);
  }
  return checked(given);
}

/**
 * Asks `provider` once at a time: the nodes of a cluster are dialled together,
 * and a token service takes so many requests at once for too many. A call that
 * takes longer than `longest` milliseconds is given up by who made it, and not
 * waited for by others.
 */
export function shareCalls(
  provider: CredentialsProvider,
  runtime: Pick<Runtime, "now">,
  longest: number,
): CredentialsProvider {
  let underWay: Promise<RedisCredentials> | undefined;
  let since = 0;
  return () => {
    if (underWay !== undefined && runtime.now() - since < longest) {
      return underWay;
    }
    since = runtime.now();
    const call = underWay = ask(provider);
    const forget = (): void => {
      if (underWay === call) underWay = undefined;
    };
    call.then(forget, forget);
    return call;
  };
}

/** A provider that throws at once is one that rejects. */
async function ask(provider: CredentialsProvider): Promise<RedisCredentials> {
  return await provider();
}

/** Nothing of it is shown: a token that stands in the wrong place is one all the same. */
function checked(given: unknown): RedisCredentials {
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
    throw wrong("its expiresAt is no valid Date");
  }
  return { username, password, expiresAt };
}

function wrong(what: string): ConfigurationError {
  return new ConfigurationError(
    `Cannot use what credentials() gave: ${what}, ${EXPECTED}`,
  );
}
