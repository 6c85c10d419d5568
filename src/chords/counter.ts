import {
  type ChordCount,
  countOf,
  DONE,
  type NewPart,
  replyText,
} from "./count.ts";
import { CHORD_SCRIPT } from "./chord_script.ts";
import { inOneSlotOrApart } from "./same_slot.ts";
import type { CallOptions, Commands } from "../source/commands.ts";
import { ChordError, RedisError } from "../errors.ts";
import { type ChordPart, decodeChordPart } from "../protocol/chord_part.ts";
import type { Command, CommandArgument } from "../redis/wire/command.ts";
import type { RedisLink, RedisText } from "../redis/link.ts";
import type { RespValue } from "../redis/wire/resp.ts";
import { isScriptRefusal, Script } from "../store/lua_script.ts";
import type { StatusHub } from "../status.ts";
import type { Format } from "../formats/types.ts";

/** What a counter works on. */
export interface ChordCounterContext {
  /** What runs commands, and tries them again. */
  readonly commands: Commands;
  /** How parts are written. */
  readonly codec: Format;
  /** Whole seconds that parts are kept; 0 is for ever. */
  readonly expires: number;
  /** Whether parts are kept by their place, or in a list. */
  readonly chordOrdered: boolean;
  /** Told once where scripts are refused. */
  readonly status: StatusHub;
}

/** How often the parts at a place may change under a count that has to judge them. */
const MAX_JUDGEMENTS = 100;

/** Adds parts to chords, and counts. A part that is returned again is not counted again. */
export class ChordCounter {
  readonly #context: ChordCounterContext;
  readonly #script = new Script(CHORD_SCRIPT);
  #scriptsRefused = false;

  /** Counts through `context.commands`. */
  constructor(context: ChordCounterContext) {
    this.#context = context;
  }

  /**
   * Adds a part, and counts, as one.
   *
   * @throws {ChordError} if Redis could not be reached, or holds something else
   * where the parts should be.
   * @throws {RedisError} if Redis refuses.
   */
  count(part: NewPart, options: CallOptions): Promise<ChordCount> {
    const { groupId, taskId } = part;
    return this.#context.commands.run(
      async (link) => {
        try {
          return await this.#count(link, part, options);
        } catch (error) {
          throw error instanceof RedisError && error.code === "WRONGTYPE"
            ? this.#mixed(part, error)
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

  async #count(
    link: RedisLink,
    part: NewPart,
    options: CallOptions,
  ): Promise<ChordCount> {
    return await inOneSlotOrApart(
      link,
      part.keys,
      () => this.#countTogether(link, part, options),
      () => this.#countApart(link, part, options),
    );
  }

  async #countTogether(
    link: RedisLink,
    part: NewPart,
    options: CallOptions,
  ): Promise<ChordCount> {
    const { parts, extra, size, claim } = part.keys;
    const reply = await this.#byScript(
      link,
      part,
      [parts, extra, size, claim],
      options,
    );
    if (reply === undefined) {
      return await this.#byTransaction(link, part, options);
    }
    const [kind, ...rest] = reply;
    return kind === "claimed"
      ? { claim: replyText(rest[0]) ?? "" }
      : countOf(part.groupId, rest, part.keys);
  }

