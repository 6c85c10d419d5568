import { maskUrl } from "../../../src/redis/url/mask.ts";
import { ConfigurationError } from "../../../src/errors.ts";
import {
  fillAddress,
  parseRedisUrl,
  type RedisUrl,
} from "../../../src/redis/url/url.ts";
import { assert, assertEquals, assertThrows } from "../../support/assert.ts";

Deno.test("parseRedisUrl reads every part, percent-decoded, and fills in the rest", () => {
  const host = { hostname: "h", port: 6379, db: 0 };
  const cases: Record<string, RedisUrl> = {
    "redis://h": host,
    "redis://h/": host,
    "REDIS://h": host,
    "redis://h:6380": { ...host, port: 6380 },
    "redis://h:6380/12": { ...host, port: 6380, db: 12 },
    "redis://h//3": { ...host, db: 3 },
    "redis://h/%33": { ...host, db: 3 },
    "redis://:p@h": { ...host, password: "p" },
    "redis://u@h": { ...host, username: "u" },
    "redis://u:@h": { ...host, username: "u" },
    "redis://u:p@h": { ...host, username: "u", password: "p" },
    "redis://u:a:b@h": { ...host, username: "u", password: "a:b" },
    "redis://u:a@b@h": { ...host, username: "u", password: "a@b" },
    "redis://u%40x:%3F%23%2F%25%C3%BC@h/1": {
      hostname: "h",
      port: 6379,
      db: 1,
      username: "u@x",
      password: "?#/%\u00fc",
    },
    "redis://[::1]:7000/1": { hostname: "::1", port: 7000, db: 1 },
    "redis://127.0.0.1": { ...host, hostname: "127.0.0.1" },
    "redis://h:65535": { ...host, port: 65535 },
    "redis://h:/1": { ...host, db: 1 },
    "redis://": { ...host, hostname: "localhost" },
    "redis:///1": { ...host, hostname: "localhost", db: 1 },
  };
  for (const [url, expected] of Object.entries(cases)) {
    assertEquals(parseRedisUrl(url), expected, url);
    assertEquals(parseRedisUrl(new URL(url)), expected, url);
  }
});

Deno.test("parseRedisUrl takes a URL without a host, and `redis`, as Celery does", () => {
  const localhost = { hostname: "localhost", port: 6379, db: 0 };
  const cases: Record<string, RedisUrl> = {
    "redis": localhost,
    "redis://localhost": localhost,
    // These are no URLs to `new URL`.
    "redis://:6380/2": { ...localhost, port: 6380, db: 2 },
    "redis://:p@": { ...localhost, password: "p" },
    "redis://u:p@:6380": {
      ...localhost,
      port: 6380,
      username: "u",
      password: "p",
    },
    "redis://@/3": { ...localhost, db: 3 },
    "redis://?db=4": { ...localhost, db: 4 },
  };
  for (const [url, expected] of Object.entries(cases)) {
    assertEquals(parseRedisUrl(url), expected, url);
  }
});

Deno.test("parseRedisUrl reads the query, which wins over the rest of the URL", () => {
  const host = { hostname: "h", port: 6379, db: 0 };
  const cases: Record<string, RedisUrl> = {
    "redis://h/0?db=5": { ...host, db: 5 },
    "redis://h/3?db=": { ...host, db: 3 },
    "redis://h?db=1&db=2": { ...host, db: 2 },
    "redis://h/1?virtual_host=7": { ...host, db: 1 },
    "redis://u:p@h?username=v&password=q%40+%26": {
      ...host,
      username: "v",
      password: "q@ &",
    },
    "redis://h?socket_connect_timeout=1.5": { ...host, connectTimeout: 1500 },
    "redis://h?socket_connect_timeout=2e1": { ...host, connectTimeout: 20_000 },
    "redis://h?health_check_interval=30": { ...host, heartbeat: 30_000 },
    "redis://h?health_check_interval=0": host,
    "redis://h?client_name=me": { ...host, clientName: "me" },
    "redis://h?socket_keepalive=1&retry_on_timeout=no&max_connections=9": host,
    "redis://h?socket_timeout=.5": { ...host, socketTimeout: 500 },
    "redis://h?socket_connect_timeout=0": host,
    "redis://h?": host,
  };
  for (const [url, expected] of Object.entries(cases)) {
    assertEquals(parseRedisUrl(url), expected, url);
    assertEquals(parseRedisUrl(new URL(url)), expected, url);
  }
});

