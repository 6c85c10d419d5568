import { RedisConnectionError } from "../../src/errors.ts";
import type { Command } from "../../src/redis/wire/command.ts";
import type {
  LinkEvents,
  RedisDriver,
  RedisLink,
  RedisText,
} from "../../src/redis/link.ts";
import { UnreachableChannelsError } from "../../src/redis/unreachable.ts";
import type { RespValue } from "../../src/redis/wire/resp.ts";

/** What a link can be asked for. */
export type LinkCall =
  | "command"
  | "subscribe"
  | "unsubscribe"
  | "read"
  | "fence";

interface Held {
  readonly call: LinkCall;
  readonly release: () => void;
  readonly reject: (reason: Error) => void;
}

/** What the keys hold; it outlives links. */
export type FakeStore = Map<string, RedisText>;

/** A link that does what the test says: any call can be held back, and released later. */
export class FakeLink implements RedisLink {
  /** Every call that was made: its name, then its keys. */
  readonly calls: string[] = [];
  /** The sizes of the calls with keys, by name. */
  readonly sizes: Record<string, number[]> = {};
  /** The channels that are subscribed. */
  readonly channels = new Set<string>();
  /** Calls of these kinds wait for `release`. */
  readonly held = new Set<LinkCall>();
  /** The most calls of a kind that waited at a time. */
  readonly mostWaiting: Record<string, number> = {};
  /** Answers commands. */
  onCommand: (command: Command) => RespValue | Error = () => "OK";
  /** Channels at a node that cannot be reached, and why. */
  unreachable: { channels: ReadonlySet<string>; cause: Error } | undefined;
  /** Whether it may keep the process alive. */
  isKept = true;
  /** How often it was ended. */
  ends = 0;
  readonly #store: FakeStore;
  readonly #events: LinkEvents;
  readonly #ended = Promise.withResolvers<Error>();
  #waiting: Held[] = [];
  #reason: Error | undefined;

  /** Tells of something that works less well than it should. */
  notice(error: Error): void {
    this.#events.onNotice(error);
  }

  /** Tells until when it may live. */
  expire(at: Date): void {
    this.#events.onExpires?.(at);
  }

  /** Reads from `store`, and tells `events`. */
  constructor(store: FakeStore, events: LinkEvents) {
    this.#store = store;
    this.#events = events;
  }

  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  /** Why it ended. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /** How many calls of a kind are held. */
  waiting(call: LinkCall): number {
    return this.#waiting.filter((held) => held.call === call).length;
  }

  /** Lets the oldest held calls of a kind go on: one, or as many as asked. */
  release(call: LinkCall, count = 1): void {
    for (let i = 0; i < count; i++) {
      const index = this.#waiting.findIndex((held) => held.call === call);
      if (index < 0) throw new Error(`No ${call} is held`);
      this.#waiting.splice(index, 1)[0]!.release();
    }
  }

  /** Holds no calls of a kind any longer. */
  free(call: LinkCall): void {
    this.held.delete(call);
    this.release(call, this.waiting(call));
  }

  /** Tells that channels were subscribed anew elsewhere. */
  move(channels: readonly string[]): void {
    this.#events.onMoved?.(channels);
  }

  /** Publishes, as a server does: to a subscriber only. */
  publish(channel: string, document: RedisText): void {
    if (this.channels.has(channel)) this.#events.onMessage(channel, document);
  }

  /** The connection dies. */
  die(reason: Error = new RedisConnectionError("The link died")): void {
    this.end(reason);
  }

  async command(command: Command): Promise<RespValue> {
    await this.#call("command", command.map(String));
    const reply = this.onCommand(command);
    if (reply instanceof Error) throw reply;
    return reply;
  }

  async transaction(commands: readonly Command[]): Promise<RespValue[]> {
    return await Promise.all(commands.map((command) => this.command(command)));
  }

  async read(keys: readonly string[]): Promise<(RedisText | null)[]> {
    // What is held is the reply: the server reads at once.
    const values = keys.map((key) => this.#store.get(key) ?? null);
    await this.#call("read", keys);
    return values;
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    await this.#call("subscribe", channels, () => {
      const away = new Set(
        channels.filter((each) => this.unreachable?.channels.has(each)),
      );
      for (const channel of channels) {
        if (!away.has(channel)) this.channels.add(channel);
      }
      if (this.unreachable !== undefined && away.size > 0) {
        throw new UnreachableChannelsError(away, this.unreachable.cause);
      }
    });
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    for (const channel of channels) this.channels.delete(channel);
    await this.#call("unsubscribe", channels);
  }

  async fence(): Promise<void> {
    await this.#call("fence", []);
  }

  end(reason: Error): Promise<void> {
    this.ends++;
    if (this.#reason === undefined) {
      this.#reason = reason;
      this.#ended.resolve(reason);
      for (const held of this.#waiting) held.reject(reason);
      this.#waiting = [];
    }
    return Promise.resolve();
  }

  keepAlive(keep: boolean): void {
    this.isKept = keep;
  }

  #call(
    call: LinkCall,
    keys: readonly string[],
    done: () => void = () => {},
  ): Promise<void> {
    if (this.#reason !== undefined) return Promise.reject(this.#reason);
    this.calls.push(
      keys.length > 9 ? `${call} (${keys.length})` : [call, ...keys].join(" "),
    );
    (this.sizes[call] ??= []).push(keys.length);
    if (!this.held.has(call)) {
      done();
      return Promise.resolve();
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const release = (): void => {
      done();
      resolve();
    };
    this.#waiting.push({ call, release, reject });
    this.mostWaiting[call] = Math.max(
      this.mostWaiting[call] ?? 0,
      this.waiting(call),
    );
    return promise;
  }
}

/** A driver that does what the test says. */
export class FakeDriver implements RedisDriver {
  /** What the keys hold. */
  readonly store: FakeStore = new Map();
  /** Every link that was made. */
  readonly links: FakeLink[] = [];
  /** How often a link was asked for. */
  attempts = 0;
  /** How many attempts were called off. */
  aborted = 0;
  /** Whether an attempt hangs until it is called off. */
  isBlackHole = false;
  /** What every attempt waits for. */
  gate: Promise<void> = Promise.resolve();
  /** Asked on each attempt (1, 2, ...): an error fails it. */
  onConnect: (attempt: number) => Error | void = () => {};
  /** Prepares a link before anybody has it. */
  onLink: (link: FakeLink) => void = () => {};

  /** The newest link. */
  get link(): FakeLink {
    const link = this.links.at(-1);
    if (link === undefined) throw new Error("There is no link yet");
    return link;
  }

  async connect(events: LinkEvents, signal: AbortSignal): Promise<RedisLink> {
    this.attempts++;
    const failure = this.onConnect(this.attempts);
    if (failure !== undefined) throw failure;
    if (this.isBlackHole) {
      await new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          this.aborted++;
          reject(signal.reason);
        }, { once: true })
      );
    }
    await this.gate;
    const link = new FakeLink(this.store, events);
    this.onLink(link);
    this.links.push(link);
    return link;
  }
}
