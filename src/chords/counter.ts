import {
  type ChordCount,
  DONE,
  type NewPart,
  parseCount,
  replyText,
} from "./count_reply.ts";
import { CHORD_SCRIPT } from "./chord_script.ts";
import { inOneSlotOrApart } from "./same_slot.ts";
import type { CallOptions, CommandRunner } from "../source/command_runner.ts";
import { ChordError, RedisError } from "../errors.ts";
import { type ChordPart, decodeChordPart } from "../protocol/chord_part.ts";
import type { Command, CommandArgument } from "../redis/wire/command.ts";
import type { RedisLink } from "../redis/link.ts";
import type { RespValue } from "../redis/wire/resp.ts";
import { LuaScript } from "../store/lua_script.ts";
import { isDocument } from "../store/stored_document.ts";
import type { StatusHub } from "../status.ts";
import type { Format, StoredDocument } from "../formats/types.ts";

/** What a {@linkcode ChordCounter} works with. */
export interface ChordCounterContext {
  /** Runs and retries commands. */
  readonly commands: CommandRunner;
  /** Writes and reads parts. */
  readonly codec: Format;
  /** Seconds until the parts expire, a whole number; 0: never. */
  readonly expires: number;
  /** Whether the parts are in a sorted set, by their index, or in a list. */
  readonly chordOrdered: boolean;
  /** Where to report, once, that the server refuses scripts. */
  readonly status: StatusHub;
}

/** How many times other clients may change the parts at an index between a read and its compare-and-set. */
const MAX_COMPARE_AND_SET = 100;

/** Adds parts to chords and counts them. A part that returns again is not counted again. */
export class ChordCounter {
  readonly #context: ChordCounterContext;
  readonly #script: LuaScript;

  /** Counts through `context.commands`. */
  constructor(context: ChordCounterContext) {
    this.#context = context;
    this.#script = new LuaScript(CHORD_SCRIPT, context.status);
  }

