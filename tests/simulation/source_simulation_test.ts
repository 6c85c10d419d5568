// Whatever the order in which things happen, each wait ends with one outcome.
// A seed that fails says which; the same seed does the same again.

import { CommandRunner } from "../../src/source/command_runner.ts";
import { RedisConnectionError, RedisError } from "../../src/errors.ts";
import { KeySpace } from "../../src/protocol/keys.ts";
import type { ResultEvent } from "../../src/protocol/meta.ts";
import { RetryListener } from "../../src/retry/listener.ts";
import { ResultSource } from "../../src/source/source.ts";
import { StatusHub } from "../../src/status.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import { keyOf } from "../support/recording_reader.ts";
import { seededRandom } from "../support/seeded_random.ts";
import {
  type SimulatedLink,
  SimulatedRedis,
} from "../support/simulated_redis.ts";
import { turn } from "../support/turn.ts";
import type { Reader, Wait } from "../../src/source/watch.ts";
import type { RetryPolicy } from "../../src/retry/policy.ts";
import { retryPolicy } from "../../src/retry/policy.ts";

const SEEDS = 80;
const STEPS = 250;
const TASKS = ["a", "b", "c"];
const NOT_READY = ["STARTED", "PROGRESS", "RETRY"];
const MAY_CHANGE = ["FAILURE", "REVOKED"];

/** What a wait may get. */
interface Expectation {
  /** The document that the key held when the wait began, or the next one: nothing older may come. */
  readonly from: number;
  /** The newest document that came. */
  last: number;
  /** The link that brought a document last, and which that was. */
  link: SimulatedLink | undefined;
  lastOnLink: number;
  /** The last of all documents when the wait was attached; since then, each has to come. */
  attached: number;
}

/** A reader that checks what it gets. */
class CheckingReader implements Reader {
  readonly waits: Wait[] = [];
  /** What is awaited, by the task. */
  readonly open = new Map<string, Expectation>();
  /** What happens while it takes an event. */
  onEvent: () => void = () => {};
  /** Called when nothing more will come. */
  onFail: () => void = () => {};
  /** How many reports came again from a link that replaced another. */
  repeats = 0;
  /** The numbers of each task's documents. */
  readonly #written: Map<string, number[]>;
  readonly #redis: SimulatedRedis;

  constructor(written: Map<string, number[]>, redis: SimulatedRedis) {
    this.#written = written;
    this.#redis = redis;
  }

  begin(taskId: string, from: number): Expectation {
    const begun = this.open.get(taskId) ??
      { from, last: 0, link: undefined, lastOnLink: 0, attached: Infinity };
    this.open.set(taskId, begun);
    return begun;
  }

  receive(event: ResultEvent): void {
    // `retries` says which document it was: every state has it.
    const { taskId, state, ready, origin, retries: number = 0 } = event;
    const wait = this.open.get(taskId);
    assert(wait !== undefined, `${state} ${number} without a wait`);
    this.#checkOrder(wait, event, number);
    if (ready || origin === "snapshot") {
      assert(number >= wait.from, `${state} ${number} is from before the wait`);
    }
    const after = Math.max(wait.last, wait.attached);
    const next = this.#written.get(taskId)!.find((other) => other > after);
    // An outcome that was read may overtake messages.
    if (origin === "live" || !ready) {
      assert(number <= (next ?? Infinity), `${number} without ${next}`);
    }
    wait.last = Math.max(wait.last, number);
    if (ready) this.open.delete(taskId);
    this.onEvent();
  }

  fail(): void {
    this.open.clear();
    this.onFail();
  }

  /**
   * No document comes twice or late, with one exception: a link that replaces a
   * working one may bring reports again that the other delivered before the
   * switch. Even then, what one link brings is in order.
   */
  #checkOrder(
    wait: Expectation,
    { state, ready, origin }: ResultEvent,
    number: number,
  ): void {
    const link = origin === "live"
      ? this.#redis.delivering
      : this.#redis.lastRead;
    assert(link !== undefined);
    if (wait.link !== link) {
      wait.link = link;
      wait.lastOnLink = 0;
    }
    const message = `${state} ${number} after ${wait.last}`;
    assert(number > wait.lastOnLink, message);
    wait.lastOnLink = number;
    if (number > wait.last) return;
    assert(origin === "live" && !ready && link.isReplacement, message);
    this.repeats++;
  }
}

