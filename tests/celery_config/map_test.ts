import { ResultBackend } from "../../mod.ts";
import {
  SETTINGS,
  TRANSPORT_OPTIONS,
} from "../../src/celery_config/settings.ts";
import {
  type CeleryOptions,
  mapCeleryConfig,
} from "../../src/celery_config/map.ts";
import { ConfigurationError } from "../../src/errors.ts";
import { parseRedisUrl, type RedisUrl } from "../../src/redis/url/url.ts";
import type { ResultBackendOptions } from "../../src/options.ts";
import { yaml } from "../../yaml.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertThrows,
} from "../support/assert.ts";

/** The options of a configuration, except for the retries. */
function optionsOf(config: Record<string, unknown>): CeleryOptions {
  const { retry: _, resultExtended, ...options } = mapCeleryConfig({
    result_backend: "redis://h",
    ...config,
  }).options;
  return resultExtended ? { ...options, resultExtended } : options;
}

function urlOf(config: Record<string, unknown>): string {
  return mapCeleryConfig(config).url;
}

Deno.test("mapCeleryConfig() gives no options for Celery's defaults", () => {
  // As `app.conf` exports them.
  assertEquals(
    optionsOf({
      accept_content: ["json"],
      result_accept_content: null,
      result_backend_always_retry: false,
      result_backend_transport_options: {},
      result_cache_max: -1,
      result_chord_join_timeout: 3.0,
      result_chord_retry_interval: 1.0,
      result_compression: null,
      result_extended: false,
      result_persistent: null,
      result_serializer: "json",
      redis_backend_use_ssl: null,
      redis_db: null,
      redis_host: null,
      redis_max_connections: null,
      redis_password: null,
      redis_port: null,
      redis_retry_on_timeout: false,
      redis_socket_connect_timeout: null,
      redis_socket_keepalive: false,
      redis_socket_timeout: 120.0,
      redis_username: null,
      task_remote_tracebacks: false,
    }),
    {},
  );
  const { options } = mapCeleryConfig({ result_backend: "redis://h" });
  // The one option with another default: Celery does not store the call.
  assertEquals(options.resultExtended, false);
});

Deno.test("mapCeleryConfig() completes the URL from the settings, with the database only for `redis` alone", () => {
  const settings = {
    redis_host: "r",
    redis_port: 7000,
    redis_db: 3,
    redis_username: "u",
    redis_password: "p",
  };
  const cases: [string, string, CeleryOptions][] = [
    ["redis", "redis://r:7000/3", { username: "u", password: "p" }],
    [
      "celery.backends.redis:RedisBackend",
      "redis://r:7000/3",
      { username: "u", password: "p" },
    ],
    ["redis://", "redis://r:7000", { username: "u", password: "p" }],
    ["redis:///2", "redis://r:7000/2", { username: "u", password: "p" }],
    ["redis://h", "redis://h:7000", { username: "u", password: "p" }],
    ["redis://h:1/5", "redis://h:1/5", { username: "u", password: "p" }],
    ["redis://v@h:1", "redis://v@h:1", { password: "p" }],
    ["redis://:q@h:1", "redis://:q@h:1", { username: "u" }],
    ["redis://v:q@h:1", "redis://v:q@h:1", {}],
    [
      "redis://h:1?password=q&username=v",
      "redis://h:1?password=q&username=v",
      {},
    ],
    ["redis://[::1]", "redis://[::1]:7000", { username: "u", password: "p" }],
  ];
  for (const [result_backend, url, options] of cases) {
    const config = { ...settings, result_backend };
    assertEquals([urlOf(config), optionsOf(config)], [url, options]);
  }
  assertEquals(urlOf({ result_backend: "redis" }), "redis://localhost:6379/0");
  assertEquals(
    urlOf({
      CELERY_RESULT_BACKEND: "redis",
      CELERY_REDIS_HOST: "::1",
      CELERY_REDIS_PORT: "6380",
      CELERY_REDIS_DB: "2",
    }),
    "redis://[::1]:6380/2",
  );
});

