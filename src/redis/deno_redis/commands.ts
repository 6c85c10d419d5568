import { Deque } from "../../deps/deque.ts";
import { RedisConnectionError, RedisError } from "../../errors.ts";
import { formatAddress } from "../address.ts";
import { Heartbeat } from "../server/heartbeat.ts";
import type { Command } from "../wire/command.ts";
import type { RespValue } from "../wire/resp.ts";
import { type ClientSettings, closeClient, sendPipeline } from "./client.ts";
import { explainLoss } from "./failures.ts";
import { isReadCommand, throwIfRefused, toRespValue } from "./replies.ts";
import type { DenoRedisClient } from "./types.ts";

/** The most commands of one pipeline. */
const MAX_BATCH_COMMANDS = 100;
/** The most characters and bytes of one pipeline. A single command may have more. */
const MAX_BATCH_LENGTH = 1024 * 1024;

/** One command, or the commands of a transaction. */
interface Job {
  readonly commands: readonly Command[];
  readonly resolve: (replies: RespValue[]) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * The command side of a link: one client of the package, and a queue.
 *
 * The package sends one pipeline at a time. Commands that arrive meanwhile form
 * the next one. The first error that is not a refusal ends this object
 * permanently.
 */
export class DenoRedisCommands {
  readonly #client: DenoRedisClient;
  readonly #settings: ClientSettings;
  readonly #queue = new Deque<Job>();
  readonly #ended = Promise.withResolvers<Error>();
  readonly #heartbeat: Heartbeat;
  #sent: readonly Job[] = [];
  #running: Promise<void> | undefined;
  #reason: Error | undefined;

  /** Takes ownership of an open client. */
  constructor(client: DenoRedisClient, settings: ClientSettings) {
    this.#client = client;
    this.#settings = settings;
    const { address, heartbeat, runtime } = settings;
    this.#heartbeat = new Heartbeat({
      period: heartbeat,
      runtime,
      // A failure ends the client, and is reported by `ended`.
      probe: () => void this.request(["PING"]).catch(ignore),
      onSilence: (ms) =>
        this.end(
          new RedisConnectionError(
            `Lost the connection to Redis at ${
              formatAddress(address)
            }: it was silent for ${ms} ms and did not answer a PING`,
          ),
        ),
    });
  }

  /** Resolves with the reason when the client has ended. Never rejects. */
  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  /** Sends a command. Resolves to its reply. */
  async request(command: Command): Promise<RespValue> {
    const [reply = null] = await this.#enqueue([command]);
    return throwIfRefused(reply);
  }

  /** Sends commands as one transaction. Resolves to their replies. */
  async transaction(commands: readonly Command[]): Promise<RespValue[]> {
    const replies = await this.#enqueue([["MULTI"], ...commands, ["EXEC"]]);
    // The refusal of a queued command says more than the EXECABORT after it.
    replies.forEach(throwIfRefused);
    const values = replies.at(-1);
    if (Array.isArray(values)) return values;
    throw new RedisConnectionError(
      `Read ${JSON.stringify(values)} as the reply to EXEC`,
    );
  }

  /** Resolves when no reply is pending, or the client has ended. */
  async drained(): Promise<void> {
    await Promise.race([this.#running, this.#ended.promise]);
  }

  /** Resolves when the package is idle. */
  async finished(): Promise<void> {
    await this.#running;
  }

  /** Closes the client, and rejects pending commands with `reason`. Later calls have no effect. */
  end(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#heartbeat.stop();
    closeClient(this.#client);
    for (const { reject } of this.#sent) reject(reason);
    for (const { reject } of this.#queue) reject(reason);
    this.#queue.clear();
    this.#ended.resolve(reason);
  }

  #enqueue(commands: readonly Command[]): Promise<RespValue[]> {
    if (this.#reason !== undefined) return Promise.reject(this.#reason);
    const { promise, resolve, reject } = Promise.withResolvers<RespValue[]>();
    this.#queue.pushBack({ commands, resolve, reject });
    this.#running ??= this.#run();
    return promise;
  }

  async #run(): Promise<void> {
    // Commands of the same turn share a pipeline.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#sent = this.#nextBatch();
      try {
        this.#resolve(batch, await this.#send(batch));
      } catch (error) {
        this.end(explainLoss(error, this.#settings.address));
      }
      this.#sent = [];
    }
    this.#running = undefined;
  }

  /** Takes the next pipeline off the queue. A transaction is sent alone, because a failed one may leave replies unread. */
  #nextBatch(): Job[] {
    const batch: Job[] = [];
    let length = 0;
    for (;;) {
      const job = this.#queue.peekFront();
      if (job === undefined) return batch;
      const isAlone = job.commands.length > 1;
      length += lengthOf(job);
      if (
        batch.length > 0 &&
        (isAlone || batch.length >= MAX_BATCH_COMMANDS ||
          length > MAX_BATCH_LENGTH)
      ) return batch;
      batch.push(job);
      this.#queue.popFront();
      if (isAlone) return batch;
    }
  }

  #send(batch: readonly Job[]): Promise<unknown[]> {
    const commands = batch.flatMap((job) => job.commands);
    // EXEC has the replies of the commands before it.
    const isBinary = commands.some(isReadCommand);
    return sendPipeline(
      this.#client,
      commands,
      (command) => command[0] === "EXEC" ? isBinary : isReadCommand(command),
    );
  }

  #resolve(batch: readonly Job[], raw: readonly unknown[]): void {
    // The commands were rejected already.
    if (this.#reason !== undefined) return;
    this.#heartbeat.reset();
    const replies = raw.map((each) => {
      const reply = toRespValue(each);
      if (reply === undefined) throw each;
      return reply;
    });
    let offset = 0;
    for (const { commands, resolve } of batch) {
      resolve(replies.slice(offset, offset += commands.length));
    }
    const last = replies.at(-1);
    const isTransaction = batch[0]!.commands.length > 1;
    if (
      isTransaction && last instanceof RedisError && last.code !== "EXECABORT"
    ) {
      // The package stops reading at the first error inside EXEC's reply. It
      // would read the rest as the replies to later commands.
      throw new RedisConnectionError(
        `Lost the connection to Redis at ${
          formatAddress(this.#settings.address)
        }: a transaction was refused half-way, and deno.land/x/redis cannot read the rest of its reply`,
      );
    }
  }
}

function lengthOf({ commands }: Job): number {
  let length = 0;
  for (const command of commands) {
    for (const argument of command) {
      length += typeof argument === "number" ? 1 : argument.length;
    }
  }
  return length;
}

function ignore(): void {}
