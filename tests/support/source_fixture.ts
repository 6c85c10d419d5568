import {
  type CallOptions,
  CommandRunner,
} from "../../src/source/command_runner.ts";
import { KeySpace } from "../../src/protocol/keys.ts";
import type { RedisLink } from "../../src/redis/link.ts";
import {
  type RetryCallbacks,
  RetryListener,
} from "../../src/retry/listener.ts";
import { ResultSource } from "../../src/source/source.ts";
import { type StatusEvent, StatusHub } from "../../src/status.ts";
import { FakeDriver } from "./fake_link.ts";
import { FakeRuntime } from "./fake_runtime.ts";
import type { RetryOptions } from "../../src/retry/policy.ts";
import { retryPolicy } from "../../src/retry/policy.ts";

/** Options of a {@linkcode SourceFixture}. */
export interface SourceFixtureOptions extends RetryCallbacks {
  reconnect?: RetryOptions;
  retry?: RetryOptions;
  firstConnectTimeout?: number;
  reconcile?: number;
}

/** A source over a scripted driver, with fake time. */
export class SourceFixture implements Disposable {
  readonly driver = new FakeDriver();
  readonly runtime = new FakeRuntime({ global: true });
  readonly status = new StatusHub();
  /** Every status event. */
  readonly statusEvents: StatusEvent[] = [];
  readonly source: ResultSource;
  readonly commands: CommandRunner;

  constructor(options: SourceFixtureOptions = {}) {
    const emit = this.status.emit.bind(this.status);
    this.status.emit = (event) => {
      this.statusEvents.push(event);
      emit(event);
    };
    const defaults = {
      maxAttempts: Infinity,
      minTimeout: 100,
      maxTimeout: 800,
    };
    const retries = new RetryListener(options, this.status);
    this.source = new ResultSource({
      driver: this.driver,
      address: "redis://redis.test",
      reconnect: retryPolicy(
        "reconnect",
        { jitter: 0, ...options.reconnect },
        defaults,
      ),
      retries,
      firstConnectTimeout: options.firstConnectTimeout ?? Infinity,
      reconcile: options.reconcile ?? 0,
      closeTimeout: 5000,
      keys: new KeySpace(),
      integers: "bigint",
      status: this.status,
      runtime: this.runtime,
    });
    this.commands = new CommandRunner(this.source, {
      retry: retryPolicy("retry", { jitter: 0, ...options.retry }, {
        ...defaults,
        maxAttempts: 3,
      }),
      retries,
      runtime: this.runtime,
    });
  }

  /** The types of the status events. */
  get types(): string[] {
    return this.statusEvents.map(({ type }) => type);
  }

  /** Runs a GET as the backend does. */
  get(options?: CallOptions): Promise<unknown> {
    return this.commands.run(
      (link: RedisLink) => link.command(["GET", "k"]),
      (message, cause) => new GaveUp(message, { cause }),
      options,
    );
  }

  /** Closes the source, and checks that nothing is left. */
  async close(): Promise<void> {
    await this.source.close();
    if (this.runtime.timers > 0) {
      throw new Error(`${this.runtime.timers} timers are left`);
    }
    for (const link of this.driver.links) {
      if (link.reason === undefined) throw new Error("A link is left");
    }
  }

  [Symbol.dispose](): void {
    this.runtime[Symbol.dispose]();
  }
}

/** What a command rejects with once its attempts are exhausted. */
export class GaveUp extends Error {
  override readonly name = "GaveUp";
}
