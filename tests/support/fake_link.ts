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

/** The kinds of calls to a link. */
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

/** The values of the keys; they outlive links. */
export type FakeStore = Map<string, RedisText>;

/** A link under the test's control: any call can be held, and released later. */
export class FakeLink implements RedisLink {
  /** Every call: its name, then its keys. */
  readonly calls: string[] = [];
  /** The number of keys of each call, by name. */
  readonly sizes: Record<string, number[]> = {};
  /** The subscribed channels. */
  readonly channels = new Set<string>();
  /** Calls of these kinds are held until `release`. */
  readonly held = new Set<LinkCall>();
  /** The most calls of each kind that were held at once. */
  readonly mostWaiting: Record<string, number> = {};
  /** Answers commands. */
  onCommand: (command: Command) => RespValue | Error = () => "OK";
  /** Channels on an unreachable node, with the error. */
  unreachable: { channels: ReadonlySet<string>; cause: Error } | undefined;
  /** Whether it may keep the process alive. */
  isKept = true;
  /** How often `end` was called. */
  ends = 0;
  readonly #store: FakeStore;
  readonly #events: LinkEvents;
  readonly #ended = Promise.withResolvers<Error>();
  #waiting: Held[] = [];
  #reason: Error | undefined;

  /** Reports a notice. */
  notice(error: Error): void {
    this.#events.onNotice(error);
  }

  /** Reports when its credentials expire. */
  expire(at: Date): void {
    this.#events.onExpires?.(at);
  }

  /** Reads from `store`, and reports to `events`. */
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

  /** The number of held calls of a kind. */
  waiting(call: LinkCall): number {
    return this.#waiting.filter((held) => held.call === call).length;
  }

  /** Releases the oldest held calls of a kind: one, or `count`. */
  release(call: LinkCall, count = 1): void {
    for (let i = 0; i < count; i++) {
      const index = this.#waiting.findIndex((held) => held.call === call);
      if (index < 0) throw new Error(`No ${call} is held`);
      this.#waiting.splice(index, 1)[0]!.release();
    }
  }

  /** Stops holding calls of a kind, and releases those held. */
  free(call: LinkCall): void {
    this.held.delete(call);
    this.release(call, this.waiting(call));
  }

  /** Reports that channels were resubscribed on another node. */
  move(channels: readonly string[]): void {
    this.#events.onMoved?.(channels);
  }

  /** Publishes a message, which arrives only if the channel is subscribed. */
  publish(channel: string, document: RedisText): void {
    if (this.channels.has(channel)) this.#events.onMessage(channel, document);
  }

  /** Ends the link as a lost connection does. */
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
    // Only the reply is held: the server reads at once.
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

/** A driver under the test's control. */
export class FakeDriver implements RedisDriver {
  /** The values of the keys. */
  readonly store: FakeStore = new Map();
  /** Every link it made. */
  readonly links: FakeLink[] = [];
  /** The number of calls to `connect`. */
  attempts = 0;
  /** The number of aborted attempts. */
  aborted = 0;
  /** Whether attempts hang until they are aborted. */
  isBlackHole = false;
  /** Awaited by every attempt. */
  gate: Promise<void> = Promise.resolve();
  /** Called on each attempt (1, 2, ...): an error that it returns fails the attempt. */
  onConnect: (attempt: number) => Error | void = () => {};
  /** Called with each link before it is returned. */
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
