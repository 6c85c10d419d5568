/**
 * A real Redis Cluster, as a disposable resource of a test.
 *
 * @module
 */

import type { TestClient } from "./client.ts";
import {
  freePort,
  RedisServer,
  type StartRedisOptions,
} from "./redis_server.ts";
import { until } from "./until.ts";

/** Milliseconds of silence after which a node counts as dead. A master is replaced a second or two later. */
const NODE_TIMEOUT = 1000;
/** Milliseconds between two votes of one node for replicas of the same master. */
const VOTE_GAP = 2 * NODE_TIMEOUT;
/** The offset of a node's bus port from its port. */
const BUS_OFFSET = 10_000;
/** How often to retry with other ports if one was taken meanwhile. */
const PORT_ATTEMPTS = 20;

/** What to start. */
export interface StartClusterOptions
  extends Pick<StartRedisOptions, "password" | "tls"> {
  /**
   * The number of masters.
   *
   * @default {3}
   */
  masters?: number;
  /**
   * The number of replicas of each master.
   *
   * @default {1}
   */
  replicas?: number;
  /**
   * The password, for clients and replicas.
   *
   * @default {no password}
   */
  password?: string;
  /** Use TLS, also between the nodes, and announce TLS ports to clients that use TLS. */
  tls?: NonNullable<StartRedisOptions["tls"]>;
  /** More arguments for each redis-server. */
  args?: string[];
}

/**
 * Starts a cluster on free ports of 127.0.0.1. Resolves once each node reports
 * the state ok, and each replica is in sync with its master.
 *
 * ```ts ignore
 * await using cluster = await startCluster();
 * await cluster.migrate(cluster.slotOf("key"), await cluster.otherMaster("key"));
 * ```
 */
export async function startCluster(
  options: StartClusterOptions = {},
): Promise<RedisCluster> {
  const { masters = 3, replicas = 1 } = options;
  await using stack = new AsyncDisposableStack();
  const nodes = await Promise.all(
    Array.from({ length: masters * (replicas + 1) }, async () => {
      const node = await startNode(options);
      stack.use(node);
      return node;
    }),
  );
  const cluster = new RedisCluster(nodes, options);
  const { success, stdout, stderr } = await new Deno.Command("redis-cli", {
    args: [
      ...["--cluster", "create"],
      ...nodes.map((node) => cluster.addressOf(node)),
      ...["--cluster-replicas", String(replicas), "--cluster-yes"],
      ...cliArguments(options),
    ],
    stdin: "null",
  }).output();
  if (!success) {
    const decoder = new TextDecoder();
    throw new Error(
      `redis-cli --cluster create failed:\n${decoder.decode(stdout)}${
        decoder.decode(stderr)
      }`,
    );
  }
  await cluster.untilOk();
  stack.move();
  return cluster;
}

async function startNode(
  { password, tls, args = [] }: StartClusterOptions,
): Promise<RedisServer> {
  const dir = await Deno.makeTempDir({ prefix: "redis-cluster-" });
  for (let attempt = 1;; attempt++) {
    const node = new RedisServer(freePortPair(), dir, {
      ...(password === undefined ? {} : { password }),
      ...(tls === undefined ? {} : { tls }),
      args: [
        ...["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"],
        ...["--cluster-node-timeout", String(NODE_TIMEOUT)],
        // A replica that has just synchronised can be elected.
        ...["--cluster-replica-validity-factor", "0"],
        ...["--repl-diskless-sync-delay", "0"],
        ...(password === undefined ? [] : ["--masterauth", password]),
        ...(tls === undefined
          ? []
          : ["--tls-cluster", "yes", "--tls-replication", "yes"]),
        ...args,
      ],
    });
    try {
      await node.start();
      return node;
    } catch (error) {
      // The bus port may have been taken meanwhile, too.
      if (/in use|listen/i.test(node.output) && attempt < PORT_ATTEMPTS) {
        continue;
      }
      await node[Symbol.asyncDispose]();
      throw error;
    }
  }
}

/** The arguments with which redis-cli connects. */
function cliArguments({ password, tls }: StartClusterOptions): string[] {
  return [
    ...(password === undefined ? [] : ["-a", password, "--no-auth-warning"]),
    ...(tls === undefined ? [] : [
      ...["--tls", "--cacert", (tls.authority ?? tls.server).cert],
      ...["--cert", tls.server.cert, "--key", tls.server.key],
    ]),
  ];
}

