/**
 * The module as its users have it: imported by URL, with no configuration of
 * ours, and with no more permissions than it says it needs.
 *
 * @module
 */

import { ResultBackend } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { ChildDeno } from "../support/child_deno.ts";
import { needs } from "../support/needs.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";

const root = new URL("../../", import.meta.url);

/** Serves the module's files as any static server would; nothing else of the repository. */
class StaticServer implements AsyncDisposable {
  /** What was asked for and is not one of the module's files. */
  readonly strays: string[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: doNothing },
      (request) => this.#respond(new URL(request.url).pathname),
    );
  }

  /** `host:port`, as permissions name it. */
  get host(): string {
    return `127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #respond(path: string): Promise<Response> {
    if (
      !/^\/(mod\.ts|yaml\.ts|src\/[\w/]+\.ts|src\/[\w/]+\.d\.ts)$/.test(path)
    ) {
      this.strays.push(path);
      return new Response("Not found", { status: 404 });
    }
    const text = await Deno.readTextFile(new URL(`.${path}`, root));
    return new Response(text, {
      headers: { "content-type": "application/typescript" },
    });
  }
}

function doNothing(): void {}

/** A user's folder, far from ours. */
class Project implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes a folder with these files. */
  static async create(files: Record<string, string>): Promise<Project> {
    const folder = await Deno.makeTempDir({ prefix: "project_" });
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    return new Project(folder);
  }

  run(args: string[]): ChildDeno {
    return new ChildDeno(["run", ...args], this.#folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** What may be imported, freshly, and reached. */
function grants(server: StaticServer, redis: RedisServer): string[] {
  return [
    `--reload=http://${server.host}`,
    `--allow-import=${server.host}`,
    `--allow-net=127.0.0.1:${redis.port}`,
  ];
}

/** Stores a result of its own, then writes the events of a task, a line each. */
function mainProgram(host: string): string {
  return `
    import { ResultBackend, type ResultEvent } from "http://${host}/mod.ts";

    const [url] = Deno.args;
    await using backend = new ResultBackend(url);
    await backend.markAsDone("from-child", 1n << 64n);
    const events: ReadableStream<ResultEvent<number>> =
      backend.stream<number>("from-parent");
    for await (const event of events) {
      console.log(event.state, event.origin);
      if (event.state === "SUCCESS") console.log(event.result + 1);
    }
  `;
}

/** Posts what it may do beyond `net`, then the events of a task. */
function workerProgram(host: string): string {
  return `
    /// <reference lib="deno.worker" />
    import { ResultBackend } from "http://${host}/mod.ts";

    self.onmessage = async ({ data: url }) => {
      const names = ["read", "write", "env", "run", "ffi", "sys"] as const;
      self.postMessage(names.filter((name) =>
        Deno.permissions.querySync({ name }).state === "granted"
      ));
      const backend = new ResultBackend(url);
      for await (const event of backend.stream("from-parent")) {
        self.postMessage(event);
      }
      await backend.close();
      self.close();
    };
  `;
}

/** Starts worker.ts with `net` to Redis only, and writes what it posts, a line each. */
function workerStarter(redisPort: number): string {
  return `
    const worker = new Worker(new URL("worker.ts", import.meta.url), {
      type: "module",
      deno: { permissions: { net: ["127.0.0.1:${redisPort}"] } },
    });
    worker.onmessage = ({ data }) => console.log(JSON.stringify(data));
    worker.postMessage(Deno.args[0]);
  `;
}

