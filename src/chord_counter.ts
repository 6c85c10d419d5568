import { CHORD_SCRIPT } from "./chord_script.ts";
import type { CallOptions, Commands } from "./commands.ts";
import { ChordError, RedisError } from "./errors.ts";
import { type ChordPart, decodeChordPart } from "./protocol/chord_part.ts";
import type { Codec } from "./protocol/codec.ts";
import type { StoredDocument } from "./protocol/decode.ts";
import type { ChordKeys } from "./protocol/keys.ts";
import type { Command, CommandArgument } from "./redis/command.ts";
import type { RedisLink, RedisText } from "./redis/link.ts";
import type { RespValue } from "./redis/resp.ts";
import { isScriptRefusal, Script } from "./script.ts";
import type { StatusBoard } from "./status.ts";

/** What a counter works on. */
export interface ChordCounterContext {
  /** What runs commands, and tries them again. */
  readonly commands: Commands;
  /** How parts are written. */
  readonly codec: Codec;
  /** Whole seconds that parts are kept; 0 is for ever. */
  readonly expires: number;
  /** Whether parts are kept by their place, or in a list. */
  readonly chordOrdered: boolean;
  /** Told once where scripts are refused. */
  readonly status: StatusBoard;
}

/** A part that is to be counted. */
export interface NewPart {
  /** The chord. */
  readonly groupId: string;
  /** Its keys. */
  readonly keys: ChordKeys;
  /** The task. */
  readonly taskId: string;
  /** The task's place; null if it is not known. */
  readonly groupIndex: number | null;
  /** What is kept. */
  readonly part: StoredDocument;
  /** What the caller claims the chord by. */
  readonly claim: string;
}

/** What the server saw. */
export type ChordCount =
  /** Another call has claimed the chord: nothing was counted. */
  | { readonly claim: string; readonly count?: never }
  | {
    /** How many parts there are. */
    readonly count: number;
    /** How many were added while the chord ran. */
    readonly extra: number;
    /** How many it was sent with; null if nobody said. */
    readonly size: number | null;
    /** Whether the chord is claimed, by the caller. */
    readonly isOwn: boolean;
  };

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
    if (!this.#scriptsRefused) {
      try {
        return await this.#byScript(link, part, options);
      } catch (error) {
        if (!isScriptRefusal(error)) throw error;
        this.#scriptsRefused = true;
        this.#context.status.tell({ type: "degraded", error });
      }
    }
    return await this.#byTransaction(link, part, options);
  }

  async #byScript(
    link: RedisLink,
    { groupId, keys, taskId, groupIndex, part, claim }: NewPart,
    { signal }: CallOptions,
  ): Promise<ChordCount> {
    const { chordOrdered, expires } = this.#context;
    const words: CommandArgument[] = [
      4,
      keys.parts,
      keys.extra,
      keys.size,
      keys.claim,
      part,
      chordOrdered ? groupIndex ?? "+inf" : "",
      expires,
      claim,
    ];
    let judgement: CommandArgument[] = ["1", ""];
    for (let i = 0; i < MAX_JUDGEMENTS; i++) {
      const reply = await this.#script.run(
        link,
        [...words, ...judgement],
        signal,
      );
      const [kind, ...rest] = arrayOf(reply);
      switch (kind) {
        case "claimed":
          return { claim: textOf(rest[0]) ?? "" };
        case "judge":
          // One that was called off adds nothing any more.
          signal?.throwIfAborted();
          judgement = this.#judge(rest.filter(isText), taskId);
          break;
        default:
          return countOf(groupId, rest, keys);
      }
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
    { groupId, keys, groupIndex, part, claim }: NewPart,
    { signal }: CallOptions,
  ): Promise<ChordCount> {
    const { chordOrdered, expires } = this.#context;
    const { parts, extra, size } = keys;
    // A part that comes late must not begin the count anew. One that comes
    // between these two commands does, and is told below all the same.
    const before = textOf(await link.command(["GET", keys.claim]));
    if (before !== null && before !== claim) return { claim: before };
    signal?.throwIfAborted();
    const add: Command[] = chordOrdered
      ? [
        ["ZADD", parts, groupIndex ?? "+inf", part],
        ["ZCOUNT", parts, "-inf", "+inf"],
      ]
      : [["LREM", parts, 0, part], ["RPUSH", parts, part]];
    const expire: Command[] = expires === 0
      ? []
      : [parts, extra, size].map((key) => ["EXPIRE", key, expires]);
    const [, count = null, extras = null, total = null, claimed = null] =
      await link.transaction([
        ...add,
        ["GET", extra],
        ["GET", size],
        ["GET", keys.claim],
        ...expire,
      ]);
    const claimedBy = textOf(claimed);
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

function countOf(
  groupId: string,
  [count, extra, size, claim]: readonly RespValue[],
  keys: ChordKeys,
): ChordCount {
  return {
    count: Number(count),
    extra: numberAt(groupId, keys.extra, extra) ?? 0,
    size: numberAt(groupId, keys.size, size),
    isOwn: textOf(claim) !== null,
  };
}

/** The number that a key holds; null if it holds none. Celery takes an empty text for none. */
function numberAt(
  groupId: string,
  key: string,
  reply: RespValue | undefined,
): number | null {
  const text = textOf(reply);
  if (text === null || text === "") return null;
  const value = Number(text);
  if (Number.isSafeInteger(value) && text.trim() !== "") return value;
  throw new ChordError(
    `Cannot count the parts of chord ${groupId}: ${key} holds ${
      JSON.stringify(text)
    }, expected a whole number`,
    groupId,
  );
}

function arrayOf(reply: RespValue): RespValue[] {
  return Array.isArray(reply) ? reply : [];
}

function textOf(reply: RespValue | undefined): string | null {
  if (typeof reply === "string") return reply;
  return reply instanceof Uint8Array ? new TextDecoder().decode(reply) : null;
}

function isText(reply: RespValue): reply is RedisText {
  return typeof reply === "string" || reply instanceof Uint8Array;
}