Deno.test("parseRedisUrl refuses what a query cannot say, by name", () => {
  const cases: Record<string, string> = {
    "db=x": 'its db is "x", expected a whole number',
    "db=-1": 'its db is "-1"',
    "db=1.5": 'its db is "1.5"',
    "socket_timeout=soon": 'its socket_timeout is "soon"',
    "socket_timeout=0": "expected seconds above 0",
    "socket_timeout=nan": "expected seconds above 0",
    "socket_timeout=inf": "expected seconds above 0",
    "socket_connect_timeout=-1": "expected seconds above 0",
    "socket_connect_timeout=0x10": "expected seconds above 0",
    "socket_connect_timeout=1e999": "expected seconds above 0",
    "socket_connect_timeout=.": "expected seconds above 0",
    "max_connections=many": 'its max_connections is "many"',
    "health_check_interval=1.5": "expected a whole number",
    "ssl=1": 'its query has "ssl", expected one of db, ',
    "host=x": 'its query has "host"',
    "__proto__=1": 'its query has "__proto__"',
    "toString=1": 'its query has "toString"',
    "ssl_cert_reqs=none": "use the scheme rediss",
    "ssl_ca_certs=x": "use the scheme rediss",
    "ssl_certfile=": "use the scheme rediss",
    "ssl_keyfile=x": "use the scheme rediss",
    "credential_provider=a.B": "names a Python class",
    "password=a&b=c": "write `&` as %26",
  };
  for (const [query, words] of Object.entries(cases)) {
    assertThrows(
      () => parseRedisUrl(`redis://h/0?${query}`),
      ConfigurationError,
      words,
    );
  }
});

Deno.test("parseRedisUrl names the schemes of Celery's that cannot be used, and why", () => {
  const cases: Record<string, string> = {
    "redis+sentinel://h": "write sentinel://host:26379/0;sentinel://",
    "redis+sentinel://:S3CRET@h1;redis+sentinel://:S3CRET@h2":
      "its scheme is redis+sentinel",
    "redis+cluster://:p@h1,h2": "redis+cluster: a Redis Cluster needs",
    "valkeys+cluster://h": "the option `cluster: true` (expected",
    "constructor://h": "its scheme is constructor (",
  };
  for (const [url, words] of Object.entries(cases)) {
    const error = assertThrows(
      () => parseRedisUrl(url),
      ConfigurationError,
      words,
    );
    assert(!error.message.includes("S3CRET"), error.message);
  }
});

Deno.test("parseRedisUrl names the option for several hosts, and shows no password", () => {
  for (
    const url of [
      "redis://h1,h2",
      "redis://h1:7000,h2:7001/0",
      "rediss://u:secret@h1,h2?db=0",
      "redis://:secret@h1,",
    ]
  ) {
    const error = assertThrows(
      () => parseRedisUrl(url),
      ConfigurationError,
      "several hosts: a Redis Cluster needs the option `cluster: true`",
    );
    assert(!error.message.includes("secret"), error.message);
  }
  assertEquals(parseRedisUrl("redis://u,v:p,q@h").password, "p,q");
});