  /**
   * In a cluster, where the keys are at several nodes: the part and the count
   * are one, and the rest is read behind that. What it says cannot be too old:
   * whoever adds parts returns one of his own later.
   */
  async #countApart(
    link: RedisLink,
    part: NewPart,
    options: CallOptions,
  ): Promise<ChordCount> {
    const { groupId, keys, claim } = part;
    const { parts, extra, size } = keys;
    const { chordOrdered, expires } = this.#context;
    const before = replyText(await link.command(["GET", keys.claim]));
    if (before !== null && before !== claim) {
      // An earlier attempt may have added it.
      await this.#withdraw(link, part, before);
      return { claim: before };
    }
    options.signal?.throwIfAborted();
    const [, count = null] =
      await this.#byScript(link, part, [parts], options) ??
        await link.transaction([
          ...additionOf(part, chordOrdered),
          ...(expires === 0 ? [] : [["EXPIRE", parts, expires]]),
        ]);
    const [extras, total, claimed] = await Promise.all([
      link.command(["GET", extra]),
      link.command(["GET", size]),
      link.command(["GET", keys.claim]),
      ...(expires === 0 ? [] : [extra, size]).map((key) =>
        link.command(["EXPIRE", key, expires])
      ),
    ]);
    const claimedBy = replyText(claimed);
    if (claimedBy !== null && claimedBy !== claim) {
      await this.#withdraw(link, part, claimedBy);
      return { claim: claimedBy };
    }
    return countOf(groupId, [count, extras, total, claimed], keys);
  }

  /**
   * Takes a part back that came between the look at the claim and the end of
   * the chord. Before that end, whoever claimed the chord removes all parts.
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

  /** What the script says of the part, once it is judged; undefined where scripts are refused. */
  async #byScript(
    link: RedisLink,
    part: NewPart,
    keys: readonly string[],
    options: CallOptions,
  ): Promise<RespValue[] | undefined> {
    if (this.#scriptsRefused) return undefined;
    try {
      return await this.#judged(link, part, keys, options);
    } catch (error) {
      if (!isScriptRefusal(error)) throw error;
      this.#scriptsRefused = true;
      this.#context.status.emit({ type: "degraded", error });
      return undefined;
    }
  }

  async #judged(
    link: RedisLink,
    { groupId, taskId, groupIndex, part, claim }: NewPart,
    keys: readonly string[],
    { signal }: CallOptions,
  ): Promise<RespValue[]> {
    const { chordOrdered, expires } = this.#context;
    const words: CommandArgument[] = [
      keys.length,
      ...keys,
      part,
      chordOrdered ? groupIndex ?? "+inf" : "",
      expires,
      claim,
    ];
    let judgement: CommandArgument[] = ["1", ""];
    for (let i = 0; i < MAX_JUDGEMENTS; i++) {
      const reply = arrayOf(
        await this.#script.run(link, [...words, ...judgement], signal),
      );
      const [kind, ...rest] = reply;
      if (kind !== "judge") return reply;
      // One that was called off adds nothing any more.
      signal?.throwIfAborted();
      judgement = this.#judge(rest.filter(isText), taskId);
    }
    throw new ChordError(
      `Failed to return the part of task ${taskId} to chord ${groupId}: ` +
        `the parts at its place ${groupIndex} change faster than they can be read`,
      groupId,
    );
  }

  /**
   * Which of the parts at one place give way to the task's new one: its own, as
   * with results. A SUCCESS of its own stands, and the new part gives way.
   */
  #judge(parts: readonly RedisText[], taskId: string): CommandArgument[] {
    const states = parts.map((part) => this.#stateOf(part, taskId));
    const stands = states.indexOf("SUCCESS");
    const verdict = states.map((state, index) =>
      state === undefined || index === stands ? "." : "x"
    );
    return [stands < 0 ? "1" : "0", verdict.join(""), ...parts];
  }

  /** The state of a part of this task; undefined for another's. */
  #stateOf(stored: RedisText, taskId: string): string | undefined {
    let part: ChordPart;
    try {
      part = decodeChordPart(this.#context.codec, stored);
    } catch {
      // What nobody can read is nobody's; whoever completes the chord tells.
      return undefined;
    }
    return part.taskId === taskId ? part.state : undefined;
  }

  /**
   * Celery's own way. It keeps an equal part from being counted twice, but not
   * one that another run of the task returned with another result.
   */
  async #byTransaction(
    link: RedisLink,
    part: NewPart,
    { signal }: CallOptions,
  ): Promise<ChordCount> {
    const { chordOrdered, expires } = this.#context;
    const { groupId, keys, claim } = part;
    const { parts, extra, size } = keys;
    // A part that comes late must not begin the count anew. One that comes
    // between these two commands does, and is told below all the same.
    const before = replyText(await link.command(["GET", keys.claim]));
    if (before !== null && before !== claim) return { claim: before };
    signal?.throwIfAborted();
    const expire: Command[] = expires === 0
      ? []
      : [parts, extra, size].map((key) => ["EXPIRE", key, expires]);
    const [, count = null, extras = null, total = null, claimed = null] =
      await link.transaction([
        ...additionOf(part, chordOrdered),
        ["GET", extra],
        ["GET", size],
        ["GET", keys.claim],
        ...expire,
      ]);
    const claimedBy = replyText(claimed);
    if (claimedBy !== null && claimedBy !== claim) return { claim: claimedBy };
    return countOf(groupId, [count, extras, total, claimed], keys);
  }

  #mixed({ groupId, keys, taskId }: NewPart, cause: RedisError): ChordError {
    const { chordOrdered } = this.#context;
    return new ChordError(
      `Cannot return the part of task ${taskId} to chord ${groupId}: ${keys.parts} ` +
        `is no ${chordOrdered ? "sorted set" : "list"}, as chordOrdered: ` +
        `${chordOrdered} makes it (${cause.message}): give chordOrdered, and ` +
        "Celery's result_chord_ordered, one value for everybody who uses this Redis",
      groupId,
      { cause },
    );
  }
}

/** Two commands; the second one's reply is how many parts there are. */
function additionOf(
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

function arrayOf(reply: RespValue): RespValue[] {
  return Array.isArray(reply) ? reply : [];
}

function isText(reply: RespValue): reply is RedisText {
  return typeof reply === "string" || reply instanceof Uint8Array;
}
