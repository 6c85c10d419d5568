// Whatever happens when, a chord completes once, and with all its parts. A seed
// that fails says which; the same seed does the same again.

import { ChordError, RedisConnectionError } from "../../src/errors.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { ChordFixture, requestsOf } from "../support/chord_fixture.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { SimulatedCommands } from "../support/simulated_commands.ts";
import { turn } from "../support/turn.ts";

const SEEDS = 80;
const CHORDS = 12;
const STEPS = 1000;
const WORKERS = 3;

/** A chord, and what became of it. */
interface Chord {
  readonly id: string;
  readonly size: number;
  /** How often its body was sent. */
  sent: number;
  /** How many calls did not come to their end, since their process died. */
  deaths: number;
  /** Whether a call could not tell that the keys are removed. */
  isLeftBehind: boolean;
}

class Simulation {
  readonly runtime = new FakeRuntime({ global: true });
  readonly chords: Chord[];
  /** How often a call was made again. */
  resumed = 0;
  readonly #redis: SimulatedCommands;
  readonly #isCluster: boolean;
  /** Whether what was sent on a connection that died may arrive later. */
  readonly #arrivesLate: boolean;
  readonly #random: () => number;
  readonly #faults: number;
  readonly #isOrdered: boolean;
  readonly #workers: ChordFixture[];
  // What bodies that are being sent wait for.
  readonly #sending: (() => void)[] = [];
  readonly #failures: unknown[] = [];
  // Aborts of calls, which may have ended before.
  readonly #aborts: ReturnType<typeof setTimeout>[] = [];
  #calls = 0;
  #isHealed = false;

  constructor(seed: number, redis: SimulatedCommands, isCluster: boolean) {
    this.#redis = redis;
    this.#isCluster = isCluster;
    this.#random = seededRandom(seed);
    this.#arrivesLate = this.#chance(0.7);
    this.runtime.random = this.#random;
    this.#faults = this.#pick([0.01, 0.05, 0.1]);
    const chordOrdered = this.#isOrdered = this.#chance(0.7);
    this.chords = Array.from({ length: CHORDS }, (_, index) => ({
      id: `g${index}`,
      size: 1 + Math.trunc(this.#random() * 4),
      sent: 0,
      deaths: 0,
      isLeftBehind: false,
    }));
    this.#workers = Array.from(
      { length: WORKERS },
      () =>
        new ChordFixture("redis://simulated", {
          driver: redis,
          runtime: this.runtime,
          retry: {
            maxAttempts: this.#pick([1, 3]),
            minTimeout: 10,
            maxTimeout: 100,
          },
          chordOrdered,
          expires: this.#pick([null, 1000]),
        }),
    );
  }