/** Finds a free port whose bus port is free, too. */
function freePortPair(): number {
  for (;;) {
    const port = freePort();
    try {
      Deno.listen({ hostname: "127.0.0.1", port: port + BUS_OFFSET }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** The masters and replicas of a cluster. */
export class RedisCluster implements AsyncDisposable {
  /** Every node, dead or alive. */
  readonly nodes: readonly RedisServer[];
  readonly #options: StartClusterOptions;
  readonly #clients = new Map<RedisServer, Promise<TestClient>>();
  readonly #dead = new Set<RedisServer>();
  #lastFailover = -Infinity;

  /** Takes ownership of running nodes. Use {@linkcode startCluster}. */
  constructor(
    nodes: readonly RedisServer[],
    options: StartClusterOptions = {},
  ) {
    this.nodes = nodes;
    this.#options = options;
  }

  /** The URL of the first living node. */
  get url(): string {
    return this.#alive()[0]!.url;
  }

  /** One URL with every node as a seed. */
  get urlOfAll(): string {
    const { password, tls } = this.#options;
    const hosts = this.nodes.map((node) => this.addressOf(node)).join(",");
    const userinfo = password === undefined ? "" : `:${password}@`;
    return `${tls === undefined ? "redis" : "rediss"}://${userinfo}${hosts}`;
  }

  /** The address at which the cluster announces a node. */
  addressOf({ hostname, port, tlsPort }: RedisServer): string {
    return `${hostname}:${this.#options.tls === undefined ? port : tlsPort}`;
  }

  /** A shared connection to a node, which is closed with the cluster. */
  client(node: RedisServer): Promise<TestClient> {
    let client = this.#clients.get(node);
    if (client === undefined) {
      client = node.client();
      this.#clients.set(node, client);
    }
    return client;
  }

  /** Sends a command to one node, whether or not it serves the key. */
  async send(
    node: RedisServer,
    ...words: (string | number)[]
  ): Promise<unknown> {
    return await (await this.client(node)).send(...words);
  }

  /** The slot of a key, by CLUSTER KEYSLOT. */
  async slotOf(key: string): Promise<number> {
    return Number(
      await this.send(this.#alive()[0]!, "CLUSTER", "KEYSLOT", key),
    );
  }

  /** The master that serves a slot, as a living node sees it. */
  async ownerOf(slot: number): Promise<RedisServer> {
    const owner = await this.#ownerAt(this.#alive()[0]!, slot);
    if (owner === undefined) throw new Error(`Slot ${slot} has no owner`);
    return owner;
  }

  /** A master that does not serve the slot. */
  async otherThan(owner: RedisServer): Promise<RedisServer> {
    const view = await this.#view(this.#alive()[0]!);
    const other = view.find(({ server, role, slots }) =>
      role === "master" && slots.length > 0 && server !== owner
    );
    if (other === undefined) throw new Error("There is one master only");
    return other.server;
  }

  /** A living replica of a master. */
  async replicaOf(master: RedisServer): Promise<RedisServer> {
    const view = await this.#view(this.#alive()[0]!);
    const id = view.find(({ server }) => server === master)?.id;
    const replica = view.find((node) =>
      node.masterId === id && !this.#dead.has(node.server)
    );
    if (replica === undefined) throw new Error("The master has no replica");
    return replica.server;
  }

  /** Begins to migrate a slot: from now on, the source redirects missing keys to the target. */
  async beginMigration(slot: number, to: RedisServer): Promise<Migration> {
    const from = await this.ownerOf(slot);
    const [fromId, toId] = await Promise.all([this.#id(from), this.#id(to)]);
    await this.send(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
    await this.send(from, "CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
    return {
      moveKeys: () => this.#moveKeys(slot, from, to),
      finish: async () => {
        await this.#moveKeys(slot, from, to);
        const nodes = this.#alive();
        // A node that takes over a slot takes a higher epoch than all that it
        // knows. If it does not know the last migration yet, that one wins, and
        // two nodes redirect clients to each other without end.
        await until(async () => {
          const last = await Promise.all(
            nodes.map((node) => this.#epoch(node, "my")),
          );
          return await this.#epoch(to, "current") >= Math.max(...last);
        }, { what: "the node to know of the last move" });
        const others = nodes.filter((node) => node !== to && node !== from);
        for (const node of [to, from, ...others]) {
          // Replicas refuse this, and learn it from their masters.
          await this.send(node, "CLUSTER", "SETSLOT", slot, "NODE", toId)
            .catch(() => {});
        }
        await until(async () => {
          const owners = await Promise.all(
            nodes.map((node) => this.#ownerAt(node, slot)),
          );
          return owners.every((owner) => owner === to);
        }, { what: "every node to know of the move" });
      },
    };
  }

  /** Migrates a slot with its keys. */
  async migrate(slot: number, to: RedisServer): Promise<void> {
    await (await this.beginMigration(slot, to)).finish();
  }

  /** Kills a node, as `kill -9` does. */
  async kill(node: RedisServer): Promise<void> {
    this.#dead.add(node);
    this.#clients.delete(node);
    await node.kill();
  }

  /** Restarts a killed node. */
  async revive(node: RedisServer): Promise<void> {
    await node.start();
    this.#dead.delete(node);
    await this.untilOk();
  }

  /** Makes a replica the master by a coordinated fail-over. */
  async failover(replica: RedisServer): Promise<void> {
    // No node votes twice for replicas of one master within this time: the
    // second fail-over would fail.
    await until(() => performance.now() - this.#lastFailover > VOTE_GAP);
    await this.send(replica, "CLUSTER", "FAILOVER");
    await this.untilMaster(replica);
    this.#lastFailover = performance.now();
  }

  /** Resolves once every living node sees `node` as a master with slots. */
  async untilMaster(node: RedisServer): Promise<void> {
    await until(async () => {
      const views = await Promise.all(
        this.#alive().map((each) => this.#view(each)),
      );
      return views.every((view) =>
        view.some(({ server, role, slots }) =>
          server === node && role === "master" && slots.length > 0
        )
      );
    }, { what: "the replica to be the master", timeout: 30_000 });
    await this.untilOk();
  }

  /** Resolves once every living node reports the cluster ok, and every replica is in sync. */
  async untilOk(): Promise<void> {
    for (const node of this.#alive()) {
      await until(async () => {
        const info = String(await this.send(node, "CLUSTER", "INFO"));
        const view = await this.#view(node);
        const replication = String(
          await this.send(node, "INFO", "replication"),
        );
        const isWhole = view.every(({ server, role, slots }) =>
          this.#dead.has(server) || role === "replica" || slots.length > 0
        );
        return info.includes("cluster_state:ok") &&
          view.length === this.nodes.length && isWhole &&
          !replication.includes("master_link_status:down");
      }, { what: "the cluster to be ok", timeout: 30_000 });
    }
  }

  /** Kills the nodes, and removes their folders. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients.values()) {
      await (await client.catch(() => undefined))?.close();
    }
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()));
  }

  #alive(): RedisServer[] {
    return this.nodes.filter((node) => !this.#dead.has(node));
  }

  async #ownerAt(
    node: RedisServer,
    slot: number,
  ): Promise<RedisServer | undefined> {
    const view = await this.#view(node);
    return view.find(({ role, slots }) =>
      role === "master" &&
      slots.some(([from, to]) => from <= slot && slot <= to)
    )?.server;
  }

  /** The epoch of a node, or the highest one that it knows. */
  async #epoch(node: RedisServer, which: "my" | "current"): Promise<number> {
    const info = String(await this.send(node, "CLUSTER", "INFO"));
    return Number(new RegExp(`cluster_${which}_epoch:(\\d+)`).exec(info)?.[1]);
  }

  async #id(node: RedisServer): Promise<string> {
    return String(await this.send(node, "CLUSTER", "MYID"));
  }

  async #moveKeys(
    slot: number,
    from: RedisServer,
    to: RedisServer,
  ): Promise<void> {
    for (;;) {
      const keys = await this.send(from, "CLUSTER", "GETKEYSINSLOT", slot, 100);
      if (!Array.isArray(keys) || keys.length === 0) return;
      await this.send(
        from,
        ...["MIGRATE", to.hostname, to.port, "", 0, 5000, "KEYS"],
        ...keys.map(String),
      );
    }
  }

  /** The reply of one node to `CLUSTER NODES`. */
  async #view(node: RedisServer): Promise<NodeView[]> {
    const text = String(await this.send(node, "CLUSTER", "NODES"));
    return text.trim().split("\n").flatMap((line) => {
      const [
        id = "",
        address = "",
        flags = "",
        masterId = "",
        ,
        ,
        ,
        ,
        ...slots
      ] = line.split(" ");
      const port = Number(/:(\d+)@/.exec(address)?.[1]);
      const server = this.nodes.find((each) =>
        each.port === port || each.tlsPort === port
      );
      if (server === undefined) return [];
      return [{
        server,
        id,
        masterId,
        role: flags.includes("master") ? "master" : "replica",
        // Slots that are being migrated are in brackets.
        slots: slots.filter((range) => !range.startsWith("[")).map((range) => {
          const [from, to = from] = range.split("-").map(Number);
          return [from!, to!] as const;
        }),
      }];
    });
  }
}

/** A migration that is under way. */
export interface Migration {
  /** Moves the keys that the source has now. */
  moveKeys(): Promise<void>;
  /** Moves the rest, and assigns the slot to the target at every node. */
  finish(): Promise<void>;
}

interface NodeView {
  readonly server: RedisServer;
  readonly id: string;
  readonly masterId: string;
  readonly role: "master" | "replica";
  readonly slots: readonly (readonly [from: number, to: number])[];
}
