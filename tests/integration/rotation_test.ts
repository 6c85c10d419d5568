// Credentials expire: connections are replaced without a reader noticing.

import {
  type RedisCredentials,
  ResultBackend,
  type ResultBackendOptions,
} from "../../mod.ts";
import { denoRuntime } from "../../src/runtime.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { ChildDeno } from "../support/child_deno.ts";
import type { TestClient } from "../support/client.ts";
import { needs } from "../support/needs.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";
import { inboxOf } from "../support/results.ts";
import { until, within } from "../support/until.ts";

const TASKS = 2000;
const REPORTS = 3;

/** A token service: each new password replaces the previous one. */
class Tokens {
  /** How many tokens it has issued. */
  asked = 0;
  /** The highest number of the user's connections when it issued a token. */
  mostConnections = 0;
  readonly #client: TestClient;
  readonly #user: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: TestClient, user: string) {
    this.#client = client;
    this.#user = user;
  }

  readonly next = async (): Promise<RedisCredentials> => {
    const password = `token-${++this.asked}`;
    this.#last = this.#last.then(() => this.#issue(password));
    await this.#last;
    return {
      username: this.#user,
      password,
      expiresAt: new Date(Date.now() + 60_000),
    };
  };

  async #issue(password: string): Promise<void> {
    await this.#client.send(
      ...["ACL", "SETUSER", this.#user, "on", "resetpass", `>${password}`],
      ...["allkeys", "allchannels", "+@all"],
    );
    this.mostConnections = Math.max(
      this.mostConnections,
      await this.connections(),
    );
  }

  /** How many connections the user has. */
  async connections(): Promise<number> {
    const list = String(await this.#client.send("CLIENT", "LIST"));
    return list.split(`user=${this.#user} `).length - 1;
  }
}

/** A backend whose links are replaced every 50 ms. */
function backendOf(
  redis: RedisServer,
  tokens: Tokens,
  options: ResultBackendOptions = {},
): ResultBackend {
  return new ResultBackend(redis.url, {
    credentials: tokens.next,
    highWaterMark: Infinity,
    reconcile: 0,
    runtime: {
      setTimer: (callback, ms, persistent) =>
        // No other timer is this long.
        denoRuntime.setTimer(callback, ms > 30_000 ? 50 : ms, persistent),
    },
    ...options,
  });
}

Deno.test(needs("redis-server", {
  name:
    "while links are replaced every 50 ms, each outcome comes once, behind every report",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    const tokens = new Tokens(client, "reader");
    const writerTokens = new Tokens(client, "writer");
    const retries: string[] = [];
    await using backend = backendOf(redis, tokens);
    await using writer = backendOf(redis, writerTokens, {
      onRetry: ({ message }) => void retries.push(message),
    });
    const status = inboxOf(backend.status());
    const ids = Array.from({ length: TASKS }, (_, index) => `task-${index}`);
    const last = new Map<string, number>();
    const outcomes: string[] = [];
    const reading = (async () => {
      for await (const event of backend.stream<number>(ids)) {
        const number = Number(event.result);
        const before = last.get(event.taskId) ?? -1;
        // A report may come again from the fresh link; an outcome may not.
        assert(
          number > before || (!event.ready && number <= REPORTS),
          `${event.taskId}: ${number} after ${before}`,
        );
        last.set(event.taskId, Math.max(before, number));
        if (event.ready) outcomes.push(event.taskId);
      }
    })();
    await status.until(({ type }) => type === "connected");
    for (let number = 0; number <= REPORTS; number++) {
      for (let i = 0; i < TASKS; i += 100) {
        await Promise.all(
          ids.slice(i, i + 100).map((id) =>
            writer.storeResult(
              id,
              number,
              number === REPORTS ? "SUCCESS" : "PROGRESS",
            )
          ),
        );
      }
      // On any machine, several links are replaced.
      if (number === REPORTS) break;
      const seen = tokens.asked;
      await until(() => tokens.asked >= seen + 8, { what: "four new links" });
    }
    await reading;
    assertEquals(outcomes.length, TASKS);
    assertEquals(new Set(outcomes).size, TASKS);
    assertEquals(
      [...last.values()].every((number) => number === REPORTS),
      true,
    );
    const told = status.all.map(({ type }) => type);
    assertEquals(told.slice(0, 3), ["disconnected", "connecting", "connected"]);
    assert(told.length > 10, String(told));
    assertEquals(new Set(told.slice(3)), new Set(["resynced"]));
    // The old pair was open when the new one's second connection was made.
    assert(tokens.mostConnections >= 3, `${tokens.mostConnections}`);
    assertEquals(retries, []);
    await backend.close();
    await until(async () => await tokens.connections() === 0, {
      what: "the reader's connections to be gone",
    });
  },
}));

