import { Deque } from "../../deps/deque.ts";
import { RedisError } from "../../errors.ts";
import type { Command } from "../wire/command.ts";
import { RespError, type RespValue } from "../wire/resp.ts";
import { type AclOptions, type Subject, toSubject } from "./acl.ts";
import type { AnswerDeadline } from "./answer_deadline.ts";
import { explainReply, withoutAbort } from "./explain_reply.ts";

/** The kinds of answers: one reply, or a confirmation per channel. */
export type ReplyKind =
  | "reply"
  | "subscribe"
  | "unsubscribe"
  | "ssubscribe"
  | "sunsubscribe";

/** What a {@linkcode ReplyQueue} needs. */
export interface ReplyQueueOptions {
  /** Watches over the oldest command. */
  readonly deadline: AnswerDeadline;
  /** For advice on a refusal. */
  readonly acl: AclOptions;
  /**
   * Called for each sharded channel that the server reports as dropped; without
   * it, such a report is a reply like any other.
   */
  readonly onDropped?: ((channel: string) => void) | undefined;
}

interface PendingReply {
  /** What the command is about, for advice on a refusal. */
  readonly subject: Subject;
  readonly kind: ReplyKind;
  /** How many answers are missing. */
  missing: number;
  /** Elements of the array that answers it; undefined where that may vary. */
  readonly elements: number | undefined;
  /** The batch of commands that it is written with. */
  readonly batch: number;
  readonly resolve: (value: RespValue) => void;
  readonly reject: (reason: unknown) => void;
}

/** The commands of one connection that await a reply, first in, first out. */
export class ReplyQueue {
  readonly #options: ReplyQueueOptions;
  readonly #pending = new Deque<PendingReply>();
  #drained: PromiseWithResolvers<void> | undefined;

  /** Starts empty. */
  constructor(options: ReplyQueueOptions) {
    this.#options = options;
  }

  /** Whether no reply is awaited. */
  get isEmpty(): boolean {
    return this.#pending.length === 0;
  }

  /** The batch of the oldest command. */
  get oldestBatch(): number | undefined {
    return this.#pending.peekFront()?.batch;
  }

  /** The name of the oldest command, in upper case. */
  get oldestCommand(): string | undefined {
    return this.#pending.peekFront()?.subject.command.toUpperCase();
  }

  /**
   * Resolves to the reply to `command`, or to its last one where there are
   * several. Rejects with a RedisError if the server refuses it.
   */
  add(
    command: Command,
    kind: ReplyKind,
    expectedReplies: number,
    batch: number,
  ): Promise<RespValue> {
    const { promise, resolve, reject } = Promise.withResolvers<RespValue>();
    this.#pending.pushBack({
      subject: toSubject(command),
      kind,
      missing: expectedReplies,
      elements: command[0] === "MGET" ? command.length - 1 : undefined,
      batch,
      resolve,
      reject,
    });
    if (this.#pending.length === 1) this.#options.deadline.restart();
    return promise;
  }

  /**
   * Matches a reply to the oldest command.
   *
   * @throws {RespError} if it cannot be the reply to that command.
   * @throws {RedisError} if the server reports an error although nothing was
   * asked.
   */
  receive(value: RespValue): void {
    const { deadline, acl } = this.#options;
    let pending = this.#pending.peekFront();
    if (this.#receiveDrop(value)) return;
    if (pending?.kind === "sunsubscribe" && !(value instanceof RedisError)) {
      // Nothing but a refusal answers it directly: this replies to its PING.
      this.#removeOldest();
      pending.resolve(null);
      pending = this.#pending.peekFront();
    }
    if (pending === undefined) {
      // Servers send this before they hang up: too many clients, or protected
      // mode. Nothing else arrives unasked.
      throw value instanceof RedisError
        ? value
        : new RespError("Read a reply to no command");
    }
    if (value instanceof RedisError) {
      // An error answers the whole command, however many channels it named.
      this.#removeOldest();
      pending.reject(explainReply(withoutAbort(value), pending.subject, acl));
      return;
    }
    if (pending.kind !== "reply") {
      const kind = Array.isArray(value) ? value[0] : value;
      if (kind !== pending.kind) {
        throw new RespError(
          `Read a reply of kind ${JSON.stringify(kind)} to ${pending.kind}`,
        );
      }
    }
    if (--pending.missing > 0) {
      deadline.restart();
      return;
    }
    this.#removeOldest();
    pending.resolve(value);
  }

  /**
   * Refuses an array of the wrong length before its elements are read: they may
   * never arrive.
   *
   * @throws {RespError} if it cannot be the reply to the oldest command.
   */
  checkLength(length: number): void {
    const { elements = length } = this.#pending.peekFront() ?? {};
    if (length === elements) return;
    throw new RespError(
      `Read ${length} values as the reply to an MGET of ${elements} keys`,
    );
  }

  /** Resolves when no reply is awaited. */
  async drained(): Promise<void> {
    if (this.isEmpty) return;
    this.#drained ??= Promise.withResolvers();
    await this.#drained.promise;
  }

  /** Rejects everything that is awaited. */
  rejectAll(reason: Error): void {
    for (const { reject } of this.#pending) reject(reason);
    this.#pending.clear();
    this.#onEmpty();
  }

  /** Handles the report of a dropped sharded channel; false if `value` is something else. */
  #receiveDrop(value: RespValue): boolean {
    const { onDropped } = this.#options;
    if (onDropped === undefined || !Array.isArray(value)) return false;
    const [kind, channel] = value;
    if (kind !== "sunsubscribe") return false;
    if (typeof channel === "string") onDropped(channel);
    return true;
  }

  #removeOldest(): void {
    this.#pending.popFront();
    if (this.isEmpty) this.#onEmpty();
    else this.#options.deadline.restart();
  }

  #onEmpty(): void {
    this.#options.deadline.clear();
    this.#drained?.resolve();
    this.#drained = undefined;
  }
}
