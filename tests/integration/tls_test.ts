import { ResultBackend } from "../../mod.ts";
import { ConfigurationError, RedisConnectionError } from "../../src/errors.ts";
import type { ResultBackendOptions } from "../../src/options.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { certificates } from "../support/certificates.ts";
import { ChildDeno } from "../support/child_deno.ts";
import { connect } from "../support/client.ts";
import { needs } from "../support/needs.ts";
import { freePort, startRedis } from "../support/redis_server.ts";
import { inboxOf } from "../support/results.ts";
import { within } from "../support/until.ts";

/**
 * The error of a backend that cannot connect. A server that hangs up may cut off
 * its own alert, which the next attempt then receives.
 */
async function refusal(
  url: string,
  options: ResultBackendOptions = {},
  maxAttempts = 10,
): Promise<Error> {
  const attempts = { maxAttempts, minTimeout: 1, maxTimeout: 10 };
  await using backend = new ResultBackend(url, {
    ...options,
    reconnect: attempts,
    retry: attempts,
  });
  const error = await assertRejects(() => backend.getMeta("id"));
  assert(error instanceof Error);
  // It is the cause of the reader's error.
  return error.cause instanceof Error &&
      !(error instanceof ConfigurationError)
    ? error.cause
    : error;
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test(needs(["redis-server", "openssl"], { name, fn }));
}

test("a stream over TLS survives a kill of its connections, and loses or repeats nothing", async () => {
  const { server, authority, client } = await certificates();
  await using redis = await startRedis({ tls: { server, authority } });
  await using plain = await connect(redis.url);
  await using backend = new ResultBackend(
    `rediss://localhost:${redis.tlsPort}/0?ssl_ca_certs=${authority.cert}&ssl_certfile=${client.cert}&ssl_keyfile=${client.key}`,
  );
  await using writer = new ResultBackend(redis.url);
  const ids = Array.from({ length: 30 }, (_, index) => `task-${index}`);
  const seen: unknown[] = [];
  await backend.markAsStarted(ids[0]!);
  const reader = backend.stream(ids).getReader();
  const first = await reader.read();
  assertEquals(first.value?.state, "STARTED");
  for (const [index, id] of ids.entries()) {
    await writer.markAsDone(id, index);
    if (index % 10 === 5) {
      await plain.send("CLIENT", "KILL", "TYPE", "pubsub");
    }
  }
  for (;;) {
    const { done, value } = await within(reader.read(), { what: "a result" });
    if (done) break;
    if (value.state === "SUCCESS") seen.push(value.result);
  }
  assertEquals(seen.toSorted((a, b) => Number(a) - Number(b)), [...ids.keys()]);
});

test("the option `tls` turns on TLS for a redis URL, and takes precedence over the URL's files", async () => {
  const { server, authority, client } = await certificates();
  await using redis = await startRedis({ tls: { server, authority } });
  const tls = {
    caCerts: [await Deno.readTextFile(authority.cert)],
    cert: await Deno.readTextFile(client.cert),
    key: await Deno.readTextFile(client.key),
  };
  for (
    const url of [
      `redis://127.0.0.1:${redis.tlsPort}`,
      `rediss://127.0.0.1:${redis.tlsPort}?ssl_ca_certs=/none&ssl_certfile=/none`,
    ]
  ) {
    await using backend = new ResultBackend(url, { tls });
    await backend.markAsDone(url, "done");
    assertEquals(await backend.result(url).get(), "done");
    assert(!/PRIVATE/.test(Deno.inspect(backend, { depth: 20 })));
  }
});

