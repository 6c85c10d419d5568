import {
  type CeleryConfig,
  resolveNames,
} from "../../src/celery_config/names.ts";
import { nearest } from "../../src/util/nearest.ts";
import { ConfigurationError } from "../../src/errors.ts";
import {
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";

function valuesOf(given: CeleryConfig): Record<string, unknown> {
  return Object.fromEntries(
    [...given.settings].map(([name, { value }]) => [name, value]),
  );
}

Deno.test("resolveNames() accepts new names, old ones, and those of Django's settings", () => {
  const cases: [Record<string, unknown>, Record<string, unknown>][] = [
    [{ result_backend: "redis" }, { result_backend: "redis" }],
    [{ CELERY_RESULT_BACKEND: "redis" }, { result_backend: "redis" }],
    [{ result_expires: 1 }, { result_expires: 1 }],
    [{ CELERY_TASK_RESULT_EXPIRES: 1 }, { result_expires: 1 }],
    [{ CELERY_RESULT_EXPIRES: 1 }, { result_expires: 1 }],
    [{ CELERY_MAX_CACHED_RESULTS: 1 }, { result_cache_max: 1 }],
    [{ CELERY_RESULT_CACHE_MAX: 1 }, { result_cache_max: 1 }],
    [{ CELERY_REDIS_HOST: "h" }, { redis_host: "h" }],
    [{ CELERY_REDIS_DB: 1 }, { redis_db: 1 }],
    [{ CELERY_ACCEPT_CONTENT: [] }, { accept_content: [] }],
    [{ RESULT_ACCEPT_CONTENT: [] }, { result_accept_content: [] }],
    [{ CELERY_RESULT_ACCEPT_CONTENT: [] }, { result_accept_content: [] }],
    [{ CELERY_REMOTE_TRACEBACKS: true }, { task_remote_tracebacks: true }],
    [{ CELERY_TASK_REMOTE_TRACEBACKS: true }, { task_remote_tracebacks: true }],
    [{ CELERY_REDIS_BACKEND_USE_SSL: {} }, { redis_backend_use_ssl: {} }],
    [{ result_backend: undefined }, {}],
  ];
  for (const [config, expected] of cases) {
    assertEquals(valuesOf(resolveNames(config)), expected);
  }
});

Deno.test("resolveNames() ignores settings that are not about results, under any of their names", () => {
  const names = `
    broker_url broker_transport_options task_routes worker_concurrency
    beat_schedule event_queue_ttl events_logfile control_exchange s3_bucket
    gcs_ttl cassandra_servers database_url mongodb_backend_settings
    elasticsearch_timeout security_key cache_backend couchbase_backend_settings
    arangodb_backend_settings cosmosdbsql_database_name
    azureblockblob_base_path imports include timezone enable_utc
    visibility_timeout
    BROKER_URL CELERYD_CONCURRENCY CELERYBEAT_SCHEDULE CASSANDRA_SERVERS
    ENABLE_UTC CELERY_ALWAYS_EAGER CELERY_DEFAULT_QUEUE CELERY_SEND_EVENTS
    CELERY_ROUTES CELERY_IMPORTS CELERY_INCLUDE CELERY_TIMEZONE
    CELERY_ENABLE_UTC CELERY_RESULT_DBURI CELERY_RESULT_ENGINE_OPTIONS
    CELERY_TASK_SERIALIZER
    CELERY_BROKER_URL CELERY_BEAT_SCHEDULE CELERY_WORKER_POOL
    CELERY_CACHE_BACKEND DJANGO_CELERY_BEAT_TZ_AWARE`.trim().split(/\s+/);
  const config = Object.fromEntries(names.map((name) => [name, "x"]));
  assertEquals(resolveNames(config).settings.size, 0);
});

Deno.test("resolveNames() compares any two values of a setting", () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const copy: Record<string, unknown> = {};
  copy.self = copy;
  function given(one: unknown, other: unknown): CeleryConfig {
    return resolveNames({
      accept_content: one,
      CELERY_ACCEPT_CONTENT: other,
    });
  }
  for (
    const [one, other] of [[1n, 1n], [[1n], [1n]], [cycle, cycle]]
  ) {
    assertEquals(given(one, other).settings.size, 1);
  }
  for (
    const [one, other] of [[1n, 2n], [[1n], [2n]], [[1n], [1]], [cycle, copy]]
  ) {
    assertThrows(
      () => given(one, other),
      ConfigurationError,
      "both accept_content and CELERY_ACCEPT_CONTENT",
    );
  }
});

