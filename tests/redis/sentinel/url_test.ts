import { isSentinelUrl } from "../../../src/redis/url/scheme.ts";
import { ConfigurationError } from "../../../src/errors.ts";
import {
  maskSentinelUrl,
  parseSentinelUrl,
  type SentinelUrl,
} from "../../../src/redis/sentinel/url.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../../support/assert.ts";

const PORT = 26379;

Deno.test("parseSentinelUrl reads the Sentinels from all parts, and the login from the first", () => {
  const cases: Record<string, SentinelUrl> = {
    "sentinel://": {
      sentinels: [{ hostname: "localhost", port: PORT }],
      db: 0,
    },
    "sentinel://h1:26380/3;sentinel://h2": {
      sentinels: [
        { hostname: "h1", port: 26380 },
        { hostname: "h2", port: PORT },
      ],
      db: 3,
    },
    "SENTINEL://us%3Aer:p%40s%3Bs@[::1]:1/2;Sentinel://:other@h2:2/7;": {
      sentinels: [{ hostname: "::1", port: 1 }, { hostname: "h2", port: 2 }],
      db: 2,
      username: "us:er",
      password: "p@s;s",
    },
    "sentinel://h1?db=4;sentinel://h1:26379;;sentinel://h2?client_name=x": {
      sentinels: [
        { hostname: "h1", port: PORT },
        { hostname: "h2", port: PORT },
      ],
      db: 4,
      clientName: "x",
    },
    "sentinel://h1?client_name=a&socket_connect_timeout=2;sentinel://h2?client_name=b&health_check_interval=3":
      {
        sentinels: [
          { hostname: "h1", port: PORT },
          { hostname: "h2", port: PORT },
        ],
        db: 0,
        clientName: "a",
        connectTimeout: 2000,
        heartbeat: 3000,
      },
    "sentinel://h1?ssl_ca_certs=/ca.pem": {
      sentinels: [{ hostname: "h1", port: PORT }],
      db: 0,
      tls: { caFile: "/ca.pem" },
    },
    "sentinel://h1?ssl_keyfile=": {
      sentinels: [{ hostname: "h1", port: PORT }],
      db: 0,
      tls: {},
    },
  };
  for (const [url, expected] of Object.entries(cases)) {
    assert(isSentinelUrl(url), url);
    assertEquals(parseSentinelUrl(url), expected, url);
  }
  const url = new URL("sentinel://h1:1/3;sentinel://h2:2");
  assertEquals(parseSentinelUrl(url).sentinels.length, 2);
  assertEquals(parseSentinelUrl(url).db, 3);
  assert(!isSentinelUrl("redis://sentinel:1"));
  assert(!isSentinelUrl("redis+sentinel://h"));
});

Deno.test("parseSentinelUrl refuses a malformed part, and shows no password", () => {
  const cases: Record<string, string> = {
    "sentinel://h1;h2:26380": "each part begins with sentinel://",
    "sentinel://h1:1,h2:2/0": "separate the parts with `;`",
    "sentinel://:S3CRET@h1,h2/0": "separate the parts with `;`",
    "sentinel://:S3CRET;x@h1": "write `;` as %3B",
    "sentinel://user:12;S3CRET@h1;sentinel://h2": "write `;` as %3B",
    "sentinel://h1;sentinel://:S3/CRET@h2": "write it as %2F",
    "sentinel://h1;sentinel://h2/x": '"x" is not a number',
    "sentinel://h1;sentinel://h2:99999": "it is not a URL",
    "sentinel://h1;sentinel://h2:0": "its port is 0",
    "sentinel://h1;sentinel://h2?db=x": "expected a whole number",
    "sentinel://h1?master_name=m": '"master_name"',
    "sentinel:h1": "`//` is missing",
  };
  for (const [url, words] of Object.entries(cases)) {
    const error = assertThrows(
      () => parseSentinelUrl(url),
      ConfigurationError,
      words,
    );
    assertStringIncludes(error.message, "(expected sentinel://[user]");
    assert(!/S3|CRET/.test(Deno.inspect(error)), Deno.inspect(error));
  }
});

Deno.test("maskSentinelUrl masks each part separately", () => {
  const cases: Record<string, string> = {
    "sentinel://h1:1/3;sentinel://h2": "sentinel://h1:1/3;sentinel://h2",
    "sentinel://:S3CRET@h1/3;sentinel://u:S3CRET@h2:2":
      "sentinel://:**@h1/3;sentinel://u:**@h2:2",
    "sentinel://h1?password=S3CRET;sentinel://h2":
      "sentinel://h1?**;sentinel://h2",
    "sentinel://:12;S3CRET@h1;sentinel://h2": "sentinel://:**@h1;sentinel://h2",
    "sentinel://:S3CRET;sentinel://h2": "sentinel://:**;sentinel://h2",
  };
  for (const [url, expected] of Object.entries(cases)) {
    assertEquals(maskSentinelUrl(url), expected);
  }
});

Deno.test("parseSentinelUrl reads many semicolons in linear time", () => {
  const many = ";".repeat(100_000);
  const before = performance.now();
  assertThrows(
    () => parseSentinelUrl(`sentinel://h1${many}x`),
    ConfigurationError,
    "each part begins with sentinel://",
  );
  assertEquals(
    parseSentinelUrl(`sentinel://h1${many}sentinel://h2${many}`).sentinels
      .length,
    2,
  );
  // In quadratic time, it would take a minute.
  assert(performance.now() - before < 5000);
});
