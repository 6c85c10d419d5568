/**
 * The fixture that the interop tests of a file share, from the first to the last of
 * them: a Redis server, a Celery client, a Celery worker.
 *
 * @module
 */

import { ResultBackend, type ResultBackendOptions } from "../../mod.ts";
import { CeleryDriver } from "./celery_driver.ts";
import { type CeleryWorker, startWorker } from "./celery_worker.ts";
import { has, type Need, needs } from "./needs.ts";
import { type RedisServer, startRedis } from "./redis_server.ts";

/** Without these, the tests of the file are ignored, and nothing starts. */
const NEEDS: readonly Need[] = ["redis-server", "celery"];

/** Longer than any test takes, but short enough to wait for a failure. */
const DEADLINE = 60_000;

/** What a file's tests need. */
export interface CeleryFixtureOptions {
  /**
   * Whether a worker runs; the client alone can read and store results.
   *
   * @default {false}
   */
  worker?: boolean;
  /**
   * What the tests need besides Redis and Celery.
   *
   * @default {[]}
   */
  needs?: readonly Need[];
}

/** A Redis server, a Celery client and perhaps a worker, shared by the tests of a file. */
export class CeleryFixture {
  readonly #needs: readonly Need[];
  #redis: RedisServer | undefined;
  #driver: CeleryDriver | undefined;
  #worker: CeleryWorker | undefined;

  /** Describes a fixture that is not up yet; {@linkcode celeryFixture} makes one. */
  constructor({ needs = [] }: CeleryFixtureOptions) {
    this.#needs = [...NEEDS, ...needs];
  }

  /** The server. */
  get redis(): RedisServer {
    return started(this.#redis);
  }

  /** The client. */
  get driver(): CeleryDriver {
    return started(this.#driver);
  }

  /** A backend on the server, for one test. */
  backend(options?: ResultBackendOptions): ResultBackend {
    return new ResultBackend(this.redis.url, options);
  }

  /** A test that needs the fixture, for `Deno.test`. */
  test(name: string, fn: () => Promise<void>): Deno.TestDefinition {
    return needs(this.#needs, { name, fn });
  }

  /** Starts everything, or nothing. */
  async start({ worker = false }: CeleryFixtureOptions): Promise<void> {
    if (!this.#needs.every(has)) return;
    try {
      const redis = this.#redis = await startRedis();
      this.#driver = new CeleryDriver(redis.url);
      if (worker) this.#worker = await startWorker(redis.url);
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  /** Ends what was started. */
  async end(): Promise<void> {
    await this.#worker?.[Symbol.asyncDispose]();
    await this.#driver?.[Symbol.asyncDispose]();
    await this.#redis?.[Symbol.asyncDispose]();
  }

  /** Keeps a test from hanging: fails with the worker's log if `work` takes far too long. */
  async inTime<T>(work: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(async () => {
      const log = await this.#worker?.log() ?? "no worker";
      late.reject(new Error(`Not done in ${DEADLINE} ms; worker log:\n${log}`));
    }, DEADLINE);
    try {
      return await Promise.race([work, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A fixture for the tests of this file. */
export function celeryFixture(
  options: CeleryFixtureOptions = {},
): CeleryFixture {
  const fixture = new CeleryFixture(options);
  Deno.test.beforeAll(() => fixture.start(options));
  Deno.test.afterAll(() => fixture.end());
  return fixture;
}

function started<T>(resource: T | undefined): T {
  if (resource !== undefined) return resource;
  throw new Error("The Celery fixture is not up: use it inside a test");
}
