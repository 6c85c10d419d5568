// Documents in several formats on one Redis: accepted ones are read, others are
// reported, and no store replaces one that may be a SUCCESS.

import {
  BackendStoreError,
  ContentDisallowedError,
  DecodeError,
  ResultBackend,
  type ResultBackendOptions,
} from "../../mod.ts";
import { FaultProxy } from "../../testing.ts";
import { yaml } from "../../yaml.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { needs } from "../support/needs.ts";
import { digestOf, startRedis } from "../support/redis_server.ts";
import { collect } from "../support/results.ts";

const KEY = "celery-task-meta-";

/** A pickle of protocol 4, as Python writes it, of `{"status": state}`. */
function pickleOf(state: string): Uint8Array {
  const text = new TextEncoder();
  return Uint8Array.of(
    ...[0x80, 4, 0x95, 0x1a, 0, 0, 0, 0, 0, 0, 0, 0x7d, 0x94, 0x8c, 6],
    ...text.encode("status"),
    ...[0x94, 0x8c, state.length],
    ...text.encode(state),
    ...[0x94, 0x73, 0x2e],
  );
}

/** A document as PyYAML writes it. */
function yamlOf(state: string): string {
  return `children: null\ndate_done: null\nresult: 1\nstatus: ${state}\ntask_id: id\ntraceback: null\n`;
}

const EACH: Record<string, ResultBackendOptions> = {
  json: {},
  msgpack: { serializer: "msgpack" },
  yaml: { serializer: yaml },
};

Deno.test(needs("redis-server", {
  name:
    "every call throws a ContentDisallowedError for a format that is not accepted; a stream goes on",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using msgpack = new ResultBackend(redis.url, EACH["msgpack"]);
    await using json = new ResultBackend(redis.url);
    await msgpack.markAsDone("in msgpack", 1);
    await json.markAsDone("in json", 2);
    await client.send("SET", `${KEY}in pickle`, pickleOf("SUCCESS"));
    for (
      const [backend, id, serializer] of [
        [json, "in msgpack", "msgpack"],
        [json, "in pickle", "pickle"],
        [msgpack, "in json", "json"],
        [msgpack, "in pickle", "pickle"],
      ] as const
    ) {
      const calls = [
        () => backend.getMeta(id),
        () => backend.getMetas([id]),
        () => backend.result(id).get(),
        () => backend.result(id).get({ timeout: 0 }),
      ];
      for (const call of calls) {
        const error = await assertRejects(call, ContentDisallowedError);
        assertInstanceOf(error, DecodeError);
        assertEquals(
          [error.name, error.taskId, error.serializer],
          ["ContentDisallowedError", id, serializer],
        );
      }
      const good = backend === json ? "in json" : "in msgpack";
      const events = await collect(backend.stream([id, good]));
      assertEquals(structuredClone(events), events);
      const states = Object.fromEntries(
        events.map(({ taskId, state }) => [taskId, state]),
      );
      assertEquals(states, { [id]: "UNDECODABLE", [good]: "SUCCESS" });
      const undecodable = events.find(({ taskId }) => taskId === id);
      assert(undecodable?.state === "UNDECODABLE");
      assertEquals(undecodable.result.serializer, serializer);
    }
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a message in a format that is not accepted is ignored: the stored document decides",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using backend = new ResultBackend(redis.url);
    await using consumer = backend.consumer<number>();
    await consumer.add("id");
    await consumer.writable.close();
    await client.send("PUBLISH", `${KEY}id`, pickleOf("SUCCESS"));
    await backend.markAsDone("id", 5);
    const events = await collect(consumer.readable);
    assertEquals(events.map(({ result }) => result), [5]);
  },
}));

for (const [name, options] of Object.entries(EACH)) {
  Deno.test(needs("redis-server", {
    name:
      `with ${name}, a SUCCESS is final in any format, and a store whose reply was lost succeeds`,
    async fn() {
      await using redis = await startRedis();
      await using proxy = await FaultProxy.start(redis.url);
      await using backend = new ResultBackend(proxy.url, {
        ...options,
        retry: { minTimeout: 1, maxTimeout: 5 },
        reconnect: { minTimeout: 1, maxTimeout: 5 },
      });
      for (const [other, otherOptions] of Object.entries(EACH)) {
        // Only backends with its parser read YAML; all read json and msgpack to tell a SUCCESS.
        if (other === "yaml" && name !== "yaml") continue;
        await using writer = new ResultBackend(redis.url, otherOptions);
        await writer.storeResult(other, 1, "SUCCESS_SOON");
        assertEquals(await backend.storeResult(other, 2, "STARTED"), true);
        await writer.markAsDone(other, 3);
        assertEquals(await backend.markAsDone(other, 4), false);
        assertEquals(await writer.result(other).get(), 3);
      }
      using hold = proxy.holdReply("EVALSHA");
      const stored = backend.markAsDone("lost reply", new Uint8Array([0xff]));
      await hold.reached;
      await proxy.cut();
      hold.release();
      assertEquals(await stored, true);
      assertEquals(
        await backend.result("lost reply").get(),
        new Uint8Array([0xff]),
      );
    },
  }));
}

