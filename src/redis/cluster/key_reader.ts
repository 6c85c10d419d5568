import { RedisError } from "../../errors.ts";
import type { RedisLink, RedisText } from "../link.ts";
import type { RespValue } from "../wire/resp.ts";
import type { ClusterNode } from "./node_pool.ts";
import {
  isTryAgain,
  MAX_REDIRECTIONS,
  type Redirection,
  tooManyRedirections,
} from "./redirection.ts";
import { type Router, sendTo } from "./router.ts";
import { keySlot } from "./slots.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** A key to read, and the node to read it from. */
interface Read {
  readonly key: string;
  /** The position of its value in the result. */
  readonly index: number;
  readonly slot: number;
  readonly node: ClusterNode;
  readonly isAsking: boolean;
}

/** A read that a node redirected. */
interface RedirectedRead {
  readonly read: Read;
  readonly redirection: Redirection;
}

/**
 * Reads each key at the owner of its slot: with one GET per slot, pipelined, or
 * with one MGET where several keys share a slot.
 *
 * A redirected key that is subscribed starts over: it is subscribed at the node
 * that the redirection names, and read there once that is confirmed.
 */
export class KeyReader {
  readonly #router: Router;
  readonly #subscriptions: Subscriptions;

  /** Creates a reader that sends through `router`. */
  constructor(router: Router, subscriptions: Subscriptions) {
    this.#router = router;
    this.#subscriptions = subscriptions;
  }

  /** Reads keys. A key that is missing, or does not hold a string, gives `null`. */
  async read(keys: readonly string[]): Promise<(RedisText | null)[]> {
    const values = new Array<RedisText | null>(keys.length).fill(null);
    let reads = keys.map((key, index): Read => {
      const slot = keySlot(key);
      const node = this.#router.owner(slot);
      return { key, index, slot, node, isAsking: false };
    });
    for (let hops = 0; reads.length > 0; hops++) {
      if (hops > MAX_REDIRECTIONS) {
        throw tooManyRedirections(reads[0]!.node.address);
      }
      const redirected = await this.#readOnce(reads, values);
      await this.#moveSubscriptions(redirected);
      reads = redirected.map(({ read, redirection: { kind, to } }) => ({
        ...read,
        node: this.#router.node(to),
        isAsking: kind === "ASK",
      }));
    }
    return values;
  }

  /** Reads into `values` what is not redirected. Returns the rest. */
  async #readOnce(
    reads: readonly Read[],
    values: (RedisText | null)[],
  ): Promise<RedirectedRead[]> {
    const groups = Map.groupBy(
      reads,
      // After ASK, each key alone: if one of several is missing at the new
      // node, that node refuses all of them.
      ({ slot, index, isAsking }) => isAsking ? -1 - index : slot,
    );
    const redirected = await Promise.all(
      groups.values().map((group) => this.#readSlot(group, values)),
    );
    return redirected.flat();
  }

  /** Reads keys of one slot. */
  async #readSlot(
    reads: readonly Read[],
    values: (RedisText | null)[],
  ): Promise<RedirectedRead[]> {
    const [{ node, isAsking }] = reads as [Read, ...Read[]];
    const keys = reads.map(({ key }) => key);
    let replies: (RedisText | null)[];
    try {
      replies = await sendTo(
        node,
        isAsking,
        (link) => keys.length === 1 ? get(link, keys[0]!) : link.read(keys),
      );
    } catch (error) {
      const redirection = this.#router.readRedirection(error, node);
      const isMigrating = isTryAgain(error) || redirection?.kind === "ASK";
      if (isMigrating && reads.length > 1) {
        // Some keys are still here, and some at the new node. Before Redis 7,
        // ASK means that one of them is missing here, not that all are.
        const redirected = await Promise.all(
          reads.map((read) => this.#readSlot([read], values)),
        );
        return redirected.flat();
      }
      if (redirection === undefined) throw error;
      return reads.map((read) => ({ read, redirection }));
    }
    for (const [i, { index }] of reads.entries()) values[index] = replies[i]!;
    if (!isAsking) await this.#subscriptions.undoAsk(keys, node);
    return [];
  }

  /** Subscribes redirected keys, where they are subscribed at all, at the node that is read next. */
  async #moveSubscriptions(
    redirected: readonly RedirectedRead[],
  ): Promise<void> {
    const groups = Map.groupBy(
      redirected,
      ({ read, redirection: { kind, to } }) =>
        `${kind} ${to.name} ${read.node.address.name}`,
    );
    await Promise.all(
      groups.values().map(async (group) => {
        const [{ read, redirection }] = group as [
          RedirectedRead,
          ...RedirectedRead[],
        ];
        const keys = group.map(({ read }) => read.key);
        const to = this.#router.node(redirection.to);
        if (redirection.kind === "MOVED") {
          await this.#subscriptions.move(keys, to);
        } else {
          await this.#subscriptions.followAsk(keys, to, read.node.address);
        }
      }),
    );
  }
}

/** Sends GET with the semantics of MGET: a key of another type counts as missing. */
async function get(
  link: RedisLink,
  key: string,
): Promise<(RedisText | null)[]> {
  let reply: RespValue;
  try {
    reply = await link.command(["GET", key]);
  } catch (error) {
    if (error instanceof RedisError && error.code === "WRONGTYPE") {
      return [null];
    }
    throw error;
  }
  return [
    typeof reply === "string" || reply instanceof Uint8Array ? reply : null,
  ];
}