class Simulation {
  readonly redis = new SimulatedRedis();
  readonly runtime = new FakeRuntime({ global: true });
  readonly written = new Map<string, number[]>();
  readonly readers = [0, 1, 2].map(() =>
    new CheckingReader(this.written, this.redis)
  );
  readonly failures: unknown[] = [];
  readonly source: ResultSource;
  readonly #random: () => number;
  readonly #policy: RetryPolicy;
  readonly #retries: RetryListener;
  // What the keys hold.
  readonly #stored = new Map<string, { number: number; state: string }>();
  // The tasks that have their last document.
  readonly #final = new Set<string>();
  #documents = 0;
  #faults = 0;
  // Those that are not settled.
  #commands = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.runtime.random = this.#random;
    this.#policy = retryPolicy("retry", undefined, {
      maxAttempts: this.#pick([2, Infinity]),
      minTimeout: 10,
      maxTimeout: 100,
    });
    const status = new StatusHub();
    const retries = this.#retries = new RetryListener({}, status);
    this.source = new ResultSource({
      driver: this.redis,
      address: "a simulated Redis",
      reconnect: this.#policy,
      retries,
      firstConnectTimeout: Infinity,
      reconcile: this.#chance(0.5) ? 2000 : 0,
      closeTimeout: 1000,
      keys: new KeySpace(),
      integers: "bigint",
      status,
      runtime: this.runtime,
    });
    for (const reader of this.readers) {
      const { receive: take } = reader;
      reader.receive = (event) => {
        try {
          take.call(reader, event);
        } catch (error) {
          this.failures.push(error);
        }
      };
      // As a consumer does.
      reader.onFail = () => this.source.removeAll(reader);
      reader.onEvent = () => {
        if (this.#chance(0.2)) this.#use();
      };
    }
  }

  async run(): Promise<void> {
    const faults = this.#pick([0, 0.01, 0.05]);
    const rotations = this.#pick([0, 0.02, 0.05]);
    for (let step = 0; step < STEPS; step++) {
      const kind = this.#random();
      if (kind < 0.15) this.#use();
      else if (kind < 0.25) this.#write(this.#pick(TASKS), false);
      else if (kind < 0.26) this.#forget(this.#pick(TASKS));
      else if (kind < 0.27) this.redis.publish(keyOf(this.#pick(TASKS)), "{");
      else if (kind < 0.275) await this.#rest();
      else if (kind < 0.295) await this.runtime.advance(500);
      else if (this.#chance(faults)) this.#fault();
      else if (this.#chance(rotations)) await this.#rotate();
      else if (this.redis.steps.length > 0) this.#pick(this.redis.steps)();
      // What only waits for promises may be anywhere when the next thing happens.
      await microtasks(this.#random() * 20);
    }
    this.redis.isDown = false;
    for (const task of TASKS) this.#write(task, true);
    await this.#settle();
    if (this.failures.length > 0) throw this.failures[0];
    const open = this.readers.map((reader) => [...reader.open.keys()]);
    assertEquals(open, [[], [], []], "waits without an outcome");
    for (const { waits } of this.readers) assertEquals(waits, []);
    for (const { channels } of this.redis.links) assertEquals(channels.size, 0);
    assertEquals(this.#commands, 0, "commands that are not settled");
    const closed = this.source.close();
    await this.#settle();
    await closed;
    assertEquals(this.runtime.timers, 0);
    assert(this.redis.links.every(({ isAlive }) => !isAlive));
  }

  #use(): void {
    const reader = this.#pick(this.readers);
    const taskId = this.#pick(TASKS);
    if (this.#chance(0.7)) {
      const faults = this.#faults;
      const isNew = !reader.open.has(taskId);
      const { number } = this.#stored.get(taskId) ??
        { number: this.#documents + 1 };
      const wait = reader.begin(taskId, number);
      this.source.add(reader, [taskId]).then(() => {
        // While one is replaced, what is not ready may be missed.
        if (this.redis.links.some((link) => link.isExpiring)) return;
        if (isNew && faults === this.#faults) wait.attached = this.#documents;
      }, () => {});
    } else if (this.#chance(0.3)) {
      this.#command();
    } else {
      reader.open.delete(taskId);
      this.source.remove(reader, [taskId]);
    }
  }

  #command(): void {
    this.#commands++;
    const controller = new AbortController();
    const commands = new CommandRunner(this.source, {
      retry: this.#policy,
      retries: this.#retries,
      runtime: this.runtime,
    });
    commands.run(
      (link) => link.command(["PING"]),
      (_, error) => error,
      controller,
    )
      .catch(() => {}).finally(() => this.#commands--);
    if (this.#chance(0.2)) queueMicrotask(() => controller.abort());
  }

  #write(task: string, isLast: boolean): void {
    if (this.#final.has(task)) return;
    if (this.#stored.get(task)?.state === "SUCCESS") {
      // It is final: to run the task again, it has to be forgotten.
      if (!isLast && this.#chance(0.5)) return;
      this.#forget(task);
    }
    const kind = isLast ? this.#pick([0, 0.7]) : this.#random();
    const state = kind < 0.1
      ? "SUCCESS"
      : this.#pick(isLast || kind < 0.25 ? MAY_CHANGE : NOT_READY);
    if (isLast) this.#final.add(task);
    const retries = ++this.#documents;
    this.#stored.set(task, { number: retries, state });
    const numbers = this.written.get(task) ?? [];
    this.written.set(task, [...numbers, retries]);
    this.redis.write(
      keyOf(task),
      JSON.stringify({ status: state, result: null, task_id: task, retries }),
    );
  }

  #forget(task: string): void {
    this.#stored.delete(task);
    this.redis.store.delete(keyOf(task));
  }

  /** Lets everything come to rest: then no wait is open whose outcome Redis has. */
  async #rest(): Promise<void> {
    this.redis.isDown = false;
    for (let round = 0; round < 3; round++) await this.#drain();
    for (const { open } of this.readers) {
      for (const taskId of open.keys()) {
        const { state = "none" } = this.#stored.get(taskId) ?? {};
        assert(
          state === "none" || NOT_READY.includes(state),
          `a wait for ${taskId} has not got its ${state}`,
        );
      }
    }
  }

  #fault(): void {
    const link = this.#pick(this.redis.links);
    const reason = this.#chance(0.2)
      ? new RedisError("NOPERM no")
      : new RedisConnectionError("The link died");
    this.redis.isDown = this.#chance(0.3);
    link?.end(reason);
    this.#missing();
    // What is in flight for commands may still come, and much later.
    if (this.#chance(0.5)) link?.commands.close(reason);
  }

  /** Lets the credentials of a link expire, so that another one takes its place. */
  async #rotate(): Promise<void> {
    const link = this.redis.links.findLast(({ isAlive }) => isAlive);
    if (link === undefined) return;
    this.#missing();
    link.expire(new Date(this.runtime.date().getTime() + 1));
    await this.runtime.advance(1000);
  }

  /** How many links were replaced while they worked. */
  get rotations(): number {
    return this.redis.links.filter(({ reason }) =>
      reason?.message.includes("was replaced")
    ).length;
  }

  /** From here on, what is not ready may be missed. */
  #missing(): void {
    this.#faults++;
    for (const { open } of this.readers) {
      for (const wait of open.values()) wait.attached = Infinity;
    }
  }

  async #settle(): Promise<void> {
    for (let idle = 0; idle < 3; idle++) {
      if (await this.#drain()) idle = 0;
    }
  }

  /** Lets time pass, and then everything happen that can. Returns whether there was anything. */
  async #drain(): Promise<boolean> {
    await this.runtime.advance(500);
    const isIdle = this.redis.steps.length === 0;
    while (this.redis.steps.length > 0) {
      this.#pick(this.redis.steps)();
      await microtasks(20);
    }
    return !isIdle;
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #pick<T>(items: readonly T[]): T {
    return items[Math.trunc(this.#random() * items.length)]!;
  }
}

async function microtasks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await undefined;
}

Deno.test("ResultSource gives each wait one outcome, in order, whatever happens when", async () => {
  const random = Math.random;
  let rotations = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const simulation = new Simulation(seed);
    // std's `retry` has no other source of chance.
    Math.random = simulation.runtime.random;
    try {
      await simulation.run();
      rotations += simulation.rotations;
    } catch (cause) {
      throw new Error(`Seed ${seed} failed`, { cause });
    } finally {
      Math.random = random;
      simulation.runtime[Symbol.dispose]();
    }
  }
  await turn();
  assert(rotations > SEEDS, `only ${rotations} links were replaced`);
});
