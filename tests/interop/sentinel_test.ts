// Celery and this module with the same configuration and the same Sentinels.

import { ResultBackend } from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import { CELERY_PYTHON, needs } from "../support/needs.ts";
import { MASTER_NAME, startSentinels } from "../support/redis_sentinels.ts";

/** Stores a result, and prints that of another task. */
const PROGRAM = `
import json, sys
from celery import Celery
app = Celery(**{"set_as_current": False})
app.conf.update(json.loads(sys.argv[1]))
app.backend.store_result("of-python", {"from": "python"}, "SUCCESS")
print(json.dumps(app.AsyncResult("of-deno").get(timeout=10)))
`;

Deno.test(needs(["redis-server", "redis-sentinel", "celery"], {
  name:
    "Celery and this module find the same master by one configuration, and read each other's results",
  async fn() {
    await using set = await startSentinels({
      replicas: 0,
      password: "s3cret",
      sentinelPassword: "s3ntinel",
    });
    const config = {
      result_backend: set.url.replace("/0;", "/2;"),
      result_backend_transport_options: {
        master_name: MASTER_NAME,
        min_other_sentinels: 2,
        sentinel_kwargs: { password: "s3ntinel", socket_timeout: 5 },
      },
    };
    await using backend = ResultBackend.fromCeleryConfig(config);
    await backend.markAsDone("of-deno", { from: "deno" });
    const child = new Deno.Command(CELERY_PYTHON, {
      args: ["-c", PROGRAM, JSON.stringify(config)],
    });
    const { stdout, stderr } = await child.output();
    assertEquals(
      new TextDecoder().decode(stdout).trim(),
      '{"from": "deno"}',
      new TextDecoder().decode(stderr),
    );
    assertEquals(await backend.result("of-python").get(), { from: "python" });
    await using client = await set.servers[0]!.client();
    await client.send("SELECT", "2");
    assertEquals(await client.send("DBSIZE"), 2);
  },
}));
