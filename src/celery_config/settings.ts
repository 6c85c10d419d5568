/**
 * Celery's settings about results, and what becomes of each here. Nothing in
 * this file does anything: it is the one list of what is known.
 *
 * @module
 */

/** What becomes of a setting. */
export interface SettingUse {
  /** The option, or the part of the URL, that it becomes; null: it is accepted, without effect. */
  readonly becomes: string | null;
  /** How it becomes that, or why it means nothing here. */
  readonly note: string;
  /** Its old names, where they are more than `CELERY_` and its name in capitals. */
  readonly old?: readonly string[];
}

/** By Celery's new name. */
export const SETTINGS = {
  result_backend: {
    becomes: "url",
    note:
      "`redis`, or a URL with redis, rediss, valkey, valkeys, sentinel, redis+socket, unix or socket; every other kind of backend is refused",
  },
  result_backend_transport_options: {
    becomes: "see below",
    note: "see the list of its keys",
  },
  result_expires: {
    becomes: "expires",
    note:
      "seconds (a timedelta: its total_seconds()); null or 0 keeps results for ever. " +
      "Between 0 and 1 is refused: Celery cuts it to 0, and keeps results for ever",
    old: ["CELERY_TASK_RESULT_EXPIRES"],
  },
  result_serializer: {
    becomes: "serializer",
    note: "pickle is refused",
  },
  result_accept_content: {
    becomes: "acceptContent",
    note:
      "goes before accept_content; what is no format of results is left out",
    old: ["RESULT_ACCEPT_CONTENT"],
  },
  accept_content: {
    becomes: "acceptContent",
    note:
      "used where there is no result_accept_content; what is no format of results is left out, " +
      "and so is yaml where results are stored in another",
  },
  result_extended: { becomes: "resultExtended", note: "true or false" },
  result_chord_join_timeout: {
    becomes: "chordJoinTimeout",
    note: "seconds become milliseconds",
  },
  result_chord_retry_interval: {
    becomes: null,
    note: "nothing is polled: Redis says when the last part has come",
  },
  result_backend_always_retry: {
    becomes: "retry",
    note:
      "true: stores and reads are retried with growing random waits, and the first connection is never given up; " +
      "false: by the retry_policy, reads too (in Celery, stores alone)",
  },
  result_backend_max_retries: {
    becomes: "retry.maxAttempts",
    note: "plus one; counts with result_backend_always_retry only",
  },
  result_backend_base_sleep_between_retries_ms: {
    becomes: "retry.minTimeout",
    note:
      "times two, as Celery's first wait is; counts with result_backend_always_retry only",
  },
  result_backend_max_sleep_between_retries_ms: {
    becomes: "retry.maxTimeout",
    note: "counts with result_backend_always_retry only",
  },
  result_backend_thread_safe: {
    becomes: null,
    note: "there are no threads: each Worker makes a backend of its own",
  },
  result_cache_max: {
    becomes: null,
    note: "nothing is cached",
    old: ["CELERY_MAX_CACHED_RESULTS"],
  },
  result_compression: {
    becomes: null,
    note: "Celery never compresses results either",
  },
  result_persistent: { becomes: null, note: "is about the RPC backend" },
  result_exchange: { becomes: null, note: "is about the AMQP backend" },
  result_exchange_type: { becomes: null, note: "is about the AMQP backend" },
  override_backends: {
    becomes: null,
    note: "names Python classes; one for `redis` is refused",
  },
  task_remote_tracebacks: {
    becomes: null,
    note: "is about Python's own tracebacks",
    old: ["CELERY_REMOTE_TRACEBACKS"],
  },
  redis_host: { becomes: "url", note: "where the URL names no host" },
  redis_port: { becomes: "url", note: "where the URL names no port" },
  redis_db: {
    becomes: "url",
    note:
      "with `redis` alone, and with a Unix socket whose URL names no database; any other URL that names none means 0",
  },
  redis_username: {
    becomes: "username",
    note: "where the URL names no user",
  },
  redis_password: {
    becomes: "password",
    note: "where the URL holds no password",
  },
  redis_client_name: {
    becomes: "clientName",
    note: "where the URL's query has no client_name",
  },
  redis_socket_connect_timeout: {
    becomes: "connectTimeout",
    note:
      "seconds become milliseconds; where the URL's query has no socket_connect_timeout",
  },
  redis_backend_health_check_interval: {
    becomes: "heartbeat",
    note:
      "seconds become milliseconds; where the URL's query has no health_check_interval. " +
      "0 or none, which turns redis-py's check off, leaves heartbeat as it is",
  },
  redis_socket_timeout: {
    becomes: "heartbeat",
    note:
      "half of it, in milliseconds, where that is less than heartbeat is otherwise, and at least 500: " +
      "a server that is silent for so long is given up. A slow reply is none that is missing. " +
      "Where the URL's query has no socket_timeout; 0 is refused",
  },
  redis_socket_keepalive: {
    becomes: null,
    note: "silence is probed by PING (heartbeat)",
  },
  redis_retry_on_timeout: {
    becomes: null,
    note: "a timeout is always retried, as `retry` says",
  },
  redis_max_connections: {
    becomes: null,
    note: "a backend has two connections, however many wait",
  },
  redis_backend_use_ssl: {
    becomes: "url",
    note:
      "ssl_cert_reqs, ssl_ca_certs, ssl_certfile, ssl_keyfile and ssl_check_hostname, where the URL's query has them not; " +
      "false or empty: no TLS",
  },
  redis_backend_credential_provider: {
    becomes: null,
    note:
      "refused unless null: it is a Python class; `credentials` is its counterpart",
  },
} as const satisfies Record<string, SettingUse>;

