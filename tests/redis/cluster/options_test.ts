// How a user selects a cluster: with the option, or the URL's scheme.

import { ResultBackend } from "../../../mod.ts";
import { ConfigurationError } from "../../../src/errors.ts";
import type { ResultBackendOptions } from "../../../src/options.ts";
import { parseTarget } from "../../../src/redis/target.ts";
import { assertEquals, assertThrows } from "../../support/assert.ts";

Deno.test("parseTarget finds a cluster by the option or the scheme, and names its seeds without secrets", () => {
  const cases: [string, ResultBackendOptions, string][] = [
    ["redis://a.test", { cluster: true }, "a.test:6379"],
    ["redis://u:p@a.test:1,[::1]:2", { cluster: true }, "a.test:1, [::1]:2"],
    ["rediss://a.test/0", { cluster: true }, "a.test:6379"],
    ["redis+cluster://:p@a.test,b.test", {}, "a.test:6379, b.test:6379"],
    ["rediss+cluster://a.test", { cluster: true }, "a.test:6379"],
    ["valkey+cluster://a.test:1", {}, "a.test:1"],
  ];
  for (const [url, options, seeds] of cases) {
    const { kind, address } = parseTarget(url, options);
    assertEquals(kind, "cluster");
    assertEquals(address, `the cluster of ${seeds}`);
  }
});

Deno.test("parseTarget finds one server unless a cluster is asked for", () => {
  for (const options of [{}, { cluster: false }, { sharded: true }]) {
    assertEquals(parseTarget("redis://a.test/1", options).kind, "server");
  }
});

Deno.test("a cluster's URL gives the defaults of options that are not given", () => {
  const url = "redis+cluster://a,b?socket_connect_timeout=3&client_name=me";
  const { defaults } = parseTarget(url, {});
  assertEquals(defaults.connectTimeout, 3000);
  assertEquals(defaults.clientName, "me");
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
