/**
 * Celery's settings about results, and what each maps to. This file is the one
 * list of the known names.
 *
 * @module
 */

/** What a setting maps to. */
export interface SettingUse {
  /** The option or part of the URL; null: it is accepted without effect. */
  readonly becomes: string | null;
  /** How it maps to that, or why it has no effect. */
  readonly note: string;
  /** Its old names, besides `CELERY_` and its name in capitals. */
  readonly old?: readonly string[];
}

/** By Celery's new name. */
export const SETTINGS = {
  result_backend: {
    becomes: "url",
    note:
      "`redis`, or a URL with redis, rediss, valkey, valkeys, sentinel, redis+socket, unix or socket; any other backend is refused",
  },
  result_backend_transport_options: {
    becomes: "see below",
    note: "see the list of its keys",
  },
  result_expires: {
    becomes: "expires",
    note:
      "seconds (of a timedelta, its total_seconds()); null or 0 is no expiry. " +
      "Between 0 and 1 is refused: Celery truncates it to 0, and the results never expire",
    old: ["CELERY_TASK_RESULT_EXPIRES"],
  },
  result_serializer: {
    becomes: "serializer",
    note: "pickle is refused",
  },
  result_accept_content: {
    becomes: "acceptContent",
    note:
      "takes precedence over accept_content; formats that results do not have are ignored",
    old: ["RESULT_ACCEPT_CONTENT"],
  },
  accept_content: {
    becomes: "acceptContent",
    note:
      "used without result_accept_content; formats that results do not have are ignored, " +
      "and so is yaml if results are stored in another format",
  },
  result_extended: { becomes: "resultExtended", note: "true or false" },
  result_chord_join_timeout: {
    becomes: "chordJoinTimeout",
    note: "seconds become milliseconds",
  },
  result_chord_retry_interval: {
    becomes: null,
    note: "nothing is polled: Redis counts the parts as they return",
  },
  result_backend_always_retry: {
    becomes: "retry",
    note:
      "true: stores and reads are retried with growing random waits, and the first connection without limit; " +
      "false: they are retried by the retry_policy (in Celery, only stores are)",
  },
  result_backend_max_retries: {
    becomes: "retry.maxAttempts",
    note: "plus one; only with result_backend_always_retry",
  },
  result_backend_base_sleep_between_retries_ms: {
    becomes: "retry.minTimeout",
    note:
      "times two, as is Celery's first wait; only with result_backend_always_retry",
  },
  result_backend_max_sleep_between_retries_ms: {
    becomes: "retry.maxTimeout",
    note: "only with result_backend_always_retry",
  },
  result_backend_thread_safe: {
    becomes: null,
    note: "there are no threads: each Worker creates its own backend",
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
  result_persistent: { becomes: null, note: "for the RPC backend" },
  result_exchange: { becomes: null, note: "for the AMQP backend" },
  result_exchange_type: { becomes: null, note: "for the AMQP backend" },
  override_backends: {
    becomes: null,
    note: "names Python classes; a class for `redis` is refused",
  },
  task_remote_tracebacks: {
    becomes: null,
    note: "for Python's own tracebacks",
    old: ["CELERY_REMOTE_TRACEBACKS"],
  },
  redis_host: { becomes: "url", note: "if the URL has no host" },
  redis_port: { becomes: "url", note: "if the URL has no port" },
  redis_db: {
    becomes: "url",
    note:
      "for `redis` alone, and for a Unix socket whose URL has no database; any other URL without one means 0",
  },
  redis_username: {
    becomes: "username",
    note: "if the URL has no user",
  },
  redis_password: {
    becomes: "password",
    note: "if the URL has no password",
  },
  redis_client_name: {
    becomes: "clientName",
    note: "if the URL's query has no client_name",
  },
  redis_socket_connect_timeout: {
    becomes: "connectTimeout",
    note:
      "seconds become milliseconds; if the URL's query has no socket_connect_timeout",
  },
  redis_backend_health_check_interval: {
    becomes: "heartbeat",
    note:
      "seconds become milliseconds; if the URL's query has no health_check_interval. " +
      "0 or null, which turns off redis-py's check, keeps the default heartbeat",
  },
  redis_socket_timeout: {
    becomes: "heartbeat",
    note:
      "half of it, in milliseconds, if that is less than heartbeat would be, and at least 500: " +
      "a server silent for that long is disconnected. A reply that is still arriving is not silence. " +
      "If the URL's query has no socket_timeout; 0 is refused",
  },
  redis_socket_keepalive: {
    becomes: null,
    note: "silence is probed with PING (heartbeat)",
  },
  redis_retry_on_timeout: {
    becomes: null,
    note: "timeouts are always retried, by `retry`",
  },
  redis_max_connections: {
    becomes: null,
    note: "a backend always has two connections",
  },
  redis_backend_use_ssl: {
    becomes: "url",
    note:
      "ssl_cert_reqs, ssl_ca_certs, ssl_certfile, ssl_keyfile and ssl_check_hostname, if the URL's query does not have them; " +
      "false or empty: no TLS",
  },
  redis_backend_credential_provider: {
    becomes: null,
    note: "refused unless null: it is a Python class; use `credentials`",
  },
} as const satisfies Record<string, SettingUse>;

/** The keys of `result_backend_transport_options`. */
export const TRANSPORT_OPTIONS = {
  global_keyprefix: { becomes: "keyPrefix", note: "unchanged" },
  result_chord_ordered: { becomes: "chordOrdered", note: "true or false" },
  retry_policy: {
    becomes: "retry, reconnect",
    note:
      "merged with Celery's defaults key by key. Without it, reconnect keeps its defaults and never gives up: " +
      "Celery's default would lose results after 19 seconds",
  },
  additional_connection_errors: {
    becomes: null,
    note:
      "names Python classes; see the option isRetriable. A server that is temporarily unavailable is retried anyway",
  },
  master_name: {
    becomes: "sentinel.masterName",
    note: "with a sentinel:// URL; otherwise without effect",
  },
  min_other_sentinels: {
    becomes: "sentinel.minOtherSentinels",
    note: "with a sentinel:// URL; otherwise without effect",
  },
  sentinel_kwargs: {
    becomes: "sentinel",
    note:
      "username and password; ssl, which turns on TLS with the Sentinels. Its ssl_ values must be those of " +
      "redis_backend_use_ssl; timeouts are those of all connections",
  },
  visibility_timeout: { becomes: null, note: "for the broker" },
} as const satisfies Record<string, SettingUse>;

/** The keys of a `retry_policy`, in seconds and numbers of retries. */
export const RETRY_POLICY = {
  max_retries: {
    becomes: "maxAttempts",
    note: "plus one; null is no limit",
  },
  interval_start: { becomes: "delay", note: "the first wait" },
  interval_step: { becomes: "delay", note: "by how much each wait grows" },
  interval_max: {
    becomes: "delay",
    note: "by how much the waits grow in all, as measured in Celery",
  },
  timeout: { becomes: "timeout", note: "null or 0: no limit" },
} as const satisfies Record<string, SettingUse>;

/** The name of a setting. */
export type SettingName = keyof typeof SETTINGS;
/** The name of a transport option. */
export type TransportName = keyof typeof TRANSPORT_OPTIONS;
/** The name of a key of a retry policy. */
export type PolicyName = keyof typeof RETRY_POLICY;