Deno.test("mapCeleryConfig() maps settings to options, and seconds to milliseconds", () => {
  const cases: [Record<string, unknown>, CeleryOptions][] = [
    [{ result_expires: 60 }, { expires: 60 }],
    [{ result_expires: "3600" }, { expires: 3600 }],
    [{ result_expires: 0 }, { expires: 0 }],
    [{ result_expires: null }, { expires: null }],
    [{ result_expires: 90.5 }, { expires: 90.5 }],
    [{ result_serializer: "msgpack" }, { serializer: "msgpack" }],
    [{ result_serializer: "application/x-yaml" }, { serializer: "yaml" }],
    [{ result_extended: true }, { resultExtended: true }],
    [{ result_chord_join_timeout: 10 }, { chordJoinTimeout: 10_000 }],
    [{ redis_client_name: "me" }, { clientName: "me" }],
    [{ redis_socket_connect_timeout: 1.5 }, { connectTimeout: 1500 }],
    [{ redis_backend_health_check_interval: 30 }, { heartbeat: 30_000 }],
    [{ redis_backend_health_check_interval: 0 }, {}],
    [{
      result_backend: "redis://h?client_name=url&socket_connect_timeout=9",
      redis_client_name: "me",
      redis_socket_connect_timeout: 1,
      redis_backend_health_check_interval: 2,
    }, { heartbeat: 2000 }],
    [{
      result_backend: "redis://h?health_check_interval=9",
      redis_backend_health_check_interval: 2,
    }, {}],
    [{
      result_backend_transport_options: {
        global_keyprefix: "my_prefix_",
        result_chord_ordered: false,
        visibility_timeout: 18_000,
        master_name: "mymaster",
        additional_connection_errors: ["my_proxy.CustomError"],
      },
    }, { keyPrefix: "my_prefix_", chordOrdered: false }],
    [{
      result_backend_transport_options: {
        global_keyprefix: null,
        result_chord_ordered: true,
      },
    }, {}],
  ];
  for (const [config, options] of cases) {
    assertEquals(optionsOf(config), options);
  }
});

Deno.test("mapCeleryConfig() derives a heartbeat that notices a silent server within redis_socket_timeout", () => {
  const cases: [Record<string, unknown>, CeleryOptions][] = [
    // Celery's default, and any that is longer than two heartbeats.
    [{ redis_socket_timeout: 120 }, {}],
    [{ redis_socket_timeout: 20 }, {}],
    [{ redis_socket_timeout: null }, {}],
    [{ redis_socket_timeout: 5 }, { heartbeat: 2500 }],
    [{ redis_socket_timeout: "5" }, { heartbeat: 2500 }],
    // Not less: a server that is busy for a moment is not dead.
    [{ redis_socket_timeout: 0.1 }, { heartbeat: 500 }],
    [{
      redis_socket_timeout: 5,
      redis_backend_health_check_interval: 30,
    }, { heartbeat: 2500 }],
    [{
      redis_socket_timeout: 60,
      redis_backend_health_check_interval: 50,
    }, { heartbeat: 30_000 }],
    [{
      redis_socket_timeout: 5,
      redis_backend_health_check_interval: 1,
    }, { heartbeat: 1000 }],
    // Each key of the URL takes precedence over its setting.
    [{
      result_backend: "redis://h?socket_timeout=4",
      redis_socket_timeout: 1,
    }, {}],
    [{
      result_backend: "redis://h?health_check_interval=60",
      redis_socket_timeout: 6,
    }, { heartbeat: 3000 }],
  ];
  for (const [config, options] of cases) {
    assertEquals(optionsOf(config), options, JSON.stringify(config));
  }
  // With 0, redis-py waits for no reply; with the others, it fails later.
  for (const value of [0, -1, NaN, Infinity, "nan", "soon", {}]) {
    assertThrows(
      () => optionsOf({ redis_socket_timeout: value }),
      ConfigurationError,
      "as redis_socket_timeout",
    );
  }
});