test("a rejected certificate is reported at once, and explained", async () => {
  const {
    server,
    authority,
    otherAuthority,
    wrongName,
    expired,
    notYetValid,
    client,
  } = await certificates();
  await using redis = await startRedis({ tls: { server } });
  await using strict = await startRedis({ tls: { server, authority } });
  await using wrong = await startRedis({ tls: { server: wrongName } });
  await using old = await startRedis({ tls: { server: expired } });
  await using early = await startRedis({ tls: { server: notYetValid } });
  const ca = `ssl_ca_certs=${authority.cert}`;
  const mine = `ssl_certfile=${client.cert}&ssl_keyfile=${client.key}`;
  const cases: [port: number, query: string, words: string[]][] = [
    [redis.tlsPort, "", ["not trusted", "ssl_ca_certs"]],
    [redis.tlsPort, `ssl_ca_certs=${otherAuthority.cert}`, ["not trusted"]],
    [redis.tlsPort, "ssl_cert_reqs=none", [
      "--unsafely-ignore-certificate-errors=localhost",
      "ssl_ca_certs",
    ]],
    [wrong.tlsPort, ca, ["for another host", "ssl_check_hostname"]],
    [old.tlsPort, ca, ["its certificate has expired", "renew it"]],
    [early.tlsPort, ca, ["is not valid yet: check the clocks"]],
    [strict.tlsPort, ca, ["asks for a client certificate"]],
    [strict.tlsPort, `${ca}&ssl_certfile=${client.cert}`, [
      "ssl_keyfile",
      "no PRIVATE KEY",
    ]],
    [
      strict.tlsPort,
      `${ca}&ssl_certfile=${client.cert}&ssl_keyfile=${otherAuthority.key}`,
      ["is not the one of its certificate"],
    ],
    [
      strict.tlsPort,
      `${ca}&ssl_certfile=${otherAuthority.cert}&ssl_keyfile=${otherAuthority.key}`,
      ["did not accept the client certificate"],
    ],
    [redis.tlsPort, "ssl_ca_certs=/no/such", ["/no/such", "no such file"]],
    [redis.tlsPort, "ssl_ca_certs=/", ["ssl_ca_certs, /"]],
    [redis.tlsPort, `ssl_ca_certs=${authority.key}`, ["no CERTIFICATE"]],
  ];
  for (const [port, query, words] of cases) {
    const error = await refusal(`rediss://:S3CRET@localhost:${port}?${query}`);
    const shown = Deno.inspect(error);
    assert(error instanceof ConfigurationError, `${query}: ${shown}`);
    for (const word of words) assert(error.message.includes(word), shown);
    assert(!shown.includes("S3CRET"), shown);
  }
  await using lenient = new ResultBackend(
    `rediss://localhost:${wrong.tlsPort}?${ca}&ssl_check_hostname=false`,
  );
  assertEquals((await lenient.getMeta("id")).state, "PENDING");
  await using known = new ResultBackend(
    `rediss://localhost:${strict.tlsPort}?${ca}&${mine}`,
  );
  assertEquals((await known.getMeta("id")).state, "PENDING");
});

test("a certificate that Deno or the server cannot use is reported at once, with whose it is", async () => {
  const {
    server,
    authority,
    nameless,
    selfSigned,
    client,
    expiredClient,
    encryptedKey,
  } = await certificates();
  await using strict = await startRedis({ tls: { server, authority } });
  await using older = await startRedis({
    tls: { server, authority },
    args: ["--tls-protocols", "TLSv1.2"],
  });
  await using ancient = await startRedis({
    tls: { server },
    args: ["--tls-protocols", "TLSv1.1"],
  });
  await using own = await startRedis({ tls: { server: selfSigned } });
  await using anonymous = await startRedis({ tls: { server: nameless } });
  const pem = await Deno.readTextFile(authority.cert);
  const key = await Deno.readTextFile(client.key);
  const files: Record<string, string> = {
    // As some editors save it.
    bom: `\uFEFF${pem}`,
    // As in an indented template.
    indented: pem.replaceAll(/^/gm, "  "),
    trusted: pem.replaceAll(" CERTIFICATE", " TRUSTED CERTIFICATE"),
    cut: pem.slice(0, 100),
    garbled: key.replace(/\n[A-Za-z]{4}/, "\n!!!!"),
    crlf: pem.replaceAll("\n", "\r\n"),
    both: key + await Deno.readTextFile(client.cert),
    two: await Deno.readTextFile(selfSigned.cert) + pem,
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${strict.dir}/${name}.pem`, text);
  }
  function from(name: string): string {
    return `ssl_ca_certs=${strict.dir}/${name}.pem`;
  }
  const ca = `ssl_ca_certs=${authority.cert}`;
  const cert = `${ca}&ssl_certfile=${client.cert}`;
  const late =
    `${ca}&ssl_certfile=${expiredClient.cert}&ssl_keyfile=${expiredClient.key}`;
  const cases: [port: number, query: string, words: string][] = [
    [strict.tlsPort, late, "the client certificate has expired"],
    [older.tlsPort, late, "the client certificate has expired"],
    [older.tlsPort, ca, "asks for a client certificate"],
    [ancient.tlsPort, ca, "tls-protocols"],
    [own.tlsPort, "", "CA:TRUE"],
    // Trusting it does not help either.
    [own.tlsPort, `ssl_ca_certs=${selfSigned.cert}`, "CA:TRUE"],
    [anonymous.tlsPort, ca, "subjectAltName"],
    [strict.tlsPort, from("bom"), "must begin a line"],
    [strict.tlsPort, from("indented"), "must begin a line"],
    [strict.tlsPort, from("trusted"), "no CERTIFICATE"],
    [strict.tlsPort, from("cut"), "ssl_ca_certs"],
    [
      strict.tlsPort,
      `${cert}&ssl_keyfile=${strict.dir}/garbled.pem`,
      "client's certificate or key cannot be read",
    ],
    [strict.tlsPort, `${cert}&ssl_keyfile=${encryptedKey}`, "is encrypted"],
  ];
  for (const [port, query, words] of cases) {
    const error = await refusal(`rediss://localhost:${port}?${query}`);
    const shown = Deno.inspect(error);
    assert(error instanceof ConfigurationError, `${query}: ${shown}`);
    assert(error.message.includes(words), `${words}: ${shown}`);
    assert(!shown.includes(key.slice(40, 80)), shown);
  }
  for (
    const query of [
      `${from("crlf")}&ssl_certfile=${strict.dir}/both.pem`,
      `${from("two")}&ssl_certfile=${client.cert}&ssl_keyfile=${client.key}`,
    ]
  ) {
    await using backend = new ResultBackend(
      `rediss://localhost:${strict.tlsPort}?${query}`,
    );
    assertEquals((await backend.getMeta("id")).state, "PENDING");
  }
});

