/**
 * A real redis-server as a resource of a test.
 *
 * @module
 */

import type { CertificateFiles } from "./certificates.ts";
import { connect, type TestClient, type TestClientOptions } from "./client.ts";

/** What kind of server to start. */
export interface StartRedisOptions {
  /**
   * Whether every write is on disk before its reply goes out, so that a
   * {@linkcode RedisServer.kill} loses nothing.
   *
   * @default {false}
   */
  appendonly?: boolean;
  /** Require this password (`requirepass`); it becomes part of the URL. */
  password?: string;
  /** Also listen with TLS, with this certificate; with an authority, clients must present one, too. */
  tls?: { server: CertificateFiles; authority?: CertificateFiles };
  /** More arguments for redis-server, such as `["--maxmemory", "2mb"]`. */
  args?: string[];
}

/** How many ports to try if another process takes them first. */
const PORT_ATTEMPTS = 20;
/** How much of the server's output is kept for error messages. */
const OUTPUT_LIMIT = 65_536;

/** The SHA-1 of the bytes at a key: the client decodes replies as text, which not all bytes are. */
export async function digestOf(
  client: TestClient,
  key: string,
): Promise<string> {
  const script = "return redis.sha1hex(redis.call('GET', KEYS[1]))";
  return String(await client.send("EVAL", script, "1", key));
}

/**
 * Starts a redis-server on a free port of 127.0.0.1, with its data in a folder
 * of its own, and resolves once it is ready.
 *
 * ```ts ignore
 * await using redis = await startRedis({ appendonly: true });
 * await using client = await redis.client();
 * await client.send("SET", "key", "value");
 * await redis.restart();
 * ```
 */
export async function startRedis(
  options: StartRedisOptions = {},
): Promise<RedisServer> {
  const dir = await Deno.makeTempDir({ prefix: "redis-" });
  for (let attempt = 1;; attempt++) {
    const server = new RedisServer(freePort(), dir, options);
    try {
      await server.start();
      return server;
    } catch (error) {
      const taken = server.output.includes("Address already in use");
      if (taken && attempt < PORT_ATTEMPTS) continue;
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }
}

/** Waits for the end of its input, which means that the test process ended, and then cleans up. */
const GUARD_SCRIPT = 'read -r _; kill -9 "$1"; rm -rf -- "$2"';

/** A redis-server that the test may kill, restart and pause. */
export class RedisServer implements AsyncDisposable {
  /** Where the server listens. */
  readonly hostname = "127.0.0.1";
  /** The server's port; a restart keeps it. */
  readonly port: number;
  /** The port for TLS, if that is on. */
  readonly tlsPort: number;
  /** Its Unix socket. */
  readonly socketPath: string;
  /** The server's folder, with its append-only file. */
  readonly dir: string;
  /** `redis://` URL of db 0, with the password if there is one. */
  readonly url: string;
  readonly #options: StartRedisOptions;
  #process: Deno.ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #output = "";

  /** Describes a server that is not running yet; use {@linkcode startRedis}. */
  constructor(port: number, dir: string, options: StartRedisOptions) {
    this.port = port;
    this.tlsPort = freePort();
    this.socketPath = `${dir}/redis.sock`;
    this.dir = dir;
    this.#options = options;
    const { password } = options;
    const userinfo = password === undefined
      ? ""
      : `:${encodeURIComponent(password)}@`;
    this.url = `redis://${userinfo}${this.hostname}:${port}/0`;
  }

  /** What the server printed, or the end of it. */
  get output(): string {
    return this.#output;
  }

  /** The process id. @throws {Error} If the server is not running. */
  get pid(): number {
    if (this.#process === undefined) throw new Error("Redis is not running");
    return this.#process.pid;
  }

  /** Starts the server, and resolves once it has loaded its data and is ready. */
  async start(): Promise<void> {
    if (this.#process !== undefined) return;
    const { appendonly = false, password, tls, args = [] } = this.#options;
    const process = new Deno.Command("redis-server", {
      args: [
        ...["--port", String(this.port), "--bind", this.hostname],
        ...["--unixsocket", this.socketPath],
        ...(tls === undefined ? [] : tlsArguments(this.tlsPort, tls)),
        ...["--dir", this.dir, "--save", "", "--loglevel", "notice"],
        ...["--appendonly", appendonly ? "yes" : "no"],
        ...["--appendfsync", "always", "--daemonize", "no"],
        ...(password === undefined ? [] : ["--requirepass", password]),
        ...args,
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#process = process;
    const guard = this.#startGuard(process.pid);
    this.#output = "";
    const ready = Promise.withResolvers<void>();
    this.#ended = Promise.all([
      this.#collect(process.stdout, ready.resolve),
      this.#collect(process.stderr, ready.resolve),
      process.status,
    ]).then(async ([, , status]) => {
      this.#process = undefined;
      await endGuard(guard);
      ready.reject(
        new Error(
          `redis-server ended before it was ready (${
            Deno.inspect(status)
          }):\n${this.#output}`,
        ),
      );
    });
    await ready.promise;
  }

  /**
   * Kills the server, as `kill -9` does, and resolves once it has ended. With
   * another signal, the server may shut down gracefully.
   */
  async kill(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    this.#signal(signal);
    await this.#ended;
  }

  /** Kills the server if it runs, and starts it on the same port and data. */
  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Suspends the process: its connections stay open, but nothing answers. */
  pause(): void {
    this.#signal("SIGSTOP");
  }

  /** Resumes the process after {@linkcode RedisServer.pause}. */
  resume(): void {
    this.#signal("SIGCONT");
  }

  /** A new connection to the server, authenticated, on db 0. */
  client(options?: TestClientOptions): Promise<TestClient> {
    return connect(this.url, options);
  }

  /** Kills the server and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.dir, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }

  /** Starts a process that ends the server if the test process is killed. */
  #startGuard(pid: number): Deno.ChildProcess {
    return new Deno.Command("sh", {
      args: ["-c", GUARD_SCRIPT, "sh", String(pid), this.dir],
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#process?.kill(signal);
    } catch (error) {
      // It has just ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  async #collect(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    ready: () => void,
  ): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#output = (this.#output + text).slice(-OUTPUT_LIMIT);
      if (this.#output.includes("Ready to accept connections")) ready();
    }
  }
}

function tlsArguments(
  port: number,
  { server, authority }: NonNullable<StartRedisOptions["tls"]>,
): string[] {
  return [
    ...["--tls-port", String(port)],
    ...["--tls-cert-file", server.cert, "--tls-key-file", server.key],
    ...(authority === undefined
      ? ["--tls-ca-cert-file", server.cert, "--tls-auth-clients", "no"]
      : ["--tls-ca-cert-file", authority.cert, "--tls-auth-clients", "yes"]),
  ];
}

/** Ends a guard before it cleans up. */
async function endGuard(guard: Deno.ChildProcess): Promise<void> {
  guard.kill("SIGKILL");
  await guard.status;
  await guard.stdin.close();
}

/**
 * A free port below the ephemeral range, from which systems take the ports of
 * outgoing connections. While a server is down, such a connection could take an
 * ephemeral port; worse, a client that redials it can connect to itself.
 */
export function freePort(): number {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}
