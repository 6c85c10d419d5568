import type { RedisLink } from "../redis/link.ts";
import { mayPass } from "../redis/retriable.ts";
import { runWithRetry } from "../retry/retry.ts";
import { chunks } from "../util/chunks.ts";
import { toError } from "../util/to_error.ts";
import { MAX_CHANNELS, type Subscriptions } from "./attachment.ts";
import type { ConnectOptions } from "./connect.ts";
import type { WatchTable } from "./watch_table.ts";

/** How often to look for channels added in the meantime; the last ones come with the attach. */
const PASSES = 3;

/**
 * Subscribes a fresh link to every awaited channel, and fences it, while the
 * link that it is to replace goes on delivering. Messages of the fresh link are
 * to be dropped until then. Next, in one synchronous step, the old link stops
 * delivering and the fresh one starts, with an attachment that reads every key.
 *
 * No outcome is lost. Redis stores a document before it publishes it, and once
 * the server has confirmed a subscription, both links bring every message:
 *
 * - What the old link brings before the switch, it delivers.
 * - What the fresh link brings after the switch, it delivers.
 * - What came on the fresh link before the switch and on the old one only after
 *   it was dropped on both. It was stored before the switch, so the read that
 *   follows finds it, or what has replaced it since.
 * - Channels awaited too late to be subscribed here are subscribed and then
 *   read, as on any new link.
 *
 * No outcome is repeated. An outcome ends its wait, so a second copy on the
 * fresh link finds no wait, or one that began later. That copy was published
 * after the fence was sent: anything older came before the fence's answer, and
 * was dropped. `since` is the tick at which the fence was sent, and an outcome
 * ends only those waits that began before it; younger ones are settled by
 * their own reads.
 *
 * What this gives up: not-ready documents published between the fence and the
 * switch. A report that both links bring on the side of the switch where they
 * deliver comes twice; one that neither does is missed, unless it is still the
 * last one when its key is read. To prevent this, both links would have to be
 * silent for a round trip, and the old one revived whenever the fresh one fails
 * in that time.
 */
export async function subscribeAwaited(
  link: RedisLink,
  table: WatchTable,
): Promise<Subscriptions> {
  const channels = new Set<string>();
  for (let pass = 0; pass < PASSES; pass++) {
    const missing: string[] = [];
    for (const { key, isAwaited } of table) {
      if (isAwaited && !channels.has(key)) missing.push(key);
    }
    for (const chunk of chunks(missing, MAX_CHANNELS)) {
      for (const channel of chunk) channels.add(channel);
      await link.subscribe(chunk);
    }
  }
  const since = table.tick();
  await link.fence();
  return { channels, since };
}

/**
 * Replaces a link that works, by as many attempts as it takes while anybody
 * waits. The first failure is reported. Returns whether it succeeded; never
 * rejects.
 */
export async function renewWithRetry(
  { reconnect, retries, status, runtime }: ConnectOptions,
  attemptOnce: () => Promise<void>,
  isWanted: () => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  let isReported = false;
  function shouldRetry(error: Error): boolean {
    if (signal.aborted) return false;
    if (!isReported) {
      isReported = true;
      const message =
        `Cannot renew the connection before its credentials expire: ${error.message}`;
      status.emit({
        type: "degraded",
        error: new Error(message, { cause: error }),
      });
    }
    // The link that is to be replaced worked, so a fault may pass.
    return isWanted() && (retries.isRetriable(error) || mayPass(error));
  }
  try {
    await runWithRetry(
      { ...reconnect, maxAttempts: Infinity, timeout: Infinity },
      () =>
        attemptOnce().catch((error) => {
          throw toError(error);
        }),
      {
        signal,
        isRetriable: shouldRetry,
        drawsWaits: true,
        // If anybody waits, the old link keeps the process alive.
        persistent: false,
        runtime,
      },
    );
    return true;
  } catch {
    return false;
  }
}