Deno.test(needs("redis-server", {
  name:
    "an idle link is closed before its credentials expire, and redialled when it is next used",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    const tokens = new Tokens(client, "idle");
    await using backend = backendOf(redis, tokens);
    await backend.markAsDone("a", 1);
    await until(async () => await tokens.connections() === 0, {
      what: "the link to be closed",
    });
    assertEquals(tokens.asked, 1);
    assertEquals(await backend.result("a").get(), 1);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a rejected password is requested again; without credentials(), it ends every wait with the option to set",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    const line = ["ACL", "SETUSER", "app", "on", "~*", "&*", "+@all"];
    await client.send(...line, ">right");
    const passwords = ["S3CRET", "right"];
    const retries: string[] = [];
    await using backend = new ResultBackend(redis.url, {
      credentials: () => ({
        username: "app",
        password: passwords.shift() ?? "right",
      }),
      reconnect: { minTimeout: 1 },
      onRetry: ({ error }) => void retries.push(error.message),
    });
    assertEquals(await backend.exists("a"), false);
    assert(retries.length > 0);
    assert(retries[0]?.includes("WRONGPASS invalid username-password pair"));
    assert(!retries.join().includes("S3CRET"));

    await using wrong = new ResultBackend(redis.url, {
      username: "app",
      password: "S3CRET",
    });
    const error = await assertRejects(
      () => wrong.exists("a"),
      Error,
      "ACL SETUSER app on >password",
    );
    assert(!Deno.inspect(error).includes("S3CRET"));
  },
}));

Deno.test(needs("redis-server", {
  name:
    "connections that the server closes when a token expires are redialled with the next token",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    const tokens = new Tokens(client, "managed");
    await using backend = new ResultBackend(redis.url, {
      credentials: async () => {
        const { username, password } = await tokens.next();
        return { username, password };
      },
      reconnect: { minTimeout: 1 },
    });
    const status = inboxOf(backend.status());
    const result = backend.result("a").get();
    await status.until(({ type }) => type === "connected");
    await client.send("CLIENT", "KILL", "USER", "managed");
    await status.until(({ type }) => type === "resynced");
    await using writer = new ResultBackend(redis.url);
    await writer.markAsDone("a", 1);
    assertEquals(await result, 1);
    assertEquals(tokens.asked >= 4, true);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a program that awaits nothing ends, although credentials are about to be renewed",
  async fn() {
    await using redis = await startRedis();
    const program = `
      import { ResultBackend } from ${
      JSON.stringify(new URL("../../mod.ts", import.meta.url).href)
    };
      const leave = new AbortController();
      let asked = 0;
      const backend = new ResultBackend(${JSON.stringify(redis.url)}, {
        credentials() {
          // Two for the first link, and the third for its successor.
          if (++asked < 3) {
            const expiresAt = new Date(Date.now() + 2000);
            return { username: "default", password: "", expiresAt };
          }
          setTimeout(() => leave.abort());
          throw new Error("away");
        },
        reconnect: { minTimeout: 3_600_000, jitter: 0 },
      });
      await backend.result("task").get({ signal: leave.signal }).catch(() => {});
      console.log(asked);
    `;
    await using child = new ChildDeno(["eval", program], ".");
    assertEquals(await within(child.end(), { timeout: 60_000 }), ["3"]);
  },
}));
