import { Deque } from "../../deps/deque.ts";
import { RedisConnectionError, RedisError } from "../../errors.ts";
import type { Command } from "../wire/command.ts";
import { Heartbeat } from "../server/heartbeat.ts";
import type { RespValue } from "../wire/resp.ts";
import { type ClientSettings, closeClient, exchange } from "./client.ts";
import { lossOf } from "./failures.ts";
import type { DenoRedisClient } from "./types.ts";
import { isRead, replyOf, unlessRefused } from "./replies.ts";
import { formatAddress } from "../address.ts";

/** Commands that go out together. */
const MAX_BATCH = 100;
/** Characters and bytes that go out together; one command may have more. */
const MAX_BATCH_SIZE = 1024 * 1024;

/** One command, or the commands of a transaction. */
interface Job {
  readonly commands: readonly Command[];
  readonly resolve: (replies: RespValue[]) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * The command side of a link: one client of the package, and the order in
 * which commands go through it.
 *
 * The package sends one thing at a time; what is asked for meanwhile goes
 * together in its next pipeline. It ends once, for good, at the first error
 * that is no refusal.
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

  /** Takes over a client that is set up. */
  constructor(client: DenoRedisClient, settings: ClientSettings) {
    this.#client = client;
    this.#settings = settings;
    const { address, heartbeat, runtime } = settings;
    this.#heartbeat = new Heartbeat({
      period: heartbeat,
      runtime,
      // Whoever waits learns of its failure from `ended`.
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

  /** Resolves with the reason when the client is given up. Never rejects. */
  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  /** Sends a command and resolves to its reply. */
  async request(command: Command): Promise<RespValue> {
    const [reply = null] = await this.#enqueue([command]);
    return unlessRefused(reply);
  }

  /** Sends commands as one transaction; resolves to their replies. */
  async transaction(commands: readonly Command[]): Promise<RespValue[]> {
    const replies = await this.#enqueue([["MULTI"], ...commands, ["EXEC"]]);
    // Why a command was not queued says more than the EXECABORT that follows.
    replies.forEach(unlessRefused);
    const values = replies.at(-1);
    if (Array.isArray(values)) return values;
    throw new RedisConnectionError(
      `Read ${JSON.stringify(values)} as the reply to EXEC`,
    );
  }

  /** Resolves when no reply is awaited any more, or the client was given up. */
  async drained(): Promise<void> {
    await Promise.race([this.#running, this.#ended.promise]);
  }

  /** Resolves when nothing is left. */
  async finished(): Promise<void> {
    await this.#running;
  }

  /** Closes the client; whatever awaits a reply rejects with `reason`. Later calls change nothing. */
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
    // Commands of the same turn go together.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#sent = this.#take();
      try {
        this.#settle(batch, await this.#send(batch));
      } catch (error) {
        this.end(lossOf(error, this.#settings.address));
      }
      this.#sent = [];
    }
    this.#running = undefined;
  }

  /** What goes out next: a transaction alone, since one that fails may leave replies behind. */
  #take(): Job[] {
    const batch: Job[] = [];
    let size = 0;
    for (;;) {
      const job = this.#queue.peekFront();
      if (job === undefined) return batch;
      const isAlone = job.commands.length > 1;
      size += sizeOf(job);
      if (
        batch.length > 0 &&
        (isAlone || batch.length >= MAX_BATCH || size > MAX_BATCH_SIZE)
      ) return batch;
      batch.push(job);
      this.#queue.popFront();
      if (isAlone) return batch;
    }
  }

  #send(batch: readonly Job[]): Promise<unknown[]> {
    const commands = batch.flatMap((job) => job.commands);
    // EXEC answers for what was queued before it.
    const isBinary = commands.some(isRead);
    return exchange(
      this.#client,
      commands,
      (command) => command[0] === "EXEC" ? isBinary : isRead(command),
    );
  }

  #settle(batch: readonly Job[], raw: readonly unknown[]): void {
    // What comes behind the end belongs to nobody.
    if (this.#reason !== undefined) return;
    this.#heartbeat.reset();
    const replies = raw.map((each) => {
      const reply = replyOf(each);
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
      // The package stops reading at the first error inside EXEC's reply: what
      // follows it there would be taken for the replies of later commands.
      throw new RedisConnectionError(
        `Lost step with Redis at ${
          formatAddress(this.#settings.address)
        }: a transaction was refused half-way`,
      );
    }
  }
}

function sizeOf({ commands }: Job): number {
  let size = 0;
  for (const command of commands) {
    for (const word of command) {
      size += typeof word === "number" ? 1 : word.length;
    }
  }
  return size;
}

function ignore(): void {}
