/**
 * What most integration tests begin with: a Redis server, a backend to test, and
 * a second one that stores results, as a worker does.
 *
 * ```ts ignore
 * await using fixture = await startProxiedFixture({ reconcile: 0 });
 * const { proxy, backend, writer } = fixture;
 * const result = backend.result("task").get();
 * proxy.reset();
 * await writer.markAsDone("task", 42);
 * assertEquals(await result, 42);
 * ```
 *
 * @module
 */

import { ResultBackend, type ResultBackendOptions } from "../../mod.ts";
import { FaultProxy } from "../../testing.ts";
import {
  type RedisServer,
  startRedis,
  type StartRedisOptions,
} from "./redis_server.ts";

/** Options of the backend under test, and of its server. */
export interface FixtureOptions extends ResultBackendOptions {
  /** How to start the server. */
  server?: StartRedisOptions;
}

/** A server and its backends. Disposal ends all of them. */
export interface Fixture extends AsyncDisposable {
  /** The server. */
  readonly redis: RedisServer;
  /** The backend under test. */
  readonly backend: ResultBackend;
  /** Stores results, with a connection and default options of its own. */
  readonly writer: ResultBackend;
}

/** A fixture whose backend under test connects through a proxy. */
export interface ProxiedFixture extends Fixture {
  /** Breaks the connections of the backend under test, but not of the writer. */
  readonly proxy: FaultProxy;
}

/** Starts a server and its backends. */
export async function startFixture(
  { server, ...options }: FixtureOptions = {},
): Promise<Fixture> {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis(server));
  const writer = stack.use(new ResultBackend(redis.url));
  const backend = stack.use(new ResultBackend(redis.url, options));
  return disposable({ redis, backend, writer }, stack.move());
}

/** Starts a server, its backends, and a proxy for the one under test. */
export async function startProxiedFixture(
  { server, ...options }: FixtureOptions = {},
): Promise<ProxiedFixture> {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis(server));
  const proxy = stack.use(await FaultProxy.start(redis.url));
  const writer = stack.use(new ResultBackend(redis.url));
  const backend = stack.use(new ResultBackend(proxy.url, options));
  return disposable({ redis, proxy, backend, writer }, stack.move());
}

function disposable<Parts>(
  parts: Parts,
  stack: AsyncDisposableStack,
): Parts & AsyncDisposable {
  return { ...parts, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}
