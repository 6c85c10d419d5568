import { ConfigurationError, ResultBackend } from "../../mod.ts";
import type { DriverSettings, RedisDriver, RedisLink } from "../../driver.ts";
import type { ResultBackendOptions } from "../../mod.ts";
import { resolveOptions } from "../../src/options.ts";
import type { Address } from "../../src/runtime.ts";
import { parseTarget } from "../../src/redis/target.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";
import { FakeSentinels } from "../support/fake_sentinels.ts";

const AUTHORITY = "-----BEGIN CERTIFICATE-----\nZmFrZQ==\n";

/** The hosts dialled to read a task through one Sentinel, with the number of their certificate authorities. */
async function dialled(
  url: string,
  options: ResultBackendOptions,
): Promise<Record<string, number | undefined>> {
  const network = new FakeSentinels();
  network.sentinel("s", [{ at: "m" }]);
  network.server("m");
  const seen: Record<string, number | undefined> = {};
  await using backend = new ResultBackend(url, {
    ...options,
    runtime: {
      dial(address: Address, signal) {
        if ("port" in address) {
          seen[address.hostname] = address.tls?.caCerts.length;
        }
        return network.dial(address, signal);
      },
      readTextFile: () => Promise.resolve(AUTHORITY),
    },
  });
  await backend.exists("id");
  await backend.close();
  return seen;
}

Deno.test("TLS applies to servers and Sentinels alike, unless sentinel.tls says otherwise", async () => {
  const own = { caCerts: [AUTHORITY, AUTHORITY] };
  const URL = "sentinel://s";
  const cases: [
    string,
    ResultBackendOptions,
    Record<string, number | undefined>,
  ][] = [
    [URL, {}, { s: undefined, m: undefined }],
    [URL, { tls: {} }, { s: 0, m: 0 }],
    [URL, { tls: own, sentinel: { tls: false } }, { s: undefined, m: 2 }],
    [URL, { tls: {}, sentinel: { tls: own } }, { s: 2, m: 0 }],
    [URL, { sentinel: { tls: own } }, { s: 2, m: undefined }],
    [`${URL}?ssl_ca_certs=/ca.pem`, {}, { s: 1, m: 1 }],
    [
      `${URL}?ssl_ca_certs=/ca.pem`,
      { sentinel: { tls: own } },
      { s: 2, m: 1 },
    ],
  ];
  for (const [url, options, expected] of cases) {
    assertEquals(await dialled(url, options), expected);
  }
});

Deno.test("user, password and database are the servers'; the Sentinels have their own", async () => {
  const network = new FakeSentinels();
  const sentinel = network.sentinel("s", [{ at: "m" }]);
  const server = network.server("m");
  await using backend = new ResultBackend("sentinel://u:url@s/3", {
    sentinel: { username: "v", password: "own" },
    clientName: "name",
    runtime: { dial: network.dial },
  });
  await backend.exists("id");
  assertEquals(server.peers[0]!.commands.slice(0, 3), [
    "AUTH u url",
    "SELECT 3",
    "CLIENT SETNAME name",
  ]);
  assertEquals(sentinel.peers[0]!.commands.slice(0, 2), [
    "AUTH v own",
    "CLIENT SETNAME name",
  ]);
  assert(!Deno.inspect(backend, { depth: 20 }).includes("own"));
});

Deno.test("the option sentinel is checked, and errors show no password", () => {
  const cases: [string, unknown, string][] = [
    ["redis://:S3CRET@h", {}, 'with the URL "redis://:**@h"'],
    [
      "sentinel://s",
      { name: "m" },
      '"sentinel.name": did you mean sentinel.masterName?',
    ],
    ["sentinel://s", { masterName: "" }, "value of sentinel.masterName"],
    ["sentinel://s", { password: 5 }, "of the type number"],
    ["sentinel://s", { username: "u" }, "without sentinel.password"],
    ["sentinel://s", { minOtherSentinels: -1 }, "-1 as sentinel.minOther"],
    ["sentinel://s", { minOtherSentinels: 0.5 }, "a whole number from 0"],
    ["sentinel://s", [], "expected an object"],
    ["sentinel://s", "S3CRET", "expected an object"],
    ["sentinel://s", null, "expected an object"],
    ["sentinel://s", { tls: true }, "boolean as tls"],
  ];
  for (const [url, sentinel, words] of cases) {
    const error = assertThrows(
      // What a caller without types may pass.
      () => new ResultBackend(url, { sentinel } as ResultBackendOptions),
      ConfigurationError,
      words,
    );
    assert(!error.message.includes("S3CRET"));
  }
  const driver = { connect: () => Promise.reject(new Error("no")) };
  assertThrows(
    () => new ResultBackend("sentinel://s", { driver, sentinel: {} }),
    ConfigurationError,
    "sentinel together with driver",
  );
});

