// A wait that times out before anything could be read.

import {
  ResultBackend,
  type ResultBackendOptions,
  ResultTimeoutError,
} from "../../mod.ts";
import { denoRuntime } from "../../src/runtime.ts";
import { MemoryRedis } from "../../testing.ts";
import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";
import { untilStatus } from "../support/results.ts";
import { turn } from "../support/turn.ts";

/** A host that accepts connections, and stays silent. */
class MuteHost implements AsyncDisposable {
  /** Resolves when it has received something. */
  readonly heard: Promise<void>;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  #connection: Deno.Conn | undefined;

  constructor() {
    this.heard = this.#hear();
  }

  /** `host:port`. */
  get host(): string {
    return `127.0.0.1:${this.#listener.addr.port}`;
  }

  async #hear(): Promise<void> {
    this.#connection = await this.#listener.accept();
    await this.#connection.read(new Uint8Array(1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.heard;
    this.#connection?.close();
  }
}

/** The error of a wait of 300 ms, which expires after `moment`. */
async function timeoutAt(
  moment: (backend: ResultBackend) => Promise<unknown>,
  url: string,
  options: ResultBackendOptions = {},
): Promise<ResultTimeoutError> {
  using runtime = new FakeRuntime({ dial: denoRuntime.dial });
  await using backend = new ResultBackend(url, { ...options, runtime });
  const wait = assertRejects(
    () => backend.result("6f1c").get({ timeout: 300 }),
    ResultTimeoutError,
  );
  await moment(backend);
  await runtime.advance(300);
  return await wait;
}

/** Checks that the key was not read because the connection was doing `activity`. */
function assertUnread(error: ResultTimeoutError, activity: string): void {
  assertStringIncludes(
    error.message,
    `Task 6f1c has no outcome after 300 ms: its key was not read in that time, so its state is unknown (${activity})`,
  );
  assertEquals(error.wasRead, false);
  assertEquals(error.message.includes("nothing is stored"), false);
}

Deno.test("a wait on a silent host ends with what the connection was waiting for", async () => {
  await using mute = new MuteHost();
  const url = `redis://${mute.host}/0`;
  assertUnread(
    await timeoutAt(() => mute.heard, url),
    `connecting to ${url}: waiting for the first reply of ${mute.host}`,
  );
});

Deno.test("a wait for credentials() that never resolve says so", async () => {
  await using redis = await MemoryRedis.start();
  const asked = Promise.withResolvers<void>();
  const credentials = (): Promise<never> => {
    asked.resolve();
    return new Promise(() => {});
  };
  assertUnread(
    await timeoutAt(() => asked.promise, redis.url, { credentials }),
    `connecting to ${redis.url}: waiting for credentials()`,
  );
});

Deno.test("a wait on a host that refuses connections names the last error", async () => {
  await using redis = await MemoryRedis.start();
  await redis.stop();
  const refused = Promise.withResolvers<void>();
  const error = await timeoutAt(() => refused.promise, redis.url, {
    reconnect: { delay: () => 9000 },
    onRetry: () => refused.resolve(),
  });
  assertUnread(error, `waiting to connect to ${redis.url} again`);
  assertInstanceOf(error.cause, Error);
  assertStringIncludes(
    error.message,
    `; Redis is not connected: ${error.cause.message}`,
  );
});

Deno.test(needs("redis-server", {
  name: "a wait with TLS on a plain port says how plain servers behave",
  async fn() {
    await using redis = await startRedis();
    const { host } = new URL(redis.url);
    // It never answers, so any moment will do.
    assertUnread(
      await timeoutAt(turn, `rediss://${host}/0`),
      `connecting to rediss://${host}/0: dialling ${host} with TLS, to which a server that does not expect it is silent`,
    );
  },
}));

Deno.test("a wait whose key was read says that nothing is stored", async () => {
  await using redis = await MemoryRedis.start();
  const error = await timeoutAt(
    (backend) => untilStatus(backend.status(), "connected"),
    redis.url,
  );
  assertEquals(error.wasRead, true);
  assertStringIncludes(error.message, "nothing is stored for it");
});