Deno.test("resolveNames() rejects a setting with two values, and names both", () => {
  const cases: [Record<string, unknown>, string][] = [
    [
      { result_expires: 1, CELERY_TASK_RESULT_EXPIRES: 2 },
      "both result_expires and CELERY_TASK_RESULT_EXPIRES",
    ],
    [
      { CELERY_TASK_RESULT_EXPIRES: 1, CELERY_RESULT_EXPIRES: null },
      "both CELERY_TASK_RESULT_EXPIRES and CELERY_RESULT_EXPIRES",
    ],
    [
      { accept_content: ["json"], CELERY_ACCEPT_CONTENT: ["yaml"] },
      "both accept_content and CELERY_ACCEPT_CONTENT",
    ],
  ];
  for (const [config, words] of cases) {
    const error = assertThrows(
      () => resolveNames(config),
      ConfigurationError,
    );
    assertStringIncludes(error.message, words);
  }
  const same = resolveNames({
    result_expires: 1,
    CELERY_TASK_RESULT_EXPIRES: 1,
    accept_content: ["json"],
    CELERY_ACCEPT_CONTENT: ["json"],
  });
  assertEquals(same.settings.size, 2);
});

Deno.test("resolveNames() lists every unknown name, with the closest known one", () => {
  const error = assertThrows(() =>
    resolveNames({
      result_backend: "redis",
      result_expire: 1,
      redis_hostname: "h",
      CELERY_RESULT_SERIALISER: "json",
      RESULT_BACKEND: "redis",
      reslt_extended: true,
      DEBUG: true,
      result_backend_transport_options: {
        global_keyprefx: "x",
        retry_policy: { max_retry: 1, max_retries: 1 },
      },
    }), ConfigurationError);
  assertEquals(
    error.message.split(": ")[1],
    [
      '"result_expire" (did you mean result_expires?)',
      '"redis_hostname" (did you mean redis_host?)',
      '"CELERY_RESULT_SERIALISER" (did you mean result_serializer?)',
      '"RESULT_BACKEND" (did you mean result_backend?)',
      '"reslt_extended" (did you mean result_extended?)',
      '"DEBUG"',
      '"result_backend_transport_options.global_keyprefx" ' +
      "(did you mean result_backend_transport_options.global_keyprefix?)",
      '"result_backend_transport_options.retry_policy.max_retry" ' +
      "(did you mean result_backend_transport_options.retry_policy.max_retries?)" +
      ". Of Django's settings, pass only those that begin with CELERY_",
    ].join(", "),
  );
});

Deno.test("resolveNames() rejects a configuration that is not an object", () => {
  const cases: [unknown, string][] = [
    [null, "the Celery configuration"],
    ["redis://", "the Celery configuration"],
    [[], "the Celery configuration"],
    [
      { result_backend_transport_options: "x" },
      "result_backend_transport_options",
    ],
    [
      { result_backend_transport_options: { retry_policy: [] } },
      "result_backend_transport_options.retry_policy",
    ],
  ];
  for (const [config, words] of cases) {
    assertThrows(
      () => resolveNames(config as Record<string, unknown>),
      ConfigurationError,
      words,
    );
  }
  const none = resolveNames({
    result_backend_transport_options: { retry_policy: null },
  });
  assertEquals([none.transport.size, none.policy.size], [1, 0]);
  assertEquals(
    resolveNames({ result_backend_transport_options: null }).transport.size,
    0,
  );
});

Deno.test("nearest() counts added, removed and replaced letters, ignoring case", () => {
  assertEquals(nearest("kitten", ["sitting", "kit"]), "sitting");
  assertEquals(
    nearest("REDIS_HOST", ["redis_port", "redis_host"]),
    "redis_host",
  );
  assertEquals(nearest("", ["abc", "a"]), "a");
  assertEquals(nearest("x", []), "");
});