test("TLS to a plain port, and the reverse, is explained", async () => {
  const { server } = await certificates();
  await using redis = await startRedis({ tls: { server } });
  const silent = await refusal(`rediss://localhost:${redis.port}`, {
    connectTimeout: 1000,
  }, 1);
  assert(silent.message.includes("does not expect TLS"), silent.message);
  const plain = await refusal(`redis://localhost:${redis.tlsPort}`);
  assert(plain instanceof RedisConnectionError);
  assert(plain.message.includes("rediss://"), plain.message);
});

test("ssl_cert_reqs=none still verifies, and reports it once", async () => {
  const { server, authority } = await certificates();
  await using redis = await startRedis({ tls: { server } });
  await using plain = await connect(redis.url);
  const backend = new ResultBackend(
    `rediss://localhost:${redis.tlsPort}?ssl_cert_reqs=none&ssl_ca_certs=${authority.cert}`,
  );
  const status = backend.status();
  await backend.getMeta("id");
  await plain.send("CLIENT", "KILL", "TYPE", "normal");
  await backend.getMeta("id");
  await backend.close();
  const told = (await Array.fromAsync(status)).filter(({ type }) =>
    type === "degraded"
  );
  assertEquals(told.length, 1);
  assert(
    Deno.inspect(told[0]).includes("--unsafely-ignore-certificate-errors"),
  );
});

test("a renewed file is used from the next connection on", async () => {
  const { server, authority, otherAuthority } = await certificates();
  await using redis = await startRedis({ tls: { server } });
  const file = `${redis.dir}/ca.pem`;
  await Deno.copyFile(otherAuthority.cert, file);
  await using backend = new ResultBackend(
    `rediss://localhost:${redis.tlsPort}?ssl_ca_certs=${file}`,
  );
  await assertRejects(() => backend.getMeta("id"), ConfigurationError);
  await Deno.copyFile(authority.cert, file);
  assertEquals((await backend.getMeta("id")).state, "PENDING");
});

test("a wait survives a renewal that replaces the files one by one", async () => {
  const { server, authority, client, expiredClient } = await certificates();
  await using redis = await startRedis({ tls: { server, authority } });
  await using plain = await connect(redis.url);
  const [ca, cert, key] = ["ca", "cert", "key"].map((name) =>
    `${redis.dir}/${name}.pem`
  ) as [string, string, string];
  const good = new Map([
    [ca, authority.cert],
    [cert, client.cert],
    [key, client.key],
  ]);
  for (const [file, source] of good) await Deno.copyFile(source, file);
  await using backend = new ResultBackend(
    `rediss://localhost:${redis.tlsPort}?ssl_ca_certs=${ca}&ssl_certfile=${cert}&ssl_keyfile=${key}`,
    { reconnect: { minTimeout: 5, maxTimeout: 20 } },
  );
  await using writer = new ResultBackend(redis.url);
  const status = inboxOf(backend.status());
  const wait = within(backend.result("late").get(), { timeout: 60_000 });
  // A failure shows at the end.
  wait.catch(() => {});
  await status.until(({ type }) => type === "connected");
  const spoilt: [file: string, spoil: (file: string) => Promise<void>][] = [
    [ca, (file) => Deno.remove(file)],
    [ca, (file) => Deno.truncate(file)],
    [ca, (file) => Deno.truncate(file, 100)],
    [cert, (file) => Deno.truncate(file, 100)],
    [key, (file) => Deno.copyFile(expiredClient.key, file)],
    [key, (file) => Deno.truncate(file, 100)],
  ];
  for (const [file, spoil] of spoilt) {
    const before = status.all.length;
    await spoil(file);
    await plain.send("CLIENT", "KILL", "TYPE", "pubsub");
    await plain.send("CLIENT", "KILL", "TYPE", "normal");
    await status.until(({ type }) =>
      type === "failed" ||
      status.all.slice(before).some((each) => each.type === "retrying")
    );
    assertEquals(status.all.find(({ type }) => type === "failed"), undefined);
    await Deno.copyFile(good.get(file)!, file);
    await status.until(() =>
      status.all.slice(before).some(({ type }) => type === "connected")
    );
  }
  await writer.markAsDone("late", 1);
  assertEquals(await wait, 1);
});