Deno.test("a backend with Sentinels is named by its URL, each part masked", async () => {
  await using backend = new ResultBackend(
    "sentinel://:S3CRET@s1/1;sentinel://:S3CRET@s2",
    {
      reconnect: { maxAttempts: 1 },
      runtime: { dial: new FakeSentinels().dial },
    },
  );
  const error = await assertRejects(() => backend.result("id").get());
  assertStringIncludes(
    String(error),
    "Gave up connecting to sentinel://:**@s1/1;sentinel://:**@s2 after 1",
  );
  assert(!Deno.inspect(error).includes("S3CRET"));
});

Deno.test("an option that a driver cannot receive is refused by name", async () => {
  class OtherDriver implements RedisDriver {
    connect(): Promise<RedisLink> {
      return Promise.reject(new Error("no"));
    }
  }
  const driver = new OtherDriver();
  const cases: [string | undefined, ResultBackendOptions, string][] = [
    [
      "redis://u:S3CRET@h/1",
      {},
      'Cannot use the URL "redis://u:**@h/1" together with the driver an OtherDriver',
    ],
    [undefined, { username: "u" }, "the option username together with"],
    [undefined, { password: "S3CRET" }, "the option password together with"],
    [undefined, { clientName: "me" }, "the option clientName together with"],
    [undefined, { heartbeat: 1000 }, "the option heartbeat together with"],
  ];
  for (const [url, options, words] of cases) {
    const error = assertThrows(
      () => new ResultBackend(url, { ...options, driver }),
      ConfigurationError,
      words,
    );
    assert(!error.message.includes("S3CRET"));
  }
  await using backend = new ResultBackend(undefined, {
    driver,
    connectTimeout: 1000,
    retry: { maxAttempts: 1 },
  });
  await assertRejects(() => backend.exists("a"), Error, "no");
});

Deno.test("a driver is configured with what the backend was given, and nothing else", async () => {
  const given: DriverSettings[] = [];
  const configured: RedisDriver = {
    connect: () => Promise.reject(new Error("configured")),
  };
  const driver: RedisDriver = {
    connect: () => Promise.reject(new Error("not configured")),
    configure(settings) {
      given.push(settings);
      return configured;
    },
  };
  const options = { driver, retry: { maxAttempts: 1 } };
  await using backend = new ResultBackend("redis://u:p@h/1", {
    ...options,
    username: "v",
    heartbeat: 2000,
  });
  await assertRejects(() => backend.exists("a"), Error, "configured");
  await using _other = new ResultBackend(undefined, options);
  const none = {
    url: undefined,
    username: undefined,
    password: undefined,
    clientName: undefined,
    connectTimeout: undefined,
    heartbeat: undefined,
  };
  assertEquals(given, [
    { ...none, url: "redis://u:p@h/1", username: "v", heartbeat: 2000 },
    none,
  ]);
});

Deno.test("stores have more attempts where the server can fail over", () => {
  const attempts = (url: string, options: ResultBackendOptions = {}): number =>
    resolveOptions(options, parseTarget(url, options).defaults).retry
      .maxAttempts;
  assertEquals(attempts("redis://h"), 10);
  assertEquals(attempts("sentinel://h"), 20);
  assertEquals(attempts("redis://h", { cluster: true }), 20);
  assertEquals(attempts("redis+cluster://h"), 20);
  assertEquals(attempts("sentinel://h", { retry: { maxAttempts: 3 } }), 3);
});
