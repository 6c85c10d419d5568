// Access to a real cluster that requires a password and TLS.

import {
  RedisError,
  ResultBackend,
  type ResultBackendOptions,
  type StatusEvent,
} from "../../mod.ts";
import { keySlot } from "../../src/redis/cluster/slots.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "../support/assert.ts";
import { certificates } from "../support/certificates.ts";
import { needs } from "../support/needs.ts";
import { startCluster } from "../support/redis_cluster.ts";
import type { RedisServer } from "../support/redis_server.ts";
import {
  collect,
  countOutcomes,
  inboxOf,
  taskIds,
} from "../support/results.ts";
import { within } from "../support/until.ts";

const PASSWORD = "s3cret";

Deno.test(needs(["redis-server", "redis-cli", "openssl"], {
  name: "ResultBackend over a Redis Cluster with a password and TLS",
  async fn(t) {
    const { server, authority, client } = await certificates();
    await using cluster = await startCluster({
      replicas: 0,
      password: PASSWORD,
      tls: { server, authority },
    });
    const query = new URLSearchParams({
      ssl_ca_certs: authority.cert,
      ssl_certfile: client.cert,
      ssl_keyfile: client.key,
    });
    function backendOf(
      options: ResultBackendOptions = {},
      more = "",
    ): ResultBackend {
      const url = cluster.urlOfAll.replace("rediss:", "rediss+cluster:");
      return new ResultBackend(`${url}?${query}${more}`, options);
    }
    /** Finds an id whose result belongs to the node. */
    async function idAt(node: RedisServer): Promise<string> {
      for (;;) {
        const id = crypto.randomUUID();
        const slot = keySlot(`celery-task-meta-${id}`);
        if (await cluster.ownerOf(slot) === node) return id;
      }
    }
    const step = async (
      name: string,
      fn: () => Promise<void>,
    ): Promise<void> => {
      await t.step({
        name,
        sanitizeOps: false,
        sanitizeResources: false,
        fn,
      });
    };

    await step("results arrive from every node, once each", async () => {
      await using backend = backendOf();
      const ids = taskIds(300);
      const events = within(collect(backend.stream(ids)), {
        what: "the outcome of every task",
      });
      await Promise.all(ids.map((id) => backend.markAsDone(id, id)));
      assertEquals(
        countOutcomes(await events),
        new Map(ids.map((id) => [id, 1])),
      );
    });

    await step(
      "a wrong password is reported at once, and not shown",
      async () => {
        await using backend = backendOf({ password: "no such" });
        const error = await assertRejects(
          () => backend.exists("a"),
          RedisError,
        );
        assertEquals(error.code, "WRONGPASS");
        const addresses = cluster.nodes.map((node) => cluster.addressOf(node));
        assert(addresses.some((each) => error.message.includes(each)));
        assert(!Deno.inspect(error).includes("no such"));
      },
    );

    await step(
      "a password that one node refuses is reported at once, with the node's address",
      async () => {
        const node = cluster.nodes[1]!;
        const id = await idAt(node);
        await cluster.send(node, "CONFIG", "SET", "requirepass", "another");
        for (
          const call of [
            (backend: ResultBackend) => backend.exists(id),
            (backend: ResultBackend) => backend.markAsDone(id, 1),
            (backend: ResultBackend) => collect(backend.stream([id])),
          ]
        ) {
          // The seeds are asked in turn. One that accepts the login comes first.
          await using backend = backendOf();
          const error = await assertRejects(() => call(backend));
          assertInstanceOf(error, RedisError);
          assertEquals(error.code, "WRONGPASS");
          assert(
            error.message.includes(cluster.addressOf(node)),
            error.message,
          );
          assert(!Deno.inspect(error).includes(PASSWORD));
        }
        await cluster.send(node, "CONFIG", "SET", "requirepass", PASSWORD);
      },
    );

    await step(
      "a permission that one node denies is reported at once, with the node's address",
      async () => {
        const node = cluster.nodes[2]!;
        const id = await idAt(node);
        for (const command of ["get", "subscribe"]) {
          await cluster.send(node, "ACL", "SETUSER", "default", `-${command}`);
          await using backend = backendOf();
          const error = await assertRejects(() =>
            collect(backend.stream([id]))
          );
          assertInstanceOf(error, RedisError);
          assertEquals(error.code, "NOPERM");
          assert(error.message.includes(`'${command}'`), error.message);
          assert(
            error.message.includes(cluster.addressOf(node)),
            error.message,
          );
          await cluster.send(node, "ACL", "SETUSER", "default", `+${command}`);
        }
      },
    );

    await step(
      "ssl_cert_reqs=none is reported as useless, for each node",
      async () => {
        await using backend = backendOf({}, "&ssl_cert_reqs=none");
        const status = inboxOf<StatusEvent>(backend.status());
        await backend.getMetas(taskIds(100));
        const notices = (): string[] =>
          status.all.flatMap((event) =>
            event.type === "degraded" ? [event.error.message] : []
          );
        await status.until(() => notices().length === cluster.nodes.length);
        for (const node of cluster.nodes) {
          assert(
            notices().some((each) => each.includes(cluster.addressOf(node))),
          );
        }
      },
    );
  },
}));
