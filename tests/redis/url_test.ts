import { ConfigurationError } from "../../src/errors.ts";
import { maskUrl, parseRedisUrl, type RedisUrl } from "../../src/redis/url.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

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
  };
  for (const [url, expected] of Object.entries(cases)) {
    assertEquals(parseRedisUrl(url), expected, url);
    assertEquals(parseRedisUrl(new URL(url)), expected, url);
  }
});

Deno.test("parseRedisUrl says what is wrong", () => {
  const cases: Record<string, string> = {
    "": "it is no URL",
    "localhost": "it is no URL",
    "localhost:6379": "scheme",
    "http://h": "its scheme is http",
    "rediss://h": "its scheme is rediss",
    "redis:h": "`//` is missing",
    "redis:/h": "`//` is missing",
    "redis://": "its host is missing",
    "redis:///1": "its host is missing",
    "redis://h:0": "its port is 0",
    "redis://h:65536": "it is no URL: check the port",
    "redis://h:99999/1": "it is no URL: check the port",
    "redis://h:6379000": "it is no URL: check the port",
    "redis://h:port": "it is no URL: check the port",
    "redis://h/zero": 'its database "zero" is no number',
    "redis://h/-1": "is no number",
    "redis://h/1/2": "is no number",
    "redis://h/1234567890": "is no number",
    "redis://h/0?ssl=1&x=2": "it has a query (ssl, x)",
    "redis://h/0#1": "`#`",
    "redis://h/0#": "`#`",
    "redis://:p%@h": "its password holds a %",
    "redis://u%zz@h": "its user name holds a %",
    "redis://h/%": "its database holds a %",
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
    "redis://[::1]:6379/0": "redis://[::1]:6379/0",
    "redis://[::1]": "redis://[::1]",
  };
  for (const [url, expected] of Object.entries(cases)) {
    assertEquals(maskUrl(url), expected);
  }
  assertEquals(maskUrl(new URL("redis://u:p@h")), "redis://u:**@h");
});
