import { RedisConnectionError } from "../../../src/errors.ts";
import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "../../support/assert.ts";
import { FakeCluster } from "../../support/fake_cluster.ts";

const REFUSED = new Deno.errors.ConnectionRefused("refused");

Deno.test("ClusterDriver asks one seed after another until one has the slot map", async () => {
  const cluster = new FakeCluster(undefined, [7005, 7006, 7007, 7000, 7001]);
  cluster.onDial = (peer, port) => {
    if (port === 7006) peer.answers["CLUSTER SLOTS"] = "-LOADING later\r\n";
    // It has left the cluster.
    if (port === 7007) peer.answers["CLUSTER SLOTS"] = "*0\r\n";
    return port === 7005 ? REFUSED : undefined;
  };
  const link = await cluster.connect();
  assertEquals(cluster.dialled, [7005, 7006, 7007, 7000]);
  await cluster.end(link);

  // The seed that failed is asked last, and the replicas are known by now.
  cluster.dialled.length = 0;
  cluster.onDial = () => REFUSED;
  await assertRejects(() => cluster.connect(), RedisConnectionError, "refused");
  assertEquals(cluster.dialled, [7000, 7001, 7005, 7006, 7007]);
  cluster.checkNothingLeft();
});

Deno.test("ClusterDriver remembers the nodes that it last knew, and forgets removed ones", async () => {
  const cluster = new FakeCluster([[0, 16_383, 7000, 7003]]);
  await cluster.end(await cluster.connect());
  cluster.reshard([[0, 16_383, 7001, 7003]]);
  cluster.onDial = (_, port) => port === 7000 ? REFUSED : undefined;
  const link = await cluster.connect();
  // 7003 is a replica: it replies with the map, and is then closed.
  assertEquals(await link.command(["GET", "k"]), "value of k");
  assertEquals(cluster.dialled, [7000, 7000, 7003, 7001]);
  await cluster.end(link);

  cluster.reshard([[0, 16_383, 7001]]);
  cluster.onDial = () => {};
  await cluster.end(await cluster.connect());
  cluster.dialled.length = 0;
  cluster.onDial = () => REFUSED;
  await assertRejects(() => cluster.connect(), RedisConnectionError);
  assertEquals(cluster.dialled.toSorted(), [7000, 7001]);
  cluster.checkNothingLeft();
});

Deno.test("ClusterDriver throws a seed's refusal if no other seed answers", async () => {
  const cluster = new FakeCluster(undefined, [7000, 7001]);
  const cases = [
    [
      "-ERR This instance has cluster support disabled\r\n",
      "ConfigurationError",
      "leave the option, or the +cluster of the URL, out",
    ],
    // As a Sentinel replies.
    [
      "-ERR unknown command 'CLUSTER'\r\n",
      "ConfigurationError",
      "sentinel://",
    ],
    ["-NOPERM no permissions\r\n", "RedisError", "must allow CLUSTER SLOTS"],
  ] as const;
  for (const [reply, name, message] of cases) {
    cluster.onDial = (peer, port) => {
      peer.answers["CLUSTER SLOTS"] = reply;
      return port === 7001 ? REFUSED : undefined;
    };
    const error = await assertRejects(() => cluster.connect(), Error, message);
    assertEquals(error.name, name);
  }
  cluster.onDial = (peer, port) => {
    if (port === 7000) peer.answers["CLUSTER SLOTS"] = cases[0]![0];
  };
  await cluster.end(await cluster.connect());
});

Deno.test("ClusterDriver treats a refusal at the address of a former node as transient", async () => {
  const cluster = new FakeCluster();
  await cluster.end(await cluster.connect());
  cluster.onDial = (peer, port) => {
    peer.answers["CLUSTER SLOTS"] =
      "-ERR This instance has cluster support disabled\r\n";
    return port === 7000 ? REFUSED : undefined;
  };
  // Whichever is asked last.
  for (let i = 0; i < 2; i++) {
    const error = await assertRejects(() => cluster.connect());
    assertInstanceOf(error, RedisConnectionError);
  }
  cluster.checkNothingLeft();
});

Deno.test("ClusterDriver spends one attempt on a silent seed, and begins the next with another", async () => {
  const cluster = new FakeCluster(undefined, [7005, 7000]);
  cluster.onDial = (peer, port) => {
    if (port === 7005) peer.answers.PING = null;
  };
  const refused = assertRejects(
    () => cluster.connect(),
    RedisConnectionError,
    "redis.test:7005",
  );
  await cluster.runtime.advance(5000);
  await refused;
  assertEquals(cluster.dialled, [7005]);
  const link = await cluster.connect();
  assertEquals(cluster.dialled, [7005, 7000]);
  await cluster.end(link);
});

Deno.test("ClusterDriver gives up on a node that does not reply with the map", async () => {
  const cluster = new FakeCluster();
  cluster.onDial = (peer) => {
    peer.answers["CLUSTER SLOTS"] = null;
  };
  const refused = assertRejects(
    () => cluster.connect(),
    RedisConnectionError,
    "5000 ms",
  );
  await cluster.runtime.advance(5000);
  await refused;
  cluster.checkNothingLeft();
});

Deno.test("ClusterDriver.connect ends when its signal aborts, and leaves nothing behind", async () => {
  const cluster = new FakeCluster(undefined, [7000, 7001]);
  cluster.onDial = (peer) => {
    peer.answers["CLUSTER SLOTS"] = null;
  };
  const controller = new AbortController();
  const connecting = assertRejects(() => cluster.connect(controller.signal));
  await cluster.runtime.advance(0);
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await connecting, reason);
  cluster.checkNothingLeft();
  assertStrictEquals(
    await assertRejects(() => cluster.connect(controller.signal)),
    reason,
  );
  assertEquals(cluster.dialled, [7000]);
});