for (const scripts of [true, false]) {
  Deno.test(needs("redis-server", {
    name:
      `ResultBackend.storeResult() replaces an unreadable document only if it cannot be a SUCCESS: ${
        scripts ? "by script" : "where scripts are refused"
      }`,
    async fn() {
      await using redis = await startRedis();
      await using client = await redis.client();
      await client.send(
        ...["ACL", "SETUSER", "user", "on", ">secret", "~*", "&*", "+@all"],
        ...(scripts ? [] : ["-@scripting"]),
      );
      await using backend = new ResultBackend(
        `redis://user:secret@127.0.0.1:${redis.port}`,
      );
      for (
        const document of [
          pickleOf("SUCCESS"),
          yamlOf("SUCCESS"),
          Uint8Array.of(0x1f, 0x8b, 8, 0),
        ]
      ) {
        await client.send("SET", `${KEY}id`, document);
        const before = await digestOf(client, `${KEY}id`);
        const error = await assertRejects(
          () => backend.markAsDone("id", 1),
          BackendStoreError,
        );
        assertStringIncludes(error.message, "call forget() first");
        assertInstanceOf(error.cause, DecodeError);
        assertEquals(await digestOf(client, `${KEY}id`), before);
        await backend.forget("id");
        assertEquals(await backend.markAsDone("id", 1), true);
      }
      // A format that is not accepted is read too, not only searched for the word.
      await using other = new ResultBackend(redis.url, EACH["msgpack"]);
      await client.send(
        ...["SET", `${KEY}other`, '{"result": "SUCCESS", "status": "FAILURE"}'],
      );
      assertEquals(await other.markAsDone("other", 1), true);
      for (
        const document of [pickleOf("STARTED"), yamlOf("STARTED"), "garbage"]
      ) {
        await client.send("SET", `${KEY}id`, document);
        assertEquals(await backend.markAsDone("id", 1), true);
        assertEquals(await backend.result("id").get(), 1);
      }
    },
  }));
}

Deno.test(needs("redis-server", {
  name:
    "ResultBackend.storeResult() counts bytes, not characters, and says where a value cannot be encoded",
  async fn() {
    await using redis = await startRedis();
    const small = { ...EACH["msgpack"], maxResultBytes: 200 };
    await using backend = new ResultBackend(redis.url, small);
    assertEquals(await backend.markAsDone("id", "\u0142".repeat(40)), true);
    const large = await assertRejects(
      () => backend.markAsDone("other", "\u0142".repeat(60)),
      BackendStoreError,
    );
    assertStringIncludes(large.message, "and Redis accepts at most 200");
    const wrong = await assertRejects(
      () => backend.markAsDone("other", { a: [2n ** 64n] }),
      BackendStoreError,
    );
    assertStringIncludes(wrong.message, "more than 64 bits at result.a[0]");
    const failed = await backend.markAsFailure("failed", new Error("\ud800"), {
      traceback: "\udfff",
    });
    assertEquals(failed, true);
    const meta = await backend.getMeta("failed");
    assertEquals(meta.traceback, "\ufffd");
  },
}));

Deno.test(needs("redis-server", {
  name:
    'with jsonTypes "plain", dates are stored as text and bytes are rejected; tagged values can still be read',
  async fn() {
    await using redis = await startRedis();
    await using plain = new ResultBackend(redis.url, { jsonTypes: "plain" });
    await using tagged = new ResultBackend(redis.url);
    const at = new Date("2024-01-02T03:04:05.678Z");
    await plain.markAsDone("id", [at, new Date("2024-01-02T03:04:05Z")]);
    assertEquals(
      await tagged.result("id").get(),
      ["2024-01-02T03:04:05.678000Z", "2024-01-02T03:04:05Z"],
    );
    await tagged.markAsDone("tagged", [at, new Uint8Array([0xff])]);
    const read = await plain.result<[Date, Uint8Array]>("tagged").get();
    assertEquals(read, [at, new Uint8Array([0xff])]);
    const error = await assertRejects(
      () => plain.markAsDone("bytes", { data: read[1] }),
      BackendStoreError,
    );
    assertStringIncludes(error.message, "a Uint8Array at result.data");
    // A Date from a document keeps its text.
    await plain.markAsDone("again", read[0]);
    assertEquals(
      await tagged.result("again").get(),
      "2024-01-02T03:04:05.678+00:00",
    );
  },
}));

Deno.test(needs("redis-server", {
  name:
    "ResultBackend.markAsFailure() stores the causes of an Error, whatever was thrown",
  async fn() {
    await using redis = await startRedis();
    await using backend = new ResultBackend(redis.url);
    const error = new Error("top", { cause: new RangeError("below") });
    await backend.markAsFailure("chain", error);
    const { traceback } = await backend.getMeta("chain");
    assertStringIncludes(traceback ?? "", "\nCaused by: RangeError: below\n");
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    assertEquals(await backend.markAsFailure("revoked", proxy), true);
    assertEquals(await backend.markAsRetry("nothing"), true);
    assertEquals((await backend.getMeta("nothing")).traceback, null);
  },
}));
