import { ConfigurationError } from "../../../src/errors.ts";
import {
  isClusterUrl,
  parseClusterUrl,
} from "../../../src/redis/cluster/url.ts";
import { assertEquals, assertThrows } from "../../support/assert.ts";
import { formatAddress } from "../../../src/redis/address.ts";

Deno.test("parseClusterUrl gives one URL for each host, with the same user and password", () => {
  const cases: [string, string[]][] = [
    ["redis://a.test:7000", ["a.test:7000"]],
    ["redis://a.test,b.test:7001/0", ["a.test:6379", "b.test:7001"]],
    ["redis://[::1]:7000,[::2]/", ["[::1]:7000", "[::2]:6379"]],
    ["redis://u:p@a.test,b.test", ["a.test:6379", "b.test:6379"]],
    ["redis://u:p,q%40r@a.test,b.test", ["a.test:6379", "b.test:6379"]],
    ["redis+cluster://a.test,b.test:1", ["a.test:6379", "b.test:1"]],
    ["valkeys+cluster://u@a.test,b.test", ["a.test:6379", "b.test:6379"]],
    ["redis", ["localhost:6379"]],
  ];
  for (const [text, names] of cases) {
    const nodes = parseClusterUrl(text).map(({ hostname, port }) =>
      formatAddress({ hostname, port })
    );
    assertEquals(nodes, names);
  }
  const urls = parseClusterUrl("redis://u:p,q%40r@a.test,b.test");
  for (const { username, password } of urls) {
    assertEquals([username, password], ["u", "p,q@r"]);
  }
  for (const text of ["rediss://a.test,b.test", "REDISS+CLUSTER://a.test,b"]) {
    const query = "?ssl_ca_certs=/ca.crt&client_name=me";
    for (const { tls, clientName } of parseClusterUrl(text + query)) {
      assertEquals([tls?.caFile, clientName], ["/ca.crt", "me"]);
    }
  }
});

Deno.test("isClusterUrl recognises the schemes of clusters", () => {
  const cases: [string, boolean][] = [
    ["redis+cluster://a.test", true],
    ["Rediss+Cluster://a.test", true],
    ["valkey+cluster://a.test", true],
    ["redis://a.test,b.test", false],
    ["redis+socket:///a", false],
    ["redis", false],
  ];
  for (const [text, expected] of cases) {
    assertEquals(isClusterUrl(text), expected);
  }
});

Deno.test("parseClusterUrl refuses what cannot work, and shows no password", () => {
  const cases: [string, string][] = [
    ["redis://:secret@a.test,,b.test", "one of its hosts is empty"],
    ["redis://:secret@a.test,", "one of its hosts is empty"],
    ["redis://:secret@a.test,b.test/1", "database 0 only"],
    ["redis://:secret@a.test,b.test?db=2", "database 0 only"],
    ["redis+socket://:secret@/run/redis.sock", "Unix socket"],
    ["redis+cluster://:secret@a.test,b.test:0", "port is 0"],
    ["http://:secret@a.test,b.test", "scheme"],
    ["a.test:7000,b.test:7000", "expected redis://"],
  ];
  for (const [text, message] of cases) {
    const error = assertThrows(
      () => parseClusterUrl(text),
      ConfigurationError,
      message,
    );
    assertEquals(error.message.includes("secret"), false);
  }
});