test("a Unix socket serves stores and streams, and is retried while Redis is down", async () => {
  await using redis = await startRedis({ appendonly: true });
  await using backend = new ResultBackend(
    `redis+socket://${redis.socketPath}?virtual_host=3`,
  );
  await backend.markAsDone("one", 1);
  await redis.kill();
  const wait = backend.result("two").get();
  await redis.start();
  await using writer = new ResultBackend(
    `redis://127.0.0.1:${redis.port}/3`,
  );
  await writer.markAsDone("two", 2);
  assertEquals(await within(wait, { what: "the result" }), 2);
  assertEquals(await backend.result("one").get(), 1);
  const nobody = await refusal("unix:///no/such.sock");
  assert(nobody instanceof RedisConnectionError);
  assert(nobody.message.includes("/no/such.sock"), nobody.message);
  const long = await refusal(`unix:///tmp/${"long".repeat(30)}`);
  assert(long instanceof ConfigurationError, Deno.inspect(long));
  assert(long.message.includes("use a shorter one"), long.message);
});

test("missing permissions are named", async () => {
  const { server } = await certificates();
  await using redis = await startRedis({ tls: { server } });
  const { socketPath, tlsPort } = redis;
  for (
    const [url, words] of [
      [`unix://${socketPath}`, `--allow-net=unix:${socketPath} --allow-read=`],
      [
        `rediss://127.0.0.1:${tlsPort}?ssl_ca_certs=/ca.pem`,
        "--allow-read=/ca.pem",
      ],
    ] as const
  ) {
    const mod = new URL("../../mod.ts", import.meta.url).href;
    const program = `
      import { ResultBackend } from ${JSON.stringify(mod)};
      const backend = new ResultBackend(${JSON.stringify(url)});
      await backend.getMeta("id").catch((error) => console.log(error.name, error.message));
      await backend.close();
    `;
    const file = `${redis.dir}/program.ts`;
    await Deno.writeTextFile(file, program);
    await using child = new ChildDeno(
      ["run", "--no-prompt", "--allow-import", "--allow-net=127.0.0.1", file],
      ".",
    );
    const [line = ""] = await within(child.end());
    assert(line.startsWith("ConfigurationError"), line);
    assert(line.includes(words), line);
  }
});

test("a process ends after close(), even if a handshake is never answered", async () => {
  const { client } = await certificates();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const mod = new URL("../../mod.ts", import.meta.url).href;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  for (
    const query of [
      "",
      `?ssl_certfile=${client.cert}&ssl_keyfile=${client.key}`,
    ]
  ) {
    const url = `rediss://127.0.0.1:${listener.addr.port}${query}`;
    await Deno.writeTextFile(
      file,
      `
      import { ResultBackend } from ${JSON.stringify(mod)};
      const backend = new ResultBackend(${JSON.stringify(url)});
      const wait = backend.getMeta("id").catch((error) => error.name);
      // Resolves when the peer sees the handshake begin.
      await Deno.stdin.read(new Uint8Array(1));
      await backend.close();
      console.log(await wait);
    `,
    );
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", file],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const peer = await listener.accept();
    // The client's first bytes.
    await peer.read(new Uint8Array(1));
    const input = child.stdin.getWriter();
    await input.write(new Uint8Array(1));
    await input.close();
    const killed = setTimeout(() => child.kill("SIGKILL"), 60_000);
    const { success, stdout } = await child.output();
    clearTimeout(killed);
    peer.close();
    assert(success);
    assertEquals(
      new TextDecoder().decode(stdout),
      "BackendClosedError\n",
    );
  }
  await Deno.remove(file);
});

test("a refused connection is not blamed on TLS", async () => {
  const error = await refusal(`rediss://127.0.0.1:${freePort()}`);
  assert(error instanceof RedisConnectionError);
});