/** The keys of `result_backend_transport_options`. */
export const TRANSPORT_OPTIONS = {
  global_keyprefix: { becomes: "keyPrefix", note: "as it is" },
  result_chord_ordered: { becomes: "chordOrdered", note: "true or false" },
  retry_policy: {
    becomes: "retry, reconnect",
    note:
      "merged with Celery's defaults key by key. reconnect is left as it is where it is not given, and never gives up: " +
      "Celery's default would lose results after 19 seconds",
  },
  additional_connection_errors: {
    becomes: null,
    note:
      "names Python classes; see the option isRetriable. What a server says while it cannot serve is retried anyway",
  },
  master_name: {
    becomes: "sentinel.masterName",
    note: "with a sentinel:// URL; else it means nothing",
  },
  min_other_sentinels: {
    becomes: "sentinel.minOtherSentinels",
    note: "with a sentinel:// URL; else it means nothing",
  },
  sentinel_kwargs: {
    becomes: "sentinel",
    note:
      "username and password; ssl, without which no TLS is spoken with Sentinels. Its ssl_ names have to be those of " +
      "redis_backend_use_ssl; timeouts and the like are those of all connections",
  },
  visibility_timeout: { becomes: null, note: "is about the broker" },
} as const satisfies Record<string, SettingUse>;

/** The keys of a `retry_policy`: seconds, and numbers of retries. */
export const RETRY_POLICY = {
  max_retries: {
    becomes: "maxAttempts",
    note: "plus one; null never gives up",
  },
  interval_start: { becomes: "delay", note: "the first wait" },
  interval_step: { becomes: "delay", note: "by how much each wait grows" },
  interval_max: {
    becomes: "delay",
    note: "by how much it may grow in all, as measured on Celery",
  },
  timeout: { becomes: "timeout", note: "null or 0: none" },
} as const satisfies Record<string, SettingUse>;

/** The name of a setting that is looked at. */
export type SettingName = keyof typeof SETTINGS;
/** The name of a transport option. */
export type TransportName = keyof typeof TRANSPORT_OPTIONS;
/** The name of a part of a retry policy. */
export type PolicyName = keyof typeof RETRY_POLICY;