  /**
   * Adds a part and counts the parts, atomically.
   *
   * @throws {ChordError} if Redis cannot be reached, or holds another type of
   * value where the parts should be.
   * @throws {RedisError} if Redis refuses.
   */
  count(part: NewPart, options: CallOptions): Promise<ChordCount> {
    const { groupId, taskId } = part;
    return this.#context.commands.run(
      async (link) => {
        try {
          return await inOneSlotOrApart(
            link,
            part.keys,
            () => this.#countTogether(link, part, options),
            () => this.#countApart(link, part, options),
          );
        } catch (error) {
          throw error instanceof RedisError && error.code === "WRONGTYPE"
            ? this.#wrongTypeError(part, error)
            : error;
        }
      },
      (message, cause) =>
        new ChordError(
          `Failed to return the part of task ${taskId} to chord ${groupId}: ${message}`,
          groupId,
          { cause },
        ),
      options,
    );
  }

  async #countTogether(
    link: RedisLink,
    part: NewPart,
    options: CallOptions,
  ): Promise<ChordCount> {
    const { parts, extra, size, claim } = part.keys;
    const keys = [parts, extra, size, claim];
    const reply = await this.#script.attempt(() =>
      this.#runScript(link, part, keys, options)
    );
    if (reply === undefined) {
      return await this.#runTransaction(link, part, options);
    }
    const [kind, ...rest] = reply;
    return kind === "claimed"
      ? { claim: replyText(rest[0]) ?? "" }
      : parseCount(part.groupId, rest, part.keys);
  }

  /**
   * Counts in a cluster whose nodes share the keys: it adds and counts the part
   * atomically, and then reads the other keys. These cannot be too old: a task
   * that adds parts returns one itself, later.
   */
  async #countApart(
    link: RedisLink,
    part: NewPart,
    options: CallOptions,
  ): Promise<ChordCount> {
    const { groupId, keys } = part;
    const { parts, extra, size } = keys;
    const { chordOrdered, expires } = this.#context;
    const claimBefore = otherClaim(
      part,
      await link.command(["GET", keys.claim]),
    );
    if (claimBefore !== null) {
      // An earlier attempt may have added the part.
      await this.#withdraw(link, part, claimBefore);
      return { claim: claimBefore };
    }
    options.signal?.throwIfAborted();
    const [, count = null] =
      await this.#script.attempt(() =>
        this.#runScript(link, part, [parts], options)
      ) ??
        await link.transaction([
          ...addPart(part, chordOrdered),
          ...(expires === 0 ? [] : [["EXPIRE", parts, expires]]),
        ]);
    const [extraReply, sizeReply, claimReply] = await Promise.all([
      link.command(["GET", extra]),
      link.command(["GET", size]),
      link.command(["GET", keys.claim]),
      ...(expires === 0 ? [] : [extra, size]).map((key) =>
        link.command(["EXPIRE", key, expires])
      ),
    ]);
    const claim = otherClaim(part, claimReply);
    if (claim !== null) {
      await this.#withdraw(link, part, claim);
      return { claim };
    }
    return parseCount(
      groupId,
      [count, extraReply, sizeReply, claimReply],
      keys,
    );
  }

  /**
   * Removes a part that was added between the read of the claim and the end of
   * the chord. Before that end, the call that claimed the chord removes all
   * parts.
   */
  async #withdraw(
    link: RedisLink,
    { keys: { parts }, part }: NewPart,
    claim: string,
  ): Promise<void> {
    if (claim !== DONE) return;
    await link.command(
      this.#context.chordOrdered
        ? ["ZREM", parts, part]
        : ["LREM", parts, 0, part],
    );
  }

  /** The script's reply, after conflicts are resolved. */
  async #runScript(
    link: RedisLink,
    { groupId, taskId, groupIndex, part, claim }: NewPart,
    keys: readonly string[],
    { signal }: CallOptions,
  ): Promise<RespValue[]> {
    const { chordOrdered, expires } = this.#context;
    const args: CommandArgument[] = [
      keys.length,
      ...keys,
      part,
      chordOrdered ? groupIndex ?? "+inf" : "",
      expires,
      claim,
    ];
    let resolution: CommandArgument[] = ["1", ""];
    for (let i = 0; i < MAX_COMPARE_AND_SET; i++) {
      const reply = toArray(
        await this.#script.run(link, [...args, ...resolution], signal),
      );
      const [kind, ...rest] = reply;
      if (kind !== "conflict") return reply;
      // An aborted call must not add its part any more.
      signal?.throwIfAborted();
      resolution = this.#resolveConflict(rest.filter(isDocument), taskId);
    }
    throw new ChordError(
      `Failed to return the part of task ${taskId} to chord ${groupId}: ` +
        `the parts at index ${groupIndex} change faster than they can be read`,
      groupId,
    );
  }

  /**
   * Decides which of the parts at one index the new one replaces: those of its
   * own task. As with results, a SUCCESS is final, and the new part is not
   * added.
   */
  #resolveConflict(
    parts: readonly StoredDocument[],
    taskId: string,
  ): CommandArgument[] {
    const states = parts.map((part) => this.#readState(part, taskId));
    const final = states.indexOf("SUCCESS");
    const removals = states.map((state, index) =>
      state === undefined || index === final ? "." : "x"
    );
    return [final < 0 ? "1" : "0", removals.join(""), ...parts];
  }

  /** The state of a part of this task; undefined for another task's. */
  #readState(stored: StoredDocument, taskId: string): string | undefined {
    let part: ChordPart;
    try {
      part = decodeChordPart(this.#context.codec, stored);
    } catch {
      // An unreadable part stays. Completing the chord reports it.
      return undefined;
    }
    return part.taskId === taskId ? part.state : undefined;
  }

  /**
   * Counts as Celery does. An equal part is not counted twice, but one that
   * another run of the task returned with another result is.
   */
  async #runTransaction(
    link: RedisLink,
    part: NewPart,
    { signal }: CallOptions,
  ): Promise<ChordCount> {
    const { chordOrdered, expires } = this.#context;
    const { groupId, keys } = part;
    const { parts, extra, size } = keys;
    // A late part must not restart the count. One that comes between this
    // read and the transaction does, but is reported as claimed all the same.
    const claimBefore = otherClaim(
      part,
      await link.command(["GET", keys.claim]),
    );
    if (claimBefore !== null) return { claim: claimBefore };
    signal?.throwIfAborted();
    const expire: Command[] = expires === 0
      ? []
      : [parts, extra, size].map((key) => ["EXPIRE", key, expires]);
    const [, ...replies] = await link.transaction([
      ...addPart(part, chordOrdered),
      ["GET", extra],
      ["GET", size],
      ["GET", keys.claim],
      ...expire,
    ]);
    const claim = otherClaim(part, replies[3]);
    return claim === null ? parseCount(groupId, replies, keys) : { claim };
  }

  #wrongTypeError(
    { groupId, keys, taskId }: NewPart,
    cause: RedisError,
  ): ChordError {
    const { chordOrdered } = this.#context;
    return new ChordError(
      `Cannot return the part of task ${taskId} to chord ${groupId}: ${keys.parts} ` +
        `is not a ${
          chordOrdered ? "sorted set" : "list"
        }, which chordOrdered: ` +
        `${chordOrdered} expects (${cause.message}); give chordOrdered, and Celery's ` +
        "result_chord_ordered, the same value everywhere that uses this Redis",
      groupId,
      { cause },
    );
  }
}

/** The claim of another call; null if no other call has claimed the chord. */
function otherClaim(
  { claim }: NewPart,
  reply: RespValue | undefined,
): string | null {
  const holder = replyText(reply);
  return holder === claim ? null : holder;
}

/** Two commands that add a part. The second one replies with the number of parts. */
function addPart(
  { keys: { parts }, groupIndex, part }: NewPart,
  chordOrdered: boolean,
): Command[] {
  return chordOrdered
    ? [
      ["ZADD", parts, groupIndex ?? "+inf", part],
      ["ZCOUNT", parts, "-inf", "+inf"],
    ]
    : [["LREM", parts, 0, part], ["RPUSH", parts, part]];
}

function toArray(reply: RespValue): RespValue[] {
  return Array.isArray(reply) ? reply : [];
}