  async run(): Promise<void> {
    await this.#warmUp();
    const parts = this.chords.flatMap((chord) => {
      this.#redis.run(["SETEX", `${keyOf(chord)}.s`, 1000, chord.size]);
      return Array.from({ length: chord.size }, (_, index) =>
        // A task may run twice.
        this.#chance(0.3) ? [{ chord, index }, { chord, index }] : [{
          chord,
          index,
        }]).flat();
    });
    for (let step = 0; step < STEPS || parts.length > 0; step++) {
      const kind = this.#random();
      if (kind < 0.15 && parts.length > 0) {
        const [part] = parts.splice(this.#random() * parts.length, 1);
        this.#calls++;
        this.#return(part!.chord, part!.index)
          .catch((error) => this.#failures.push(error))
          .finally(() => this.#calls--);
      } else if (kind < 0.18) this.runtime.pass(20);
      else if (this.#chance(this.#faults)) this.#cut();
      else this.#step();
      await microtasks(this.#random() * 20);
    }
    this.#isHealed = true;
    while (this.#calls > 0) {
      while (this.#step()) await microtasks(20);
      this.runtime.pass(50);
      await microtasks(50);
    }
    // What is still on its way on dead connections.
    while (this.#step()) await microtasks(20);
    if (this.#failures.length > 0) throw this.#failures[0];
    for (const chord of this.chords) this.#check(chord);
    for (const timer of this.#aborts) clearTimeout(timer);
    const closed = this.#workers.map(({ source }) => source.close());
    await Promise.all(closed);
    assertEquals(this.runtime.timers, 0);
  }

  #check(chord: Chord): void {
    const { id, sent, deaths, isLeftBehind } = chord;
    assert(sent <= 1, `${id} was sent ${sent} times`);
    if (deaths > 0) return;
    assertEquals(sent, 1, `${id} was not sent`);
    if (isLeftBehind) return;
    // In a cluster no command can add a part and look at the claim: one that
    // arrives behind the end leaves the part.
    const gone = this.#isCluster && this.#arrivesLate
      ? [".t", ".s"]
      : [".j", ".t", ".s"];
    const keys = gone.map((suffix) =>
      this.#redis.run(["EXISTS", keyOf(chord) + suffix])
    );
    assertEquals(keys, gone.map(() => 0), `${id} left keys behind`);
    assertEquals(this.#redis.run(["GET", `${keyOf(chord)}.c`]), "done");
  }

  /**
   * A script's digest is not made by promises alone: each worker makes it before
   * time stands still.
   */
  async #warmUp(): Promise<void> {
    for (const [index, { chords }] of this.#workers.entries()) {
      const [request] = requestsOf(1, `warm-${index}`);
      let isDone = false;
      chords.partReturn(request!, "SUCCESS", 0, { onComplete: () => {} })
        .then(() => isDone = true);
      while (!isDone) {
        this.#redis.steps[0]?.();
        await turn();
      }
    }
  }

  /** A worker returns a part until it learns the outcome, or dies. */
  async #return(chord: Chord, index: number): Promise<void> {
    const { chords } = this.#pick(this.#workers);
    const request = requestsOf(index + 1, chord.id)[index]!;
    // Another run of the task may have another result; a list cannot tell.
    const result = [index, this.#isOrdered ? this.#pick([0, 1]) : 0];
    let claim: string = crypto.randomUUID();
    for (;;) {
      const controller = new AbortController();
      if (!this.#isHealed && this.#chance(this.#faults)) {
        this.#aborts.push(
          setTimeout(() => controller.abort(), this.#random() * 100),
        );
      }
      try {
        const outcome = await chords.partReturn(request, "SUCCESS", result, {
          onComplete: (values) => this.#send(chord, values),
          claim,
          signal: controller.signal,
        });
        if (outcome.type === "completed" && outcome.cleanupError !== null) {
          chord.isLeftBehind = true;
        }
        return;
      } catch (error) {
        if (this.#chance(0.1)) {
          chord.deaths++;
          return;
        }
        this.resumed++;
        if (error instanceof ChordError) claim = error.claim ?? claim;
        else if (!controller.signal.aborted) throw error;
      }
    }
  }

  async #send(chord: Chord, values: unknown[]): Promise<void> {
    chord.sent++;
    const indices = (values as [number, number][]).map(([index]) => index);
    const all = Array.from({ length: chord.size }, (_, index) => index);
    try {
      assertEquals(this.#isOrdered ? indices : indices.toSorted(), all);
    } catch (error) {
      this.#failures.push(error);
    }
    await new Promise<void>((resolve) => this.#sending.push(resolve));
  }

  /** Something that can happen next happens; false if nothing can. */
  #step(): boolean {
    const steps = [...this.#redis.steps];
    if (this.#sending.length > 0) steps.push(() => this.#sending.shift()!());
    if (steps.length === 0) return false;
    this.#pick(steps)();
    return true;
  }

  #cut(): void {
    const alive = this.#redis.links.filter(({ isAlive }) => isAlive);
    if (alive.length === 0) return;
    const link = this.#pick(alive);
    link.end(new RedisConnectionError("The link died"));
    if (!this.#arrivesLate || this.#chance(0.5)) link.toServer.length = 0;
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #pick<T>(items: readonly T[]): T {
    return items[Math.trunc(this.#random() * items.length)]!;
  }
}

function keyOf({ id }: Chord): string {
  return `celery-taskset-meta-${id}`;
}

async function microtasks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await undefined;
}

Deno.test("a chord completes once, and with all its parts, whatever happens when", async () => {
  const random = Math.random;
  const seen = { chords: 0, deaths: 0, resumed: 0, sent: 0 };
  for (let seed = 1; seed <= SEEDS; seed++) {
    // In a cluster, what is one command elsewhere has others in between.
    const isCluster = seed % 2 === 0;
    const redis = await SimulatedCommands.create(isCluster);
    const simulation = new Simulation(seed, redis, isCluster);
    // std's `retry` has no other source of chance.
    Math.random = simulation.runtime.random;
    try {
      await simulation.run();
    } catch (cause) {
      throw new Error(`Seed ${seed} failed`, { cause });
    } finally {
      Math.random = random;
      simulation.runtime[Symbol.dispose]();
    }
    seen.resumed += simulation.resumed;
    for (const { deaths, sent } of simulation.chords) {
      seen.chords++;
      seen.deaths += deaths;
      seen.sent += sent;
    }
  }
  await turn();
  // Or else it has shown nothing.
  const { chords, deaths, resumed, sent } = seen;
  const hasShown = deaths > 20 && resumed > 200 && sent > 0.7 * chords;
  assert(hasShown, JSON.stringify(seen));
});
