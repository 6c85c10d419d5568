import {
  ConfigurationError,
  RedisConnectionError,
} from "../../../src/errors.ts";
import { dial } from "../../../src/redis/server/dial.ts";
import { denoRuntime, type Runtime } from "../../../src/runtime.ts";
import { assertEquals, assertRejects } from "../../support/assert.ts";
import { FakeTransport } from "../../support/fake_transport.ts";
import { turn } from "../../support/turn.ts";
import { formatAddress } from "../../../src/redis/address.ts";

const signal = new AbortController().signal;

Deno.test("formatAddress puts brackets around an IPv6 address", () => {
  assertEquals(formatAddress({ hostname: "::1", port: 1 }), "[::1]:1");
  assertEquals(formatAddress({ hostname: "h", port: 2 }), "h:2");
});

Deno.test("dial treats a Unix socket that was accessible before as unavailable for a moment", async () => {
  let refusal: Error | undefined = new Deno.errors.PermissionDenied("EACCES");
  const runtime: Runtime = {
    ...denoRuntime,
    dial: () =>
      refusal === undefined
        ? Promise.resolve(new FakeTransport())
        : Promise.reject(refusal),
  };
  const address = { path: "/run/redis.sock" };
  await assertRejects(
    () => dial(address, runtime, signal),
    ConfigurationError,
    "unixsocketperm",
  );
  refusal = undefined;
  (await dial(address, runtime, signal)).close();
  // The server has recreated the socket, and not set its permissions yet.
  refusal = new Deno.errors.PermissionDenied("EACCES");
  await assertRejects(
    () => dial(address, runtime, signal),
    RedisConnectionError,
    "/run/redis.sock: EACCES",
  );
});

Deno.test("dial names a permission flag only where Deno refused", async () => {
  const refusals: [Error, new (...args: never[]) => Error, string][] = [
    [
      new Deno.errors.NotCapable("Requires net access"),
      ConfigurationError,
      "--allow-net=h:1",
    ],
    // As a packet filter does, whose rules may change.
    [
      new Deno.errors.PermissionDenied("Operation not permitted"),
      RedisConnectionError,
      "h:1: Operation not permitted",
    ],
  ];
  for (const [refusal, kind, words] of refusals) {
    const runtime = { ...denoRuntime, dial: () => Promise.reject(refusal) };
    await assertRejects(
      () => dial({ hostname: "h", port: 1 }, runtime, signal),
      kind,
      words,
    );
  }
});

Deno.test("dial obeys its signal even if the runtime does not, and closes a late connection", async () => {
  for (const phase of ["dial", "readTextFile"] as const) {
    const dialled = Promise.withResolvers<FakeTransport>();
    const file = Promise.withResolvers<string>();
    if (phase === "dial") file.resolve("-----BEGIN CERTIFICATE-----");
    const runtime = {
      ...denoRuntime,
      dial: () => dialled.promise,
      readTextFile: () => file.promise,
    };
    const abort = new AbortController();
    const failed = assertRejects(
      () =>
        dial({ hostname: "h", port: 1 }, runtime, abort.signal, {
          caFile: "/ca.pem",
        }),
      Error,
      "aborted by the test",
    );
    await turn();
    abort.abort(new Error("aborted by the test"));
    await failed;
    if (phase === "readTextFile") continue;
    const transport = new FakeTransport();
    dialled.resolve(transport);
    await turn();
    assertEquals(transport.closed, 1);
  }
});

Deno.test("dial retries a file that worked before, unless a permission is missing", async () => {
  let file: string | Error = "-----BEGIN CERTIFICATE-----";
  const runtime: Runtime = {
    ...denoRuntime,
    dial: () => Promise.resolve(new FakeTransport()),
    readTextFile: () =>
      typeof file === "string" ? Promise.resolve(file) : Promise.reject(file),
  };
  for (const served of [false, true]) {
    const tls = { caFile: "/ca.pem" };
    const address = { hostname: "h", port: 1 };
    const kind: new (...args: never[]) => Error = served
      ? RedisConnectionError
      : ConfigurationError;
    file = "-----BEGIN CERTIFICATE-----";
    if (served) await dial(address, runtime, signal, tls);
    for (const spoilt of ["", new Deno.errors.NotFound("gone")]) {
      file = spoilt;
      await assertRejects(
        () => dial(address, runtime, signal, tls),
        kind,
        "/ca.pem",
      );
    }
    file = new Deno.errors.NotCapable("Requires read access");
    await assertRejects(
      () => dial(address, runtime, signal, tls),
      ConfigurationError,
      "--allow-read=/ca.pem",
    );
  }
});