Deno.test(needs("redis-server", {
  name:
    "mod.ts, imported by URL, streams a result with net to Redis only, and lets the program end",
  fn: async () => {
    await using redis = await startRedis();
    await using server = new StaticServer();
    await using project = await Project.create({
      "main.ts": mainProgram(server.host),
    });
    await using backend = new ResultBackend(redis.url);
    await backend.markAsStarted("from-parent");
    await using child = project.run([
      ...["--check", ...grants(server, redis)],
      ...["main.ts", redis.url],
    ]);
    assertEquals(await child.line(), "STARTED snapshot");
    await backend.markAsDone("from-parent", 41);
    assertEquals(await child.end(), ["SUCCESS live", "42"]);
    assertEquals(await backend.result("from-child").get(), 2n ** 64n);
    assertEquals(server.strays, []);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "mod.ts, imported by URL in a Worker that may use nothing but net to Redis, streams a result",
  fn: async () => {
    await using redis = await startRedis();
    await using server = new StaticServer();
    await using project = await Project.create({
      "worker.ts": workerProgram(server.host),
      "main.ts": workerStarter(redis.port),
    });
    await using backend = new ResultBackend(redis.url);
    await backend.markAsStarted("from-parent");
    await using child = project.run([
      "--unstable-worker-options",
      // The main program's, to start a Worker from a file.
      "--allow-read=worker.ts",
      ...grants(server, redis),
      ...["main.ts", redis.url],
    ]);
    assertEquals(JSON.parse(await child.line()), [], "granted beyond net");
    assertEquals(JSON.parse(await child.line()).state, "STARTED");
    await backend.markAsDone("from-parent", { sum: 42 });
    const events = (await child.end()).map((line) => JSON.parse(line));
    assertEquals(events.map((event) => [event.state, event.result]), [
      ["SUCCESS", { sum: 42 }],
    ]);
    assertEquals(server.strays, []);
  },
}));

/** Stores a result in YAML, and reads it again. */
function yamlProgram(host: string): string {
  return `
    import { ResultBackend } from "http://${host}/mod.ts";
    import { yaml } from "http://${host}/yaml.ts";

    const [url] = Deno.args;
    await using backend = new ResultBackend(url, { serializer: yaml });
    await backend.markAsDone("in-yaml", [1n << 64n, new Date(5)]);
    const [size, at] = await backend.result<[bigint, Date]>("in-yaml").get();
    console.log(size, at.toISOString());
  `;
}

Deno.test(needs("redis-server", {
  name:
    "yaml.ts, imported by URL beside mod.ts, needs no permission beyond its net to Redis",
  fn: async () => {
    await using redis = await startRedis();
    await using server = new StaticServer();
    await using project = await Project.create({
      "main.ts": yamlProgram(server.host),
    });
    await using child = project.run([
      ...["--check", "--no-prompt", ...grants(server, redis)],
      ...["main.ts", redis.url],
    ]);
    assertEquals(await child.end(), [
      "18446744073709551616n 1970-01-01T00:00:00.005Z",
    ]);
    assertEquals(server.strays, []);
  },
}));

/** What `deno info` says of a module. */
interface ModuleInfo {
  specifier: string;
  error?: string;
}

/** The modules that `entry` reaches, with no configuration that could help. */
async function graphOf(entry: string): Promise<ModuleInfo[]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--no-config", "--no-lock", "--json", entry],
    cwd: root,
  }).output();
  assert(code === 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout)).modules;
}

Deno.test("mod.ts reaches files of src/ and full npm: specifiers, and nothing else", async () => {
  const modules = await graphOf("mod.ts");
  assert(modules.length > 1);
  for (const { specifier, error } of modules) {
    assertEquals(error, undefined, `${specifier}: ${error}`);
    const known = specifier === new URL("mod.ts", root).href ||
      specifier.startsWith(new URL("src/", root).href) ||
      /^npm:\/?(@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+(\/|$)/.test(specifier);
    assert(known, `mod.ts reaches ${specifier}`);
  }
});

Deno.test("mod.ts does not reach the YAML parser", async () => {
  const files = (await graphOf("mod.ts")).map(({ specifier }) => specifier);
  assertEquals(files.filter((file) => file.includes("yaml")), []);
});

Deno.test("mod.ts does not reach what serves tests only", async () => {
  const files = (await graphOf("mod.ts")).map(({ specifier }) => specifier);
  const testing = new URL("src/testing/", root).href;
  assertEquals(files.filter((file) => file.startsWith(testing)), []);
});
