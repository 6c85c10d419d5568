// How a user selects a cluster: with the option, or the URL's scheme.

import { ResultBackend } from "../../../mod.ts";
import { ConfigurationError } from "../../../src/errors.ts";
import {
  resolveOptions,
  type ResultBackendOptions,
} from "../../../src/options.ts";
import { ClusterDriver } from "../../../src/redis/cluster/driver.ts";
import { TcpDriver } from "../../../src/redis/server/link.ts";
import {
  createDriver,
  type DriverChoice,
  urlOptions,
} from "../../../src/redis/driver.ts";
import {
  assertEquals,
  assertInstanceOf,
  assertThrows,
} from "../../support/assert.ts";

function way(url: string, options: ResultBackendOptions = {}): DriverChoice {
  return createDriver(
    url,
    options,
    resolveOptions(options, urlOptions(url, options)),
  );
}

Deno.test("wayTo leads to a cluster where the option or the scheme says so, and names its seeds without secrets", () => {
  const cases: [string, ResultBackendOptions, string][] = [
    ["redis://a.test", { cluster: true }, "a.test:6379"],
    ["redis://u:p@a.test:1,[::1]:2", { cluster: true }, "a.test:1, [::1]:2"],
    ["rediss://a.test/0", { cluster: true }, "a.test:6379"],
    ["redis+cluster://:p@a.test,b.test", {}, "a.test:6379, b.test:6379"],
    ["rediss+cluster://a.test", { cluster: true }, "a.test:6379"],
    ["valkey+cluster://a.test:1", {}, "a.test:1"],
  ];
  for (const [url, options, seeds] of cases) {
    const { driver, address } = way(url, options);
    assertInstanceOf(driver, ClusterDriver);
    assertEquals(address, `the cluster of ${seeds}`);
  }
});

Deno.test("wayTo leads to one server where nothing speaks of a cluster", () => {
  for (const options of [{}, { cluster: false }, { sharded: true }]) {
    assertInstanceOf(way("redis://a.test/1", options).driver, TcpDriver);
  }
});

Deno.test("the URL of a cluster fills in options that are not given", () => {
  const url = "redis+cluster://a,b?socket_connect_timeout=3&client_name=me";
  assertEquals(urlOptions(url, {}).connectTimeout, 3000);
  assertEquals(urlOptions(url, {}).clientName, "me");
});

Deno.test("ResultBackend refuses a cluster's URL and options that contradict each other", () => {
  const cases: [string, ResultBackendOptions, string][] = [
    ["redis+cluster://a", { cluster: false }, "needs the option"],
    ["redis://a,b", {}, "needs the option `cluster: true`"],
    ["redis://a,b", { cluster: false }, "needs the option `cluster: true`"],
    ["redis://a/1", { cluster: true }, "database 0 only"],
    ["redis+socket:///a.sock", { cluster: true }, "Unix socket"],
  ];
  for (const [url, options, message] of cases) {
    assertThrows(
      () => new ResultBackend(url, options),
      ConfigurationError,
      message,
    );
  }
});
