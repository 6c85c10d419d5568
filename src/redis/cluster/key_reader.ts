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

/** A key to be read, and whom to ask for it. */
interface Read {
  readonly key: string;
  /** Where its value goes. */
  readonly index: number;
  readonly slot: number;
  readonly node: ClusterNode;
  readonly isAsking: boolean;
}

/** A read that was sent on. */
interface Redirected {
  readonly read: Read;
  readonly redirection: Redirection;
}

/**
 * Reads keys, each at its slot's owner: one GET for each slot, pipelined, or
 * one MGET where several keys share it. A key that is redirected, and
 * subscribed, begins its order anew: it is subscribed at the node that was
 * named, and read there once that is confirmed.
 */
export class KeyReader {
  readonly #router: Router;
  readonly #subscriptions: Subscriptions;

  /** Reads by `router`. */
  constructor(router: Router, subscriptions: Subscriptions) {
    this.#router = router;
    this.#subscriptions = subscriptions;
  }

  /** Reads keys; `null` where there is none, and where it holds no string. */
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
      await this.#move(redirected);
      reads = redirected.map(({ read, redirection: { kind, to } }) => ({
        ...read,
        node: this.#router.node(to),
        isAsking: kind === "ASK",
      }));
    }
    return values;
  }

  /** Reads what it can into `values`; returns the rest. */
  async #readOnce(
    reads: readonly Read[],
    values: (RedisText | null)[],
  ): Promise<Redirected[]> {
    const groups = Map.groupBy(
      reads,
      // Of several keys some may be missing there, and all be refused: those
      // that were sent on are read one by one.
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
  ): Promise<Redirected[]> {
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
      const isOnItsWay = isTryAgain(error) || redirection?.kind === "ASK";
      if (isOnItsWay && reads.length > 1) {
        // Some of the keys are there already, and some still here. Before Redis
        // 7, ASK says that one is missing here, and not that all are.
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

  /** Subscribes what was redirected, and is subscribed, where it is read next. */
  async #move(redirected: readonly Redirected[]): Promise<void> {
    const groups = Map.groupBy(
      redirected,
      ({ read, redirection: { kind, to } }) =>
        `${kind} ${to.name} ${read.node.address.name}`,
    );
    await Promise.all(
      groups.values().map(async (group) => {
        const [{ read, redirection }] = group as [Redirected, ...Redirected[]];
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

/** GET, as MGET has it: what is no string is not there. */
async function get(
  link: RedisLink,
  key: string,
): Promise<(RedisText | null)[]> {
  let reply: RespValue;
  try {
    reply = await link.command(["GET", key]);
  } catch (error) {
    if (codeOf(error) === "WRONGTYPE") return [null];
    throw error;
  }
  return [
    typeof reply === "string" || reply instanceof Uint8Array ? reply : null,
  ];
}

function codeOf(error: unknown): string | undefined {
  return error instanceof RedisError ? error.code : undefined;
}