Deno.test("parseRedisUrl reads what a rediss URL says about TLS, and takes a certificate as required", () => {
  const host = { hostname: "h", port: 6379, db: 0 };
  const cases: Record<string, RedisUrl> = {
    "rediss://h/0": { ...host, tls: {} },
    "REDISS://h:1/2": { hostname: "h", port: 1, db: 2, tls: {} },
    "rediss://": { ...host, hostname: "localhost", tls: {} },
    "valkeys://h": { ...host, tls: {} },
    "valkey://:p@h": { ...host, password: "p" },
    "rediss://h?ssl_cert_reqs=required&db=4": {
      ...host,
      db: 4,
      tls: { certReqs: "required" },
    },
    "rediss://h?ssl_cert_reqs=CERT_REQUIRED": {
      ...host,
      tls: { certReqs: "required" },
    },
    "rediss://h?ssl_cert_reqs=optional": {
      ...host,
      tls: { certReqs: "optional" },
    },
    "rediss://h?ssl_cert_reqs=CERT_OPTIONAL": {
      ...host,
      tls: { certReqs: "optional" },
    },
    "rediss://h?ssl_cert_reqs=none": { ...host, tls: { certReqs: "none" } },
    "rediss://h?ssl_cert_reqs=CERT_NONE": {
      ...host,
      tls: { certReqs: "none" },
    },
    // Decoded once: a file may have a % in its name.
    "rediss://h?ssl_ca_certs=%2Fetc%2Fa%20b%2525.pem&ssl_certfile=/c&ssl_keyfile=/k":
      {
        ...host,
        tls: { caFile: "/etc/a b%25.pem", certFile: "/c", keyFile: "/k" },
      },
    "rediss://h?ssl_certfile=/c": { ...host, tls: { certFile: "/c" } },
    "rediss://h?ssl_check_hostname=False": {
      ...host,
      tls: { checkHostname: false },
    },
    "rediss://h?ssl_ca_certs=/a&ssl_ca_certs=/b&ssl_ca_certs=": {
      ...host,
      tls: { caFile: "/b" },
    },
  };
  for (const [url, expected] of Object.entries(cases)) {
    assertEquals(parseRedisUrl(url), expected, url);
  }
});

Deno.test("parseRedisUrl reads the path and the database of a Unix socket", () => {
  const host = { hostname: "localhost", port: 6379 };
  const cases: Record<string, RedisUrl> = {
    "redis+socket:///run/r.sock": { ...host, path: "/run/r.sock", db: 0 },
    "redis+socket:///r?virtual_host=3": { ...host, path: "/r", db: 3 },
    "redis+socket:///r?virtual_host=3&db=4": { ...host, path: "/r", db: 4 },
    "unix:///r%20s?db=3": { ...host, path: "/r s", db: 3 },
    "unix:///a b": { ...host, path: "/a b", db: 0 },
    "socket:///r?virtual_host=": { ...host, path: "/r", db: 0 },
    "unix://u:p%40@/r": {
      ...host,
      path: "/r",
      db: 0,
      username: "u",
      password: "p@",
    },
    "UNIX:///r?password=x&socket_connect_timeout=2": {
      ...host,
      path: "/r",
      db: 0,
      password: "x",
      connectTimeout: 2000,
    },
  };
  for (const [url, expected] of Object.entries(cases)) {
    assertEquals(parseRedisUrl(url), expected, url);
  }
});

Deno.test("fillAddress adds a host and a port where there is none", () => {
  const cases: Record<string, string> = {
    "redis": "redis://h:7",
    "redis://": "redis://h:7",
    "redis:///1": "redis://h:7/1",
    "redis://x": "redis://x:7",
    "redis://:8": "redis://h:8",
    "redis://u:p@/1?db=2": "redis://u:p@h:7/1?db=2",
    "redis://u:a@b@x:8": "redis://u:a@b@x:8",
    "redis://[::1]/1": "redis://[::1]:7/1",
    "REDIS://x/1": "REDIS://x:7/1",
    "redis://x:port": "redis://x:port",
    "rediss://x": "rediss://x:7",
    "valkeys://u:p@": "valkeys://u:p@h:7",
    "http://x": "http://x",
  };
  for (const [url, expected] of Object.entries(cases)) {
    assertEquals(fillAddress(url, "h", 7), expected);
  }
  assertEquals(fillAddress("redis://", "::1", 7), "redis://[::1]:7");
});

