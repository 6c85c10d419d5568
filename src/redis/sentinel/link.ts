import type { RedisLink, RedisText } from "../link.ts";
import type { Command } from "../wire/command.ts";
import type { RespValue } from "../wire/resp.ts";
import type { SentinelWatch } from "./watch.ts";

/** A link to a master, and the watch that notices when the master moves. They end together. */
export class SentinelLink implements RedisLink {
  readonly #link: RedisLink;
  readonly #watch: SentinelWatch;
  #ending: Promise<void> | undefined;

  /** Takes ownership of both. */
  constructor(link: RedisLink, watch: SentinelWatch) {
    this.#link = link;
    this.#watch = watch;
    link.ended.then((reason) => this.end(reason));
  }

  get ended(): Promise<Error> {
    return this.#link.ended;
  }

  command(command: Command): Promise<RespValue> {
    return this.#link.command(command);
  }

  transaction(commands: readonly Command[]): Promise<RespValue[]> {
    return this.#link.transaction(commands);
  }

  read(keys: readonly string[]): Promise<(RedisText | null)[]> {
    return this.#link.read(keys);
  }

  subscribe(channels: readonly string[]): Promise<void> {
    return this.#link.subscribe(channels);
  }

  unsubscribe(channels: readonly string[]): Promise<void> {
    return this.#link.unsubscribe(channels);
  }

  fence(): Promise<void> {
    return this.#link.fence();
  }

  end(reason: Error): Promise<void> {
    this.#ending ??= this.#end(reason);
    return this.#ending;
  }

  keepAlive(keep: boolean): void {
    // The watch never keeps the process alive.
    this.#link.keepAlive(keep);
  }

  async #end(reason: Error): Promise<void> {
    await Promise.all([this.#link.end(reason), this.#watch.stop()]);
  }
}