Deno.test("test_accept_precedence: mapCeleryConfig() prefers result_accept_content to accept_content, and ignores formats that results do not have", () => {
  const cases: [Record<string, unknown>, string[] | undefined][] = [
    [{ accept_content: ["json", "yaml"] }, undefined],
    [{ accept_content: ["pickle", "json", "msgpack", "yaml"] }, [
      "json",
      "msgpack",
    ]],
    [{ result_serializer: "yaml", accept_content: ["json", "yaml"] }, [
      "json",
      "yaml",
    ]],
    [{ result_accept_content: ["json", "yaml"] }, ["json", "yaml"]],
    [{
      accept_content: ["json", "yaml"],
      result_accept_content: ["msgpack"],
    }, ["msgpack"]],
    [{ accept_content: ["yaml"], result_accept_content: null }, ["yaml"]],
    [{ accept_content: ["yaml"], result_accept_content: ["json"] }, undefined],
    [{ accept_content: ["pickle", "json", "auth"] }, undefined],
    [{ accept_content: ["application/json", "application/x-msgpack"] }, [
      "json",
      "msgpack",
    ]],
  ];
  for (const [config, expected] of cases) {
    assertEquals(optionsOf(config).acceptContent, expected);
  }
});

Deno.test("mapCeleryConfig() rejects unsupported and out-of-range values, and shows no password", () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ result_backend: undefined }, "without result_backend"],
    [{ result_backend: null }, "without result_backend"],
    [{ result_backend: "" }, "without result_backend"],
    [{ result_backend: 6379 }, "expected text, got type number"],
    [{ result_backend: "db+postgresql://u:S3CRET@h/d" }, "db+postgresql"],
    [{ result_backend: "rpc://" }, "of rpc"],
    [{ result_backend: "django-db" }, "reads results from Redis"],
    [{ result_backend: "disabled" }, "reads results from Redis"],
    [
      { result_backend: "rediss://:S3CRET@h?ssl_cert_reqs=S3CRET" },
      "ssl_cert_reqs is unknown",
    ],
    [
      { result_backend: "redis+sentinel://:S3CRET@h" },
      "write sentinel://",
    ],
    [{ result_backend: "redis+socket://s" }, "three slashes"],
    [
      {
        result_backend: "redis+socket:///s",
        redis_backend_use_ssl: { ssl_cert_reqs: 2 },
      },
      "with a Unix socket",
    ],
    [
      {
        result_backend: "redis://h?ssl_ca_certs=x",
        redis_backend_use_ssl: { ssl_cert_reqs: 2 },
      },
      "use the scheme rediss",
    ],
    [{ result_backend: "redis://:S3CRET@h/x" }, "is not a number"],
    [{ result_backend: "redis://:S3CRET@h?sll=1" }, '"sll"'],
    [{ redis_backend_use_ssl: true }, "true as redis_backend_use_ssl"],
    [
      { redis_backend_use_ssl: { ssl_cert_reqs: 3 } },
      "redis_backend_use_ssl.ssl_cert_reqs",
    ],
    [
      { redis_backend_use_ssl: { ssl_ciphers: "x" } },
      "redis_backend_use_ssl.ssl_ciphers",
    ],
    [
      { redis_backend_credential_provider: "mod.Provider" },
      "it is a Python class",
    ],
    [{ override_backends: { redis: "mod.Backend" } }, "override_backends"],
    [{ redis_host: "h/0" }, '"h/0" as redis_host'],
    [{ redis_host: "redis://:S3CRET@h" }, '"redis://:**@h" as redis_host'],
    [{ redis_port: "u:S3CRET@h:1" }, "as redis_port"],
    [{ redis_host: 1 }, "redis_host"],
    [{ redis_port: "http" }, '"http" as redis_port'],
    [{ redis_db: 1.5 }, "1.5 as redis_db"],
    [{ redis_password: { S3CRET: "S3CRET" } }, "redis_password"],
    [{ redis_socket_connect_timeout: -1 }, "redis_socket_connect_timeout"],
    [{ redis_backend_health_check_interval: Infinity }, "a number of seconds"],
    [{ CELERY_TASK_RESULT_EXPIRES: 0.9 }, "0.9 as CELERY_TASK_RESULT_EXPIRES"],
    [{ result_expires: -1 }, "result_expires"],
    [{ result_expires: { days: 1 } }, "total_seconds()"],
    [{ result_expires: true }, "result_expires"],
    [{ result_expires: "P1D" }, '"P1D" as result_expires'],
    [{ result_serializer: "pickle" }, "pickles are never read"],
    [{ result_serializer: "xml" }, "json, msgpack or yaml"],
    [{ accept_content: ["pickle"] }, "accept_content: it accepts none of"],
    [{ accept_content: "json" }, "a list of formats"],
    [{ result_extended: "false" }, '"false" as result_extended'],
    [{ result_chord_join_timeout: -1 }, "result_chord_join_timeout"],
    [
      { result_backend_transport_options: { global_keyprefix: 1 } },
      "global_keyprefix",
    ],
    [
      { result_backend_transport_options: { result_chord_ordered: 0 } },
      "result_chord_ordered",
    ],
  ];
  for (const [config, words] of cases) {
    const error = assertThrows(
      () => optionsOf(config),
      ConfigurationError,
      words,
    );
    assert(!error.message.includes("S3CRET"), error.message);
  }
  optionsOf({
    redis_backend_use_ssl: {},
    override_backends: { db: "mod.Backend" },
    redis_backend_credential_provider: null,
  });
});

