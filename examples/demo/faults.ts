/**
 * The faults of the demo, phase by phase.
 *
 * @module
 */

import type { Recovery } from "./reader.ts";
import type { Screen } from "./screen.ts";
import { HEARTBEAT_MS, type Stage } from "./stage.ts";
import { durationText, sleep } from "./time.ts";

/** What the faults of a phase need. */
export interface Scene {
  /** Redis, the proxy, and those who use them. */
  readonly stage: Stage;
  /** Shows what happens. */
  readonly screen: Screen;
  /** Milliseconds from each fault to the first event after it. */
  readonly recoveries: number[];
  /** Aborts when the phase is over. */
  readonly signal: AbortSignal;
  /** Resolves when the workers have stored this share of the phase's outcomes, from 0 to 1. */
  stored(part: number): Promise<void>;
}

/** A part of the demo. */
export interface Phase {
  /** Its name, in one word. */
  readonly name: string;
  /** A description for the screen. */
  readonly what: string;
  /** Causes its faults. */
  readonly faults: (scene: Scene) => Promise<void>;
}

/** How long Redis is unavailable. */
export const DOWN_MS = 800;

/** The phases, in order. A server that the demo did not start is not restarted. */
export function phases(isOwnServer: boolean): Phase[] {
  return [
    { name: "calm", what: "nothing goes wrong", faults: nothing },
    {
      name: "cut",
      what: "connections are closed three times, with data in flight",
      faults: cut,
    },
    {
      name: "silence",
      what: `connections stay open but carry nothing (heartbeat: ${
        durationText(HEARTBEAT_MS)
      })`,
      faults: fallSilent,
    },
    isOwnServer
      ? {
        name: "restart",
        what: "the Redis server stops, then starts again with its data",
        faults: restart,
      }
      : {
        name: "outage",
        what: "the proxy refuses connections (your Redis keeps running)",
        faults: refuse,
      },
  ];
}

function nothing(): Promise<void> {
  return Promise.resolve();
}

async function cut(scene: Scene): Promise<void> {
  const { proxy, reader } = scene.stage;
  for (const part of [0.15, 0.4, 0.65]) {
    await scene.stored(part);
    const recovery = reader.outage(scene.signal);
    const count = proxy.reset();
    scene.screen.event("fault", `cut ${connections(count)}`);
    await recovered(scene, recovery);
  }
}

async function fallSilent(scene: Scene): Promise<void> {
  const { proxy, reader } = scene.stage;
  await scene.stored(0.2);
  const recovery = reader.outage(scene.signal);
  proxy.silence("all", { existingOnly: true });
  scene.screen.event("fault", `silenced ${connections(proxy.connections)}`);
  await recovered(scene, recovery);
}

async function restart(scene: Scene): Promise<void> {
  const { redis, reader } = scene.stage;
  await scene.stored(0.4);
  const recovery = reader.outage(scene.signal);
  scene.screen.event("fault", "stopped the server");
  await redis?.stop();
  await sleep(DOWN_MS, scene.signal);
  await redis?.restart();
  scene.screen.event("info", `started it again after ${durationText(DOWN_MS)}`);
  await recovered(scene, recovery);
}

async function refuse(scene: Scene): Promise<void> {
  const { proxy, reader } = scene.stage;
  await scene.stored(0.4);
  const recovery = reader.outage(scene.signal);
  const refused = proxy.refuse();
  const count = proxy.reset();
  scene.screen.event("fault", `cut ${connections(count)}, refused new ones`);
  await refused;
  await sleep(DOWN_MS, scene.signal);
  await proxy.accept();
  scene.screen.event(
    "info",
    `accepted new ones after ${durationText(DOWN_MS)}`,
  );
  await recovered(scene, recovery);
}

async function recovered(
  { recoveries, screen }: Scene,
  recovery: Promise<Recovery>,
): Promise<void> {
  const { back, noticed, attempts, keys } = await recovery;
  recoveries.push(back);
  const how = attempts === 1
    ? `noticed after ${durationText(noticed)}`
    : `${attempts} attempts`;
  screen.event(
    "good",
    `first event after ${durationText(back)} (${how}, ${keys} tasks re-read)`,
  );
}

function connections(count: number): string {
  return `${count} ${count === 1 ? "connection" : "connections"}`;
}
