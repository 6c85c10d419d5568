import { QueryError } from "../tls/query_error.ts";
import { TLS_KEYS } from "../tls/query.ts";

/** What the query of a Redis URL says, as far as it means something here. */
export interface UrlOptions {
  /** The database number, which wins over the path's. */
  readonly db?: number;
  /** The ACL user, who wins over the one before the host. */
  readonly username?: string;
  /** The password, which wins over the one before the host. */
  readonly password?: string;
  /** The name that CLIENT LIST shows. */
  readonly clientName?: string;
  /** Milliseconds for one attempt to connect. */
  readonly connectTimeout?: number;
  /** Milliseconds of silence before a probe. */
  readonly heartbeat?: number;
  /** Milliseconds that a reply may take. */
  readonly socketTimeout?: number;
}

/**
 * The keys that Celery's Redis backend takes, and what of them is used here.
 * redis-py's types hold for the others too: a number that is none is a mistake.
 */
const READERS: Readonly<Record<string, (value: string) => UrlOptions>> = {
  db: (value) => ({ db: integer(value) }),
  username: (username) => ({ username }),
  password: (password) => ({ password }),
  client_name: (clientName) => ({ clientName }),
  // To redis-py, too, 0 is as if it were not given.
  socket_connect_timeout: (value) =>
    Number(value) === 0 ? {} : { connectTimeout: duration(value) },
  health_check_interval: (value) => {
    const seconds = integer(value);
    // 0 is redis-py's own default, which is none. Here none would leave a dead
    // connection unnoticed.
    return seconds === 0 ? {} : { heartbeat: seconds * 1000 };
  },
  // Not 0: redis-py would not wait for any reply.
  socket_timeout: (value) => ({ socketTimeout: duration(value) }),
  // There are two connections, and no pool.
  max_connections: (value) => (integer(value), {}),
  // Silence is probed, by either end's word.
  socket_keepalive: () => ({}),
  // What is tried again is for `retry` to say.
  retry_on_timeout: () => ({}),
  // The database of a Unix socket.
  virtual_host: () => ({}),
};

/**
 * Reads the query of a Redis URL. As in Celery, a key without a value counts as
 * not given, and of a key given twice the last one counts. With `isTls`, those
 * about TLS are left to {@linkcode tlsOf}.
 *
 * @throws {QueryError} if a key is unknown, or a value is of another type.
 */
export function parseUrlQuery(
  query: URLSearchParams,
  isTls: boolean,
): UrlOptions {
  let options: UrlOptions = {};
  let isBehindPassword = false;
  for (const [key, value] of query) {
    if (isTls && TLS_KEYS.has(key)) continue;
    if (!Object.hasOwn(READERS, key)) {
      throw unknown(key, isBehindPassword, isTls);
    }
    isBehindPassword ||= key === "password";
    if (value === "") continue;
    try {
      options = { ...options, ...READERS[key]!(value) };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      // What looks like a key may be the rest of the password.
      const shown = isBehindPassword ? "**" : JSON.stringify(value);
      throw new QueryError(`its ${key} is ${shown}, expected ${error.message}`);
    }
  }
  return options;
}

function unknown(
  key: string,
  isBehindPassword: boolean,
  isTls: boolean,
): QueryError {
  if (isBehindPassword) {
    // It may be the rest of the password.
    return new QueryError(
      "behind the password its query holds a key that there is not: in a password, write `&` as %26",
    );
  }
  const name = JSON.stringify(key);
  if (key.startsWith("ssl_") && !isTls) {
    return new QueryError(
      `its query has ${name}, which is for TLS: the scheme should be rediss`,
    );
  }
  if (key === "credential_provider") {
    return new QueryError(
      `its query has ${name}, which names a Python class: give the option \`credentials\`, a function`,
    );
  }
  return new QueryError(
    `its query has ${name}, expected one of ${
      [...Object.keys(READERS), ...(isTls ? TLS_KEYS : [])].join(", ")
    }`,
  );
}

function integer(value: string): number {
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw new RangeError("a whole number");
}

/** Seconds as Python writes them, in milliseconds. */
function duration(value: string): number {
  const ms = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)
    ? Number(value) * 1000
    : NaN;
  if (ms > 0 && ms < Infinity) return ms;
  throw new RangeError("seconds above 0");
}