Deno.test("mapCeleryConfig() adds redis_backend_use_ssl to the URL, whose query takes precedence", () => {
  const ssl = {
    ssl_cert_reqs: 2,
    ssl_ca_certs: "/etc/a b.pem",
    ssl_certfile: null,
    ssl_check_hostname: false,
  };
  const cases: [string, unknown, RedisUrl["tls"]][] = [
    ["redis://h", ssl, {
      certReqs: "required",
      caFile: "/etc/a b.pem",
      checkHostname: false,
    }],
    ["valkey://h?db=1", { ssl_cert_reqs: "CERT_NONE" }, { certReqs: "none" }],
    ["rediss://h?ssl_ca_certs=/b", ssl, {
      certReqs: "required",
      caFile: "/b",
      checkHostname: false,
    }],
    ["redis", ssl, {
      certReqs: "required",
      caFile: "/etc/a b.pem",
      checkHostname: false,
    }],
    ["rediss://h", {}, {}],
    ["redis://h", {}, undefined],
    ["redis://h", false, undefined],
  ];
  for (const [result_backend, redis_backend_use_ssl, expected] of cases) {
    const { url } = mapCeleryConfig({ result_backend, redis_backend_use_ssl });
    assertEquals(parseRedisUrl(url).tls, expected, url);
  }
  const socket = { result_backend: "unix:///r?db=2", redis_host: "other" };
  assertEquals(parseRedisUrl(mapCeleryConfig(socket).url).path, "/r");
});