Deno.test("parseRedisUrl says what is wrong", () => {
  const cases: Record<string, string> = {
    "": "it is not a URL",
    "localhost": "it is not a URL",
    "localhost:6379": "scheme",
    "http://h": "its scheme is http",
    "redis+socket://path": "three slashes",
    "unix://h/path": "three slashes",
    "unix://:1/path": "three slashes",
    "unix://": "names no socket",
    "unix:///": "names no socket",
    "unix:/path": "`//` is missing",
    "unix:///a%00b": "names no socket",
    "unix:///path?virtual_host=x": 'its database "x" is not a number',
    "unix:///path?ssl_ca_certs=x": "use the scheme rediss",
    "rediss://h?ssl_cert_reqs=maybe": "expected required, optional or none",
    "rediss://h?ssl_check_hostname=maybe": "neither true nor false",
    "rediss://h?ssl_keyfile=x": "without ssl_certfile",
    "rediss://h?ssl_ciphers=x": 'has "ssl_ciphers", expected one of db',
    "redis:h": "`//` is missing",
    "redis:/h": "`//` is missing",
    "redis://h:0": "its port is 0",
    "redis://h:65536": "it is not a URL: check the port",
    "redis://h:99999/1": "it is not a URL: check the port",
    "redis://h:6379000": "it is not a URL: check the port",
    "redis://h:port": "it is not a URL: check the port",
    "redis://h/zero": 'its database "zero" is not a number',
    "redis://h/-1": "is not a number",
    "redis://h/1/2": "is not a number",
    "redis://h/1234567890": "is not a number",
    "redis://h/x?db=1": 'its database "x" is not a number',
    "redis://h/0#1": "`#`",
    "redis://h/0#": "`#`",
    "redis://:p%@h": "its password contains a %",
    "redis://u%zz@h": "its user name contains a %",
    "redis://h/%": "its database contains a %",
    "redis://h/0?client_name=me@here": "after the host, write the `@` as %40",
  };
  for (const [url, words] of Object.entries(cases)) {
    const error = assertThrows(
      () => parseRedisUrl(url),
      ConfigurationError,
      words,
    );
    assert(error.message.includes("redis://[user][:password]@host"), url);
  }
});

Deno.test("parseRedisUrl and maskUrl show no password, whatever is wrong with the URL", () => {
  const secrets = ["S3CRET", "S3/CRET", "S3?CRET", "S3#CRET", "S3@CRET"]
    .concat([
      "S3 CRET",
      "S3:CRET",
      "S3%CRET",
      "S3\nCRET",
      "//S3CRET",
      "S3[CRET",
    ])
    .concat(["S3&CRET", "S3&db=CRET", "S3&ssl_S3CRET=1"])
    .concat(["12/S3CRET", "12?S3CRET", "12#S3CRET", "S3\\CRET", "S3??CRET"]);
  const forms = [
    "redis://:*@h",
    "redis://u:*@h:6379/0",
    "redis://u:*@h:port",
    "redis://u:*@h:99999",
    "redis://u:*@h/zero",
    "redis://u:*@h?x=1",
    "redis://u:*@h#1",
    "redis://u:*@",
    "redis://u:*@[::1",
    "redis://h/0?password=*",
    "rediss://u:*@h:port",
    "rediss://h?password=*&ssl_cert_reqs=x",
    "valkeys://u:*@h/zero",
    "redis+socket://:*@h/path",
    "unix://u:*@/path?db=x",
    "redis:/u:*@h",
    "redis:u:*@h",
    "redis//u:*@h",
    "http://u:*@h",
    "u:*@h:6379",
    ":*@h",
    "redis://:*",
    "redis://u:*",
  ];
  for (const form of forms) {
    for (const secret of secrets) {
      // Without its `@`, such a one is a host, a path or a query.
      if (!form.includes("@") && /[@/?#\\]/.test(secret)) continue;
      const url = form.replace("*", () => secret);
      let shown = maskUrl(url);
      try {
        // Some are read as another URL than was meant: that says nothing.
        parseRedisUrl(url);
      } catch (error) {
        for (
          let each: unknown = error;
          each instanceof Error;
          each = each.cause
        ) {
          shown += `${each.message}${each.stack}`;
        }
      }
      assert(!/S3|CRET/.test(shown), `${url} is shown as ${shown}`);
    }
  }
});

Deno.test("maskUrl keeps what is no secret", () => {
  const cases: Record<string, string> = {
    "redis://h:6379/0": "redis://h:6379/0",
    "redis://u@h": "redis://u@h",
    "redis://u:p@h:1/2": "redis://u:**@h:1/2",
    "redis://:p@h": "redis://:**@h",
    "redis://h?password=p": "redis://h?**",
    "rediss://u:p@h/1": "rediss://u:**@h/1",
    "valkeys://u:p@h": "valkeys://u:**@h",
    "redis+socket://u:p@/r": "redis+socket://u:**@/r",
    "unix:///r?password=p": "unix:///r?**",
    "redis://[::1]:6379/0": "redis://[::1]:6379/0",
    "redis://[::1]": "redis://[::1]",
  };
  for (const [url, expected] of Object.entries(cases)) {
    assertEquals(maskUrl(url), expected);
  }
  assertEquals(maskUrl(new URL("redis://u:p@h")), "redis://u:**@h");
});
