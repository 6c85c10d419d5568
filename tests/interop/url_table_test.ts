// One test for each form of URL that Celery's Redis backend accepts: this module
// connects where Celery does, or the table says why not. Sentinels have their
// own tests.

import { mapCeleryConfig } from "../../src/celery_config/map.ts";
import { ConfigurationError } from "../../src/errors.ts";
import { parseRedisUrl } from "../../src/redis/url/url.ts";
import {
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "../support/assert.ts";
import { CELERY_PYTHON, needs } from "../support/needs.ts";

/** The connection that a configuration describes; times in seconds, as in Celery. */
interface Destination {
  hostname?: string;
  port?: number;
  /** The path of a Unix socket, in place of host and port. */
  path?: string;
  db?: number;
  username?: string;
  password?: string;
  /** Given if the connection uses TLS. */
  certReqs?: string;
  caFile?: string;
  socketTimeout?: number;
  connectTimeout?: number;
  heartbeat?: number;
}

/** What Celery reads; see url_driver.py. */
type Answer = Destination | { refused: string };

interface Form {
  /** The URL, or a configuration with one. */
  given: string | Record<string, unknown>;
  /** The connection here, as far as it differs from localhost:6379/0; a string: the error. */
  here: Destination | string;
  /** Why Celery differs. */
  differs?: string;
  /** Why the form is not compared with Celery. */
  skipsCelery?: string;
}

const SETTINGS = {
  redis_host: "r",
  redis_port: 7000,
  redis_db: 3,
  redis_username: "u",
  redis_password: "p",
};

const h = { hostname: "h" };

const FORMS: readonly Form[] = [
  { given: "redis", here: {} },
  { given: "redis://", here: {} },
  { given: "redis://localhost", here: {} },

  { given: "redis://h/2", here: { ...h, db: 2 } },
  { given: "redis://h//2", here: { ...h, db: 2 } },
  { given: "redis://h/3/", here: { ...h, db: 3 } },
  { given: "redis://h/3//", here: { ...h, db: 3 } },
  {
    given: "redis://h//",
    here: h,
    differs: "Celery fails",
  },
  { given: "redis://h/3/?db=5", here: { ...h, db: 5 } },
  {
    given: "redis+socket:///r?virtual_host=/3/",
    here: { path: "/r", db: 3 },
  },
  { given: "redis://h/%32", here: { ...h, db: 2 } },
  { given: "redis:///2", here: { db: 2 } },
  { given: "redis://h/x", here: 'its database "x" is not a number' },
  { given: "redis://h/1/2", here: 'its database "1/2" is not a number' },
  {
    given: "redis://h/-1",
    here: 'its database "-1" is not a number',
    differs: "Redis refuses it, at the first connection",
  },
  { given: "redis://h/0?db=5", here: { ...h, db: 5 } },
  { given: "redis://h/1?virtual_host=7", here: { ...h, db: 1 } },
  { given: "redis://h?db=x", here: 'its db is "x", expected a whole number' },

  { given: "redis://:pw@h/1", here: { ...h, db: 1, password: "pw" } },
  {
    given: "redis://:p%40s%2Fs@h/1",
    here: { ...h, db: 1, password: "p@s/s" },
  },
  {
    given: "redis://us%3Aer:pw@h/1",
    here: { ...h, db: 1, username: "us:er", password: "pw" },
  },
  { given: "redis://user@h/1", here: { ...h, db: 1, username: "user" } },
  { given: "redis://user:@h/1", here: { ...h, db: 1, username: "user" } },
  {
    given: "redis://a:b@h?username=c&password=d%26",
    here: { ...h, username: "c", password: "d&" },
  },

  {
    given: "redis://[::1]:6380/1",
    here: { hostname: "::1", port: 6380, db: 1 },
  },
  { given: "redis://:6380", here: { port: 6380 } },
  {
    given: "redis://h:0",
    here: "its port is 0",
    differs: "no server can listen on port 0",
  },

  {
    given:
      "redis://h?socket_timeout=5&socket_connect_timeout=1.5&health_check_interval=30",
    here: { ...h, socketTimeout: 5, connectTimeout: 1.5, heartbeat: 30 },
  },
  {
    given:
      "redis://h?max_connections=7&retry_on_timeout=true&socket_keepalive=yes",
    here: h,
  },
  {
    given: "redis://h?health_check_interval=1.5",
    here: 'its health_check_interval is "1.5", expected a whole number',
  },
  {
    given: "redis://h?max_connections=many",
    here: 'its max_connections is "many", expected a whole number',
  },
  {
    given: "redis://h?socket_timeout=soon",
    here: 'its socket_timeout is "soon", expected seconds above 0',
  },
  ...["0", "-1", "nan", "inf"].map((value) => ({
    given: `redis://h?socket_timeout=${value}`,
    here: `its socket_timeout is "${value}", expected seconds above 0`,
    differs: value === "0"
      ? "no command would wait for its reply"
      : "Python refuses it, at the first connection",
  })),
  ...["-1", "nan", "inf"].map((value) => ({
    given: `redis://h?socket_connect_timeout=${value}`,
    here: `its socket_connect_timeout is "${value}", expected seconds above 0`,
    differs: "Python refuses it, at the first connection",
  })),
  {
    given: "redis://h?socket_connect_timeout=0",
    here: h,
    differs: "redis-py treats 0 as no timeout",
  },
  {
    given: "redis://h?health_check_interval=-5",
    here: 'its health_check_interval is "-5", expected a whole number',
    differs: "redis-py would probe before each command",
  },
  {
    given: "redis://h?health_check_interval=0",
    here: h,
    differs: "0 turns off the check; here a dead connection is always noticed",
  },
  {
    given: "redis://h?sokcet_timeout=5",
    here: 'its query has "sokcet_timeout", expected one of db, ',
    differs: "redis-py refuses it, at the first connection",
  },
  {
    given: "redis://h?credential_provider=mod.Provider",
    here: "credential_provider",
    skipsCelery: "Celery knows it from 5.6 on",
  },

  {
    given: { ...SETTINGS, result_backend: "redis" },
    here: {
      hostname: "r",
      port: 7000,
      db: 3,
      username: "u",
      password: "p",
    },
  },
  {
    given: { ...SETTINGS, result_backend: "redis://h" },
    here: { ...h, port: 7000, username: "u", password: "p" },
  },
  {
    given: { ...SETTINGS, result_backend: "redis://v:q@h:1/5" },
    here: { ...h, port: 1, db: 5, username: "v", password: "q" },
  },
  {
    given: {
      result_backend: "redis://h",
      redis_socket_timeout: 5,
      redis_socket_connect_timeout: 2,
      redis_backend_health_check_interval: 1,
    },
    here: { ...h, connectTimeout: 2, heartbeat: 1 },
    differs: "socket_timeout limits the heartbeat",
  },

  {
    given: "rediss://h/0",
    here: { ...h, certReqs: "required" },
    differs: "Celery requires it: there is no default",
  },
  ...["required", "optional", "none"].flatMap((word) =>
    [word, `CERT_${word.toUpperCase()}`].map((given) => ({
      given: `rediss://h/0?ssl_cert_reqs=${given}`,
      here: { ...h, certReqs: word },
    }))
  ),
  {
    given: "rediss://h?ssl_cert_reqs=cert_none",
    here: { ...h, certReqs: "none" },
    differs: "Celery is case-sensitive",
  },
  {
    given: "rediss://h?ssl_cert_reqs=maybe",
    here: "its ssl_cert_reqs is unknown",
  },
  ...["ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"].map(
    (key) => ({
      given: `redis://h?${key}=none`,
      here: "which is for TLS: use the scheme rediss",
    }),
  ),
  {
    given: {
      result_backend: "redis://h",
      redis_backend_use_ssl: { ssl_cert_reqs: 2, ssl_ca_certs: "/ca.pem" },
    },
    here: { ...h, certReqs: "required", caFile: "/ca.pem" },
    skipsCelery: "only the newest Celery accepts it",
  },
  {
    given: "rediss://h?ssl_cert_reqs=required&ssl_ca_certs=%2Fa%20b.pem",
    here: { ...h, certReqs: "required", caFile: "/a b.pem" },
  },
  {
    given: "rediss://h?ssl_cert_reqs=required&ssl_ca_certs=/100%2525.pem",
    here: { ...h, certReqs: "required", caFile: "/100%25.pem" },
    differs: "Celery decodes twice, so no file name can contain %",
  },

  {
    given: "redis+socket:///run/redis.sock",
    here: { path: "/run/redis.sock" },
  },
  {
    given: "redis+socket:///run/redis.sock?virtual_host=3",
    here: { path: "/run/redis.sock", db: 3 },
  },
  {
    given: { result_backend: "redis+socket:///r", redis_db: 3 },
    here: { path: "/r", db: 3 },
  },
  {
    given: { result_backend: "redis+socket:///r?virtual_host=", redis_db: 3 },
    here: { path: "/r", db: 3 },
  },
  {
    given: { result_backend: "redis+socket:///r?virtual_host=2", redis_db: 3 },
    here: { path: "/r", db: 2 },
  },
  {
    given: { result_backend: "redis+socket:///r?db=2", redis_db: 3 },
    here: { path: "/r", db: 2 },
  },
  {
    given: { result_backend: "redis+socket:///r?virtual_host=0", redis_db: 3 },
    here: { path: "/r", db: 0 },
  },
  {
    given: {
      result_backend: "redis+socket://:p@/r?health_check_interval=5",
      redis_db: "3",
    },
    here: { path: "/r", db: 3, password: "p", heartbeat: 5 },
  },
  {
    given: "socket:///run/redis.sock",
    here: { path: "/run/redis.sock" },
    differs: "Celery documents it but fails",
  },
  {
    given: "unix:///run/redis.sock?db=2",
    here: { path: "/run/redis.sock", db: 2 },
    differs: "only redis-py accepts it",
  },
  {
    given: "valkey://h/2",
    here: { ...h, db: 2 },
    differs: "Celery does not know Valkey",
  },
  {
    given: "valkeys://h/2",
    here: { ...h, db: 2, certReqs: "required" },
    differs: "Celery does not know Valkey",
  },
];

function toConfig({ given }: Form): Record<string, unknown> {
  return typeof given === "string" ? { result_backend: given } : given;
}

/** The connection that this module reads from a configuration. */
function readDestination(config: Record<string, unknown>): Destination {
  const { url, options } = mapCeleryConfig(config);
  const parsed = parseRedisUrl(url);
  const { hostname, port, path, db, socketTimeout } = parsed;
  const username = parsed.username ?? options.username;
  const password = parsed.password ?? options.password;
  const connectTimeout = parsed.connectTimeout ?? options.connectTimeout;
  const heartbeat = parsed.heartbeat ?? options.heartbeat;
  return {
    ...(path === undefined ? { hostname, port } : { path }),
    db,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(parsed.tls === undefined
      ? {}
      : { certReqs: parsed.tls.certReqs ?? "required" }),
    ...(parsed.tls?.caFile === undefined ? {} : { caFile: parsed.tls.caFile }),
    ...(socketTimeout === undefined
      ? {}
      : { socketTimeout: socketTimeout / 1000 }),
    ...(connectTimeout === undefined
      ? {}
      : { connectTimeout: connectTimeout / 1000 }),
    ...(heartbeat === undefined ? {} : { heartbeat: heartbeat / 1000 }),
  };
}

let answers: Promise<Answer[]> | undefined;

/** The connection that Celery reads. One process answers for all forms, since it starts slowly. */
async function readWithCelery(form: Form): Promise<Answer | undefined> {
  answers ??= startCelery();
  return (await answers)[FORMS.indexOf(form)];
}

async function startCelery(): Promise<Answer[]> {
  const child = new Deno.Command(CELERY_PYTHON, {
    args: [new URL("url_driver.py", import.meta.url).pathname],
    env: { PYTHONDONTWRITEBYTECODE: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const question = JSON.stringify(FORMS.map(toConfig));
  const sent = new Blob([question]).stream().pipeTo(child.stdin);
  const { success, stdout, stderr } = await child.output();
  await sent;
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  // As url_driver.py has it.
  return JSON.parse(new TextDecoder().decode(stdout)) as Answer[];
}

for (const form of FORMS) {
  const { given, here, differs, skipsCelery } = form;
  const name = typeof given === "string" ? given : JSON.stringify(given);
  const config = toConfig(form);
  Deno.test(`${name} ${typeof here === "string" ? "is refused" : "is read"}`, () => {
    if (typeof here === "string") {
      assertThrows(() => readDestination(config), ConfigurationError, here);
    } else {
      assertEquals(readDestination(config), withDefaults(here));
    }
  });
  if (skipsCelery !== undefined) continue;
  Deno.test(needs("celery", {
    name: `${name} ${
      differs === undefined
        ? "is as in Celery"
        : `is not as in Celery: ${differs}`
    }`,
    async fn() {
      const celery = await readWithCelery(form);
      const expected: Answer = typeof here === "string"
        ? { refused: "ValueError" }
        : withDefaults(here);
      // A row that no longer differs should say so.
      if (differs === undefined) assertEquals(celery, expected);
      else assertNotEquals(celery, expected);
    },
  }));
}

function withDefaults(here: Destination): Destination {
  return here.path === undefined
    ? { hostname: "localhost", port: 6379, db: 0, ...here }
    : { db: 0, ...here };
}
