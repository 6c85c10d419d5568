/**
 * A master, its replicas and their Sentinels, as a disposable resource of a
 * test.
 *
 * @module
 */

import { connect, type TestClient } from "./client.ts";
import { freePort, type RedisServer, startRedis } from "./redis_server.ts";
import { until, within } from "./until.ts";

/** What to start. */
export interface StartSentinelsOptions {
  /** The servers' password. */
  password?: string;
  /** The Sentinels' own password, of their default user. */
  sentinelPassword?: string;
  /** An ACL rule for a user of the Sentinels, such as `user app on >pw ...`. */
  sentinelUser?: string;
  /**
   * Milliseconds without a reply after which a server counts as down.
   *
   * @default {500}
   */
  downAfter?: number;
  /**
   * How many replicas there are. Without any, there is no fail-over, and the
   * start is quick.
   *
   * @default {2}
   */
  replicas?: number;
}

/** The name under which the Sentinels watch the master. */
export const MASTER_NAME = "mymaster";

/** The votes that a fail-over needs, and the number of Sentinels. */
const QUORUM = 2;
const SENTINELS = 3;

/**
 * Starts a Sentinel, and kills it at the end of the input, which is also the end
 * of the test process. A separate process waits for that, because Deno kills its
 * children when it exits, but not their children.
 */
const RUN_SCRIPT = `
  redis-sentinel "$1" >"$2/log" 2>&1 &
  pid=$!
  echo "$pid"
  exec 3<&0
  (read -r _ <&3; kill -9 "$pid"; rm -rf -- "$2") &
  wait
`;

/** The port and id of one Sentinel. */
interface Seat {
  readonly port: number;
  readonly id: string;
}

/**
 * Starts one master, two replicas and three Sentinels on free ports of
 * 127.0.0.1, and resolves once all of them know each other.
 *
 * ```ts ignore
 * await using set = await startSentinels();
 * await using backend = new ResultBackend(set.url);
 * await set.failover();
 * ```
 */