Deno.test("mapCeleryConfig() reads Sentinels and their transport options", () => {
  const result_backend = "sentinel://:q@h1:26380/3;sentinel://h2;sentinel://";
  const url = "sentinel://:q@h1:26380/3;sentinel://h2:26379;sentinel://r:26379";
  const CERTS = { ssl_ca_certs: "/ca.pem" };
  const PLAIN = { sentinel: { tls: false } } as const;
  const cases: [Record<string, unknown>, string, CeleryOptions][] = [
    [{}, url, {}],
    [
      { redis_port: 7000, redis_username: "u", redis_password: "unused" },
      url.replaceAll(":26379", ":7000"),
      { username: "u" },
    ],
    [
      {
        result_backend_transport_options: {
          master_name: "m",
          min_other_sentinels: 2,
          sentinel_kwargs: {
            username: "v",
            password: "w",
            socket_timeout: 3,
            ssl_ca_certs: null,
          },
        },
      },
      url,
      {
        sentinel: {
          masterName: "m",
          minOtherSentinels: 2,
          username: "v",
          password: "w",
        },
      },
    ],
    [
      { result_backend_transport_options: { master_name: null } },
      url,
      {},
    ],
    [
      { redis_backend_use_ssl: CERTS },
      url.replace(
        "/3;",
        "/3?ssl_cert_reqs=required&ssl_ca_certs=%2Fca.pem;",
      ),
      PLAIN,
    ],
    [
      {
        redis_backend_use_ssl: CERTS,
        result_backend_transport_options: {
          sentinel_kwargs: { ssl: true, ...CERTS },
        },
      },
      url.replace(
        "/3;",
        "/3?ssl_cert_reqs=required&ssl_ca_certs=%2Fca.pem;",
      ),
      {},
    ],
    [
      { result_backend_transport_options: { sentinel_kwargs: { ssl: true } } },
      url,
      { sentinel: { tls: {} } },
    ],
  ];
  for (const [settings, expected, options] of cases) {
    const config = { redis_host: "r", result_backend, ...settings };
    assertEquals([urlOf(config), optionsOf(config)], [expected, options]);
  }
  const wrong: [Record<string, unknown>, string][] = [
    [{ min_other_sentinels: -1 }, "min_other_sentinels"],
    [{ master_name: 5 }, "master_name"],
    [{ sentinel_kwargs: { passwort: "S3CRET" } }, "sentinel_kwargs.passwort"],
    [{ sentinel_kwargs: { password: 5 } }, "sentinel_kwargs.password"],
    [{ sentinel_kwargs: "S3CRET" }, "sentinel_kwargs: expected an object"],
    [
      { sentinel_kwargs: { ssl: true, ...CERTS } },
      "pass the option `sentinel.tls`",
    ],
  ];
  for (const [result_backend_transport_options, words] of wrong) {
    const error = assertThrows(
      () =>
        mapCeleryConfig({ result_backend, result_backend_transport_options }),
      ConfigurationError,
      words,
    );
    assert(!error.message.includes("S3CRET"));
  }
  assertThrows(
    () =>
      mapCeleryConfig({
        result_backend,
        redis_backend_use_ssl: CERTS,
        result_backend_transport_options: {
          sentinel_kwargs: { ssl: true, ssl_ca_certs: "/other.pem" },
        },
      }),
    ConfigurationError,
    "sentinel_kwargs.ssl_ca_certs",
  );
  // As in Celery, options for Sentinels are not read without them.
  assertEquals(
    optionsOf({ result_backend_transport_options: { master_name: "m" } }),
    {},
  );
});

Deno.test("the list of settings says what each maps to, or why it has no effect", () => {
  for (
    const [name, use] of Object.entries({ ...SETTINGS, ...TRANSPORT_OPTIONS })
  ) {
    assertMatch(name, /^[a-z_]+$/);
    assert(use.note.length > 4, name);
  }
});

Deno.test("ResultBackend.fromCeleryConfig() replaces settings with overrides", async () => {
  const config = { result_backend: "redis://h", result_expires: 60 };
  await ResultBackend.fromCeleryConfig(config).close();
  await ResultBackend.fromCeleryConfig(config, { expires: 5 }).close();
  // Overrides are checked like any options.
  assertThrows(
    () => ResultBackend.fromCeleryConfig(config, { expires: 0.5 }),
    ConfigurationError,
    "0.5 as expires",
  );
});

Deno.test("ResultBackend.fromCeleryConfig() ignores an override that is undefined", async () => {
  const config = { result_backend: "redis://h", result_serializer: "yaml" };
  await ResultBackend.fromCeleryConfig(config, { serializer: yaml }).close();
  assertThrows(
    // Not every caller checks types.
    () =>
      ResultBackend.fromCeleryConfig(
        config,
        { serializer: undefined } as unknown as ResultBackendOptions,
      ),
    ConfigurationError,
    '"yaml" as serializer by name',
  );
});
