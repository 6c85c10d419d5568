// What worked once is retried: for a moment, something else answers at the
// server's address, or its certificate is rejected.

import {
  ConfigurationError,
  RedisError,
  ResultBackend,
  type ResultBackendOptions,
} from "../../mod.ts";
import { FaultProxy } from "../../testing.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { certificates } from "../support/certificates.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";
import { inboxOf, taskIds } from "../support/results.ts";
import { within } from "../support/until.ts";

const QUICK: ResultBackendOptions = {
  reconnect: { minTimeout: 5, maxTimeout: 20 },
  retry: { maxAttempts: Infinity, minTimeout: 5, maxTimeout: 20 },
  reconcile: 0,
};

/** A server with the same answer to everything. */
class Parrot implements AsyncDisposable {
  readonly port: number;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #serving: Promise<void>;

  constructor(words: string) {
    this.port = this.#listener.addr.port;
    this.#serving = this.#serve(new TextEncoder().encode(words));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#serving;
  }

  async #serve(words: Uint8Array): Promise<void> {
    for await (const connection of this.#listener) {
      using asked = connection;
      try {
        await asked.read(new Uint8Array(1000));
        await asked.write(words);
      } catch {
        // The client has disconnected.
      }
    }
  }
}

const ANSWERS = {
  "a balancer's HTTP answer":
    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
  "an error of a proxy": "-ERR upstream not ready\r\n",
  "an error without a code": "-no upstream host\r\n",
};

for (const [name, words] of Object.entries(ANSWERS)) {
  Deno.test(needs("redis-server", {
    name: `${name} ends nothing that worked before, and is reported once`,
    async fn() {
      await using redis = await startRedis();
      await using parrot = new Parrot(words);
      await using proxy = await FaultProxy.start(redis.url);
      await using backend = new ResultBackend(proxy.url, QUICK);
      const [id] = taskIds(1) as [string];
      const status = inboxOf(backend.status());
      const result = within(backend.result(id).get(), { what: "the result" });
      await status.until(({ type }) => type === "connected");

      proxy.retarget({ hostname: "127.0.0.1", port: parrot.port });
      await proxy.cut();
      await status.until((event) =>
        event.type === "failed" || event.type === "retrying" &&
          event.attempt === 3
      );
      const stored = backend.markAsDone(id, "stored");
      const read = backend.getMetas([id]);
      await status.until((event) =>
        event.type === "failed" || event.type === "retrying" &&
          event.attempt === 5
      );
      proxy.retarget(redis.url);
      assertEquals(await stored, true);
      assertEquals(await result, "stored");
      assertEquals((await read).length, 1);
      assertEquals(status.all.filter(({ type }) => type === "failed"), []);
      const told = status.all.filter(({ type }) => type === "degraded");
      assertEquals(told.length, 1, Deno.inspect(told));
      assert(told[0]?.type === "degraded");
      assertStringIncludes(told[0].error.message, "it worked before");
    },
  }));
}

Deno.test("a server that never worked fails at once, whatever it answers", async () => {
  for (const words of Object.values(ANSWERS)) {
    await using parrot = new Parrot(words);
    await using backend = new ResultBackend(
      `redis://127.0.0.1:${parrot.port}`,
      QUICK,
    );
    const error = await assertRejects(() => backend.result("id").get());
    assert(error instanceof ConfigurationError || error instanceof RedisError);
  }
});

Deno.test(needs("redis-server", {
  name: "a password that has become wrong fails at once",
  async fn() {
    await using redis = await startRedis({ password: "old" });
    await using client = await redis.client();
    await using backend = new ResultBackend(redis.url, QUICK);
    const status = inboxOf(backend.status());
    const refused = assertRejects(() => backend.result("id").get(), RedisError);
    await status.until(({ type }) => type === "connected");
    await client.send("CONFIG", "SET", "requirepass", "new");
    await client.send("CLIENT", "KILL", "TYPE", "pubsub");
    assertEquals((await refused).code, "WRONGPASS");
  },
}));

Deno.test(needs(["redis-server", "openssl"], {
  name:
    "a server certificate that is rejected for a moment ends nothing that worked before",
  async fn() {
    const { server, authority, expired, wrongName, selfSigned } =
      await certificates();
    await using redis = await startRedis({ tls: { server } });
    await using client = await redis.client();
    await using backend = new ResultBackend(
      `rediss://localhost:${redis.tlsPort}?ssl_ca_certs=${authority.cert}`,
      QUICK,
    );
    await using writer = new ResultBackend(redis.url);
    const [id] = taskIds(1) as [string];
    const status = inboxOf(backend.status());
    const result = within(backend.result(id).get(), { what: "the result" });
    await status.until(({ type }) => type === "connected");
    const cases = [
      [expired, "has expired"],
      [wrongName, "for another host"],
      [selfSigned, "over TLS"],
    ] as const;
    for (const [{ cert, key }, words] of cases) {
      const before = status.all.length;
      await client.send(
        ...["CONFIG", "SET", "tls-cert-file", cert, "tls-key-file", key],
      );
      await client.send("CLIENT", "KILL", "TYPE", "pubsub");
      const told = await status.until((event) =>
        status.all.indexOf(event) >= before &&
        (event.type === "degraded" || event.type === "failed")
      );
      assert(told.type === "degraded", Deno.inspect(told));
      assertInstanceOf(told.error.cause, ConfigurationError);
      assertStringIncludes(told.error.message, words);
      await client.send(
        ...["CONFIG", "SET", "tls-cert-file", server.cert],
        ...["tls-key-file", server.key],
      );
      await status.until((event) =>
        status.all.indexOf(event) >= before && event.type === "connected"
      );
    }
    await writer.markAsDone(id, 1);
    assertEquals(await result, 1);
  },
}));

Deno.test(needs(["redis-server", "openssl"], {
  name: "a client certificate that is rejected for a moment ends nothing",
  async fn() {
    const { server, authority, otherAuthority, client } = await certificates();
    await using redis = await startRedis({ tls: { server, authority } });
    await using plain = await redis.client();
    await using backend = new ResultBackend(
      `rediss://localhost:${redis.tlsPort}?ssl_ca_certs=${authority.cert}` +
        `&ssl_certfile=${client.cert}&ssl_keyfile=${client.key}`,
      QUICK,
    );
    await using writer = new ResultBackend(redis.url);
    const [id] = taskIds(1) as [string];
    const status = inboxOf(backend.status());
    const result = within(backend.result(id).get(), { what: "the result" });
    await status.until(({ type }) => type === "connected");
    await plain.send("CONFIG", "SET", "tls-ca-cert-file", otherAuthority.cert);
    await plain.send("CLIENT", "KILL", "TYPE", "pubsub");
    await status.until((event) =>
      event.type === "failed" || event.type === "retrying" &&
        event.attempt === 3
    );
    await plain.send("CONFIG", "SET", "tls-ca-cert-file", authority.cert);
    await writer.markAsDone(id, 1);
    assertEquals(await result, 1);
  },
}));
