// This module reads a configuration as Celery does.

import { resolveNames } from "../../src/celery_config/names.ts";
import { linearDelay } from "../../src/celery_config/retry_policy.ts";
import { mapCeleryConfig } from "../../src/celery_config/map.ts";
import { parseRedisUrl } from "../../src/redis/url/url.ts";
import { retryMessage } from "../../src/retry/listener.ts";
import { resolveExpires } from "../../src/options.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { CELERY_PYTHON, needs } from "../support/needs.ts";
import { backoffCeiling, retryPolicy } from "../../src/retry/policy.ts";

/** A configuration, and the namespace with which Celery reads it. */
interface Case {
  config: Record<string, unknown>;
  namespace?: string;
}

/** What Celery reads; see config_driver.py. */
interface Answer {
  backends: {
    address: [string, number, number];
    user: [string | null, string | null];
    expires: number | null;
    policy: {
      max_retries: number | null;
      interval_start: number;
      interval_step: number;
      interval_max: number;
    };
  }[];
  intervals: number[][];
  ceilings: number[][];
  whens: string[];
  names: string[];
}

const SETTINGS = {
  redis_host: "r",
  redis_port: 7000,
  redis_db: 3,
  redis_username: "u",
  redis_password: "p",
};

const URLS = [
  "redis",
  "redis://",
  "redis://localhost",
  "redis://h/2",
  "redis://h//2",
  "redis://h/%32",
  "redis://h/0?db=5",
  "redis://h/1?virtual_host=7",
  "redis://:p%40s%2Fs@h/1",
  "redis://us%3Aer:pw@h/1",
  "redis://user@h/1",
  "redis://[::1]:6380/1",
  "redis://:6380/2",
  "redis://:q@/2",
  "redis://h:1?password=q+%26&username=v&db=",
];

const backends: Case[] = [
  ...URLS.map((result_backend) => ({ config: { result_backend } })),
  ...URLS.map((result_backend) => ({
    config: { ...SETTINGS, result_backend },
  })),
  {
    config: {
      CELERY_RESULT_BACKEND: "redis",
      CELERY_REDIS_HOST: "r",
      CELERY_REDIS_PORT: 7000,
      CELERY_REDIS_DB: 3,
      CELERY_REDIS_PASSWORD: "p",
      CELERY_TASK_RESULT_EXPIRES: 60,
    },
  },
  {
    namespace: "CELERY",
    config: {
      CELERY_RESULT_BACKEND: "redis://h/2",
      CELERY_RESULT_EXPIRES: 90.5,
      CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS: {
        retry_policy: { max_retries: null, interval_step: 0.2 },
      },
    },
  },
  { config: { result_backend: "redis", result_expires: null } },
  { config: { result_backend: "redis", result_expires: 0 } },
  {
    config: {
      result_backend: "redis",
      result_backend_transport_options: {
        retry_policy: {
          max_retries: 2,
          interval_start: 0.5,
          interval_step: 0.01,
        },
      },
    },
  },
];

const intervals: [number, number, number][] = [
  [0, 1, 1],
  [0, 0.2, 1],
  [0.5, 1, 2],
  [2, 2, 30],
  [0, 1, 0],
  [3, 1, 0],
  [3, 0, 9],
  [0, 0, 0],
  [0, 0.1, 1],
  [0, 0.3, 1],
  [0.1, 0.1, 0.7],
  [0, 0.7, 5],
];
const ceilings: [number, number][] = [[10, 10_000], [0, 100], [5, 7], [1, 64]];
const whens = [0, 0.5, 0.99, 0.999, 1, 2.5, 10, 59.99, 60, 90, 3600, 86_400];

async function ask(): Promise<Answer> {
  const child = new Deno.Command(CELERY_PYTHON, {
    args: [new URL("config_driver.py", import.meta.url).pathname],
    env: { PYTHONDONTWRITEBYTECODE: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const question = JSON.stringify({ backends, intervals, ceilings, whens });
  const sent = new Blob([question]).stream().pipeTo(child.stdin);
  const { success, stdout, stderr } = await child.output();
  await sent;
  assert(success, new TextDecoder().decode(stderr));
  // As config_driver.py has it.
  return JSON.parse(new TextDecoder().decode(stdout)) as Answer;
}

Deno.test(needs("celery", {
  name:
    "URLs, settings, retry policies and log lines are the same as in Celery",
  async fn() {
    const answer = await ask();
    for (const [i, { config }] of backends.entries()) {
      const { address, user, expires, policy } = answer.backends[i]!;
      const { url, options } = mapCeleryConfig(config);
      const parsed = parseRedisUrl(url);
      const about = JSON.stringify(config);
      assertEquals([parsed.hostname, parsed.port, parsed.db], address, about);
      assertEquals(
        [
          parsed.username ?? options.username ?? null,
          parsed.password ?? options.password ?? null,
        ],
        user,
        about,
      );
      assertEquals(resolveExpires(options.expires), expires ?? 0, about);
      const { retry } = options;
      assertEquals(
        retry?.maxAttempts,
        (policy.max_retries ?? Infinity) + 1,
        about,
      );
      const delay = linearDelay(
        policy.interval_start,
        policy.interval_step,
        policy.interval_max,
      );
      for (const attempt of [1, 2, 3, 99]) {
        assertEquals(retry?.delay?.(attempt), delay(attempt), about);
      }
    }
    for (const [i, [start, step, max]] of intervals.entries()) {
      const delay = linearDelay(start, step, max);
      assertEquals(
        answer.intervals[i]!.map((_, n) => delay(n + 1)),
        answer.intervals[i]!.map((seconds) => Math.round(seconds * 1000)),
        `start ${start}, step ${step}, max ${max}`,
      );
    }
    for (const [i, [base, max]] of ceilings.entries()) {
      const { retry = {} } = mapCeleryConfig({
        result_backend: "redis",
        result_backend_always_retry: true,
        result_backend_base_sleep_between_retries_ms: base,
        result_backend_max_sleep_between_retries_ms: max,
      }).options;
      const policy = retryPolicy("retry", retry, {
        maxAttempts: 1,
        minTimeout: 1,
        maxTimeout: 1,
      });
      assertEquals(
        answer.ceilings[i]!.map((_, n) => backoffCeiling(policy, n + 1)),
        answer.ceilings[i]!,
        `base ${base}, max ${max}`,
      );
    }
    const error = new Error("lost");
    for (const [i, seconds] of whens.entries()) {
      const message = retryMessage({
        kind: "reconnect",
        attempt: 1,
        maxAttempts: 21,
        delay: seconds * 1000,
        error,
      });
      assertEquals(
        message,
        `Connection to Redis lost: Retry (0/20) ${answer.whens[i]}.`,
      );
    }
    // This module knows every name that Celery has.
    for (const name of answer.names) resolveNames({ [name]: null });
    const modern = answer.names.filter((name) => name === name.toLowerCase());
    for (const name of modern) {
      resolveNames({ [`CELERY_${name.toUpperCase()}`]: null });
    }
  },
}));