export async function startSentinels(
  options: StartSentinelsOptions = {},
): Promise<RedisSentinels> {
  const stack = new AsyncDisposableStack();
  try {
    const { replicas = 2, password } = options;
    const args = [
      ...["--repl-diskless-sync-delay", "0"],
      ...(password === undefined ? [] : ["--masterauth", password]),
    ];
    const server = password === undefined ? { args } : { args, password };
    const master = stack.use(await startRedis(server));
    const servers = [master];
    for (let i = 0; i < replicas; i++) {
      const of = ["--replicaof", `127.0.0.1 ${master.port}`];
      servers.push(
        stack.use(await startRedis({ ...server, args: [...args, ...of] })),
      );
    }
    await using client = await master.client();
    await until(
      async () =>
        String(await client.send("INFO", "replication")).match(/state=online/g)
            ?.length === replicas || replicas === 0,
      { what: "the replicas to be in step" },
    );
    const seats = Array.from({ length: SENTINELS }, () => ({
      port: freePort(),
      id: crypto.randomUUID().replaceAll("-", "").padEnd(40, "0"),
    }));
    const sentinels: SentinelProcess[] = [];
    for (const seat of seats) {
      const config = configOf(seat, seats, servers, options);
      sentinels.push(
        stack.use(await SentinelProcess.start(seat.port, config, options)),
      );
    }
    const set = new RedisSentinels(servers, sentinels, options, stack.move());
    try {
      await set.settled();
    } catch (error) {
      await set[Symbol.asyncDispose]();
      throw error;
    }
    return set;
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

/** Servers, and the Sentinels that watch them. */
export class RedisSentinels implements AsyncDisposable {
  /** The servers. The first one was the master at the start. */
  readonly servers: readonly RedisServer[];
  /** The Sentinels. */
  readonly sentinels: readonly SentinelProcess[];
  /** The `sentinel://` URL of db 0, with the servers' password, if any. */
  readonly url: string;
  readonly #stack: AsyncDisposableStack;

  /** Takes ownership of running processes. Use {@linkcode startSentinels}. */
  constructor(
    servers: readonly RedisServer[],
    sentinels: readonly SentinelProcess[],
    { password }: StartSentinelsOptions,
    stack: AsyncDisposableStack,
  ) {
    this.servers = servers;
    this.sentinels = sentinels;
    this.#stack = stack;
    const userinfo = password === undefined ? "" : `:${password}@`;
    this.url = sentinels.map(({ port }, index) =>
      index === 0
        ? `sentinel://${userinfo}127.0.0.1:${port}/0`
        : `sentinel://127.0.0.1:${port}`
    ).join(";");
  }

  /** The present master, as the first Sentinel knows it. */
  async master(): Promise<RedisServer> {
    await using client = await this.#sentinel(0).client();
    const reply = await client.send(
      "SENTINEL",
      "GET-MASTER-ADDR-BY-NAME",
      MASTER_NAME,
    );
    const port = Array.isArray(reply) ? Number(reply[1]) : 0;
    const server = this.servers.find((each) => each.port === port);
    if (server === undefined) throw new Error(`No server has port ${port}`);
    return server;
  }

  /** Makes a replica the master while the old master is still up. Resolves to the new master. */
  async failover(): Promise<RedisServer> {
    const old = await this.master();
    await using client = await this.#sentinel(0).client();
    await using sub = await this.#sentinel(0).client();
    const switched = this.#switched(sub);
    // The fail-over may be refused before this is awaited.
    switched.catch(() => {});
    await until(
      async () => {
        try {
          return await client.send("SENTINEL", "FAILOVER", MASTER_NAME) ===
            "OK";
        } catch (error) {
          // Too soon after the last one, or before a replica is in sync.
          if (/NOGOODSLAVE|INPROG/.test(String(error))) return false;
          throw error;
        }
      },
      { what: "the Sentinel to begin a fail-over" },
    );
    await switched;
    const master = await this.master();
    if (master === old) throw new Error("The master did not change");
    return master;
  }

  /** Resolves when the first Sentinel announces the next switch. */
  async switched(): Promise<void> {
    await using client = await this.#sentinel(0).client();
    await this.#switched(client);
  }

  async #switched(client: TestClient): Promise<void> {
    await client.send("SUBSCRIBE", "+switch-master");
    await within(client.messages.next(), {
      what: "the switch",
    });
  }

  /** Resolves when all Sentinels agree on the master, and know all servers and each other. */
  async settled(): Promise<void> {
    for (const [index] of this.sentinels.entries()) {
      await using client = await this.#sentinel(index).client();
      await until(async () => {
        const reply = await client.send("SENTINEL", "MASTER", MASTER_NAME);
        const words = Array.isArray(reply) ? reply.map(String) : [];
        const of = (name: string) => words[words.indexOf(name) + 1];
        return of("flags") === "master" &&
          of("num-slaves") === String(this.servers.length - 1) &&
          of("num-other-sentinels") === String(SENTINELS - 1);
      }, { what: "the Sentinels to know of each other" });
    }
  }

  #sentinel(index: number): SentinelProcess {
    const sentinel = this.sentinels[index];
    if (sentinel === undefined) throw new Error(`No Sentinel ${index}`);
    return sentinel;
  }

  /** Kills everything, and removes its folders. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

/** A redis-sentinel process that the test can kill. */
export class SentinelProcess implements AsyncDisposable {
  /** Its port on 127.0.0.1. */
  readonly port: number;
  readonly #process: Deno.ChildProcess;
  readonly #pid: number;
  readonly #password: string | undefined;
  #end: Promise<void> | undefined;

  private constructor(
    port: number,
    pid: number,
    process: Deno.ChildProcess,
    { sentinelPassword }: StartSentinelsOptions,
  ) {
    this.port = port;
    this.#pid = pid;
    this.#process = process;
    this.#password = sentinelPassword;
  }

  /** Starts one Sentinel. {@linkcode startSentinels} starts a set of them. */
  static async start(
    port: number,
    config: string,
    options: StartSentinelsOptions,
  ): Promise<SentinelProcess> {
    const dir = await Deno.makeTempDir({ prefix: "sentinel-" });
    await Deno.writeTextFile(`${dir}/sentinel.conf`, `dir ${dir}\n${config}`);
    const child = new Deno.Command("sh", {
      args: ["-c", RUN_SCRIPT, "sh", `${dir}/sentinel.conf`, dir],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
    const { value = "" } = await reader.read();
    const sentinel = new SentinelProcess(port, Number(value), child, options);
    reader.cancel();
    try {
      await until(async () => {
        try {
          await using client = await sentinel.client();
          return await client.send("PING") === "PONG";
        } catch (error) {
          if (error instanceof Deno.errors.ConnectionRefused) return false;
          throw error;
        }
      }, { what: "a Sentinel to listen" });
    } catch (error) {
      await sentinel[Symbol.asyncDispose]();
      throw error;
    }
    return sentinel;
  }

  /** Opens a connection as the default user. */
  client(): Promise<TestClient> {
    const userinfo = this.#password === undefined ? "" : `:${this.#password}@`;
    return connect(`redis://${userinfo}127.0.0.1:${this.port}`);
  }

  /** Suspends the process: its connections stay open, without replies. */
  pause(): void {
    Deno.kill(this.#pid, "SIGSTOP");
  }

  /** Kills the process. Resolves when it has exited. */
  async kill(): Promise<void> {
    this.#end ??= this.#kill();
    await this.#end;
  }

  /** Kills the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #kill(): Promise<void> {
    await this.#process.stdin.close();
    await this.#process.status;
  }
}

function configOf(
  { port, id }: Seat,
  seats: readonly Seat[],
  [master, ...replicas]: readonly RedisServer[],
  { password, sentinelPassword, sentinelUser, downAfter = 500 }:
    StartSentinelsOptions,
): string {
  // They would discover each other, but that takes seconds.
  const others = seats.filter((seat) => seat.id !== id);
  return [
    `port ${port}`,
    "bind 127.0.0.1",
    "protected-mode no",
    `sentinel myid ${id}`,
    `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${master?.port} ${QUORUM}`,
    `sentinel down-after-milliseconds ${MASTER_NAME} ${downAfter}`,
    `sentinel failover-timeout ${MASTER_NAME} 3000`,
    ...(password === undefined
      ? []
      : [`sentinel auth-pass ${MASTER_NAME} ${password}`]),
    ...(sentinelPassword === undefined ? [] : [
      `requirepass ${sentinelPassword}`,
      `sentinel sentinel-pass ${sentinelPassword}`,
    ]),
    ...(sentinelUser === undefined ? [] : [sentinelUser]),
    ...replicas.map((replica) =>
      `sentinel known-replica ${MASTER_NAME} 127.0.0.1 ${replica.port}`
    ),
    ...others.map((seat) =>
      `sentinel known-sentinel ${MASTER_NAME} 127.0.0.1 ${seat.port} ${seat.id}`
    ),
    "",
  ].join("\n");
}
