import { QueryError, TLS_KEYS } from "../tls/query.ts";

/** What the query of a Redis URL says, as far as it matters here. */
export interface UrlOptions {
  /** The database number; takes precedence over the path's. */
  readonly db?: number;
  /** The ACL user; takes precedence over the one before the host. */
  readonly username?: string;
  /** The password; takes precedence over the one before the host. */
  readonly password?: string;
  /** The name shown by CLIENT LIST. */
  readonly clientName?: string;
  /** Milliseconds for one attempt to connect. */
  readonly connectTimeout?: number;
  /** Milliseconds of silence before a probe. */
  readonly heartbeat?: number;
  /** Milliseconds that a reply may take. */
  readonly socketTimeout?: number;
}

/**
 * The keys that Celery's Redis backend accepts, and how they are read. A key
 * without effect here must still have the type that redis-py expects.
 */
const READERS: Readonly<Record<string, (value: string) => UrlOptions>> = {
  db: (value) => ({ db: integer(value) }),
  username: (username) => ({ username }),
  password: (password) => ({ password }),
  client_name: (clientName) => ({ clientName }),
  // As in redis-py, 0 counts as not given.
  socket_connect_timeout: (value) =>
    Number(value) === 0 ? {} : { connectTimeout: duration(value) },
  health_check_interval: (value) => {
    const seconds = integer(value);
    // 0, redis-py's default, turns the check off. Here that would leave a dead
    // connection undetected, so it means the default instead.
    return seconds === 0 ? {} : { heartbeat: seconds * 1000 };
  },
  // 0 is refused: redis-py would not wait for any reply.
  socket_timeout: (value) => ({ socketTimeout: duration(value) }),
  // There are two connections and no pool.
  max_connections: (value) => (integer(value), {}),
  // The heartbeat probes silent connections in any case.
  socket_keepalive: () => ({}),
  // The option `retry` decides.
  retry_on_timeout: () => ({}),
  // The database of a Unix socket, read with the path.
  virtual_host: () => ({}),
};

/**
 * Parses the query of a Redis URL. As in Celery, a key without a value counts as
 * not given, and of a key given twice the last one counts. With `isTls`, keys
 * about TLS are skipped.
 *
 * @throws {QueryError} if a key is unknown, or a value has the wrong type.
 */
export function parseUrlQuery(
  query: URLSearchParams,
  isTls: boolean,
): UrlOptions {
  let options: UrlOptions = {};
  let isAfterPassword = false;
  for (const [key, value] of query) {
    if (isTls && TLS_KEYS.has(key)) continue;
    if (!Object.hasOwn(READERS, key)) {
      throw unknownKey(key, isAfterPassword, isTls);
    }
    isAfterPassword ||= key === "password";
    if (value === "") continue;
    try {
      options = { ...options, ...READERS[key]!(value) };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      // What looks like a key may be the rest of the password.
      const shown = isAfterPassword ? "**" : JSON.stringify(value);
      throw new QueryError(`its ${key} is ${shown}, expected ${error.message}`);
    }
  }
  return options;
}

function unknownKey(
  key: string,
  isAfterPassword: boolean,
  isTls: boolean,
): QueryError {
  if (isAfterPassword) {
    // It may be the rest of the password.
    return new QueryError(
      "its query has an unknown key after the password: in a password, write `&` as %26",
    );
  }
  const name = JSON.stringify(key);
  if (key.startsWith("ssl_") && !isTls) {
    return new QueryError(
      `its query has ${name}, which is for TLS: use the scheme rediss`,
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
