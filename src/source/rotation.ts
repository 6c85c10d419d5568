import type { RedisLink } from "../redis/link.ts";
import { isPossiblyTransient } from "../redis/retriable.ts";
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
 * No outcome is repeated, or comes late. What the fresh link brings after the
 * switch was published after the fence was sent: anything older came before the
 * fence's answer, and was dropped. A published outcome ends a wait only if the
 * old link would have let it do so at the time when the fence was sent: only if
 * the wait began before `publishedAfter` at that time, which is returned for each
 * channel. For such a wait, the old link has skipped nothing since: an outcome
 * that it delivered ended the wait, and a second copy finds it closed. All other
 * waits are settled by the read on the fresh link.
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
  const subscriptions = new Map<string, number>();
  for (let pass = 0; pass < PASSES; pass++) {
    const missing: string[] = [];
    for (const { key, isAwaited } of table) {
      if (isAwaited && !subscriptions.has(key)) missing.push(key);
    }
    for (const chunk of chunks(missing, MAX_CHANNELS)) {
      for (const channel of chunk) subscriptions.set(channel, 0);
      await link.subscribe(chunk);
    }
  }
  for (const channel of subscriptions.keys()) {
    subscriptions.set(channel, table.get(channel)?.publishedAfter ?? 0);
  }
  await link.fence();
  return subscriptions;
}

/**
 * Replaces a link that works, by as many attempts as it takes while anybody
 * waits. The first failure is reported. Returns whether it stopped because nobody
 * waited any more, so that the link is of no use; never rejects.
 */
export async function renewWithRetry(
  { reconnect, retries, status, runtime }: ConnectOptions,
  attemptOnce: () => Promise<void>,
  isWanted: () => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  let isReported = false;
  let isUnwanted = false;
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
    isUnwanted = !isWanted();
    // The link that is to be replaced worked, so a fault may pass.
    return !isUnwanted &&
      (retries.isRetriable(error) || isPossiblyTransient(error));
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
  } catch {
    // It is reported. If somebody waits, the old link goes on while it can.
  }
  return isUnwanted;
}
