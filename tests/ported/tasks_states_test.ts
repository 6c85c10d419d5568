/**
 * What t/unit/tasks/test_states.py of Celery asks of the order of states: here
 * it is what may replace what. In that order a state is greater than another;
 * in the store the order has no part, on either side: a SUCCESS is final, and
 * anything else gives way to what comes later.
 *
 * @module
 */

import type { TaskState } from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import { celeryFixture } from "../support/celery_fixture.ts";
import { taskIds } from "../support/results.ts";

const fixture = celeryFixture();

/** By Celery's name: a state, and what is compared with it. */
const pairs: [name: string, state: TaskState, other: TaskState][] = [
  ["test_gt", "SUCCESS", "PENDING"],
  ["test_gt", "FAILURE", "RECEIVED"],
  ["test_gt", "REVOKED", "STARTED"],
  ["test_gt", "SUCCESS", "CRASHED"],
  ["test_gt", "FAILURE", "CRASHED"],
  ["test_gte", "CRASHED", "REVOKED"],
  ["test_lt", "PENDING", "SUCCESS"],
  ["test_lt", "RECEIVED", "FAILURE"],
  ["test_lt", "STARTED", "REVOKED"],
  ["test_lt", "CRASHED", "SUCCESS"],
  ["test_lt", "CRASHED", "FAILURE"],
  ["test_lt", "REVOKED", "CRASHED"],
  ["test_lte", "REVOKED", "CRASHED"],
];

for (const [name, state, other] of pairs) {
  const isFinal = other === "SUCCESS";
  Deno.test(
    fixture.test(`${name}: ${state} ${isFinal ? "does not replace" : "replaces"} ${other}, whichever side stored it, as in Celery`, async () => {
      await using backend = fixture.backend();
      const expected = isFinal ? other : state;
      const [mine, ofCelery, overMine, celerys] = taskIds(4) as [
        ...[string, string, string, string],
      ];
      await backend.storeResult(mine, null, other);
      assertEquals(await backend.storeResult(mine, null, state), !isFinal);
      await storeByCelery(ofCelery, other);
      assertEquals(await backend.storeResult(ofCelery, null, state), !isFinal);
      await backend.storeResult(overMine, null, other);
      await storeByCelery(overMine, state);
      await storeByCelery(celerys, other);
      await storeByCelery(celerys, state);
      for (const id of [mine, ofCelery, overMine, celerys]) {
        assertEquals((await backend.getMeta(id)).state, expected);
        assertEquals((await fixture.driver.read(id)).state, expected);
      }
    }),
  );
}

const EXCEPTION =
  '{"exc_type": "KeyError", "exc_message": [], "exc_module": "builtins"}';

async function storeByCelery(taskId: string, state: TaskState): Promise<void> {
  const holdsException = state === "FAILURE" || state === "REVOKED";
  await fixture.driver.store(taskId, holdsException ? EXCEPTION : "1", state);
}
