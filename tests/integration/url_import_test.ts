/**
 * The module as its users import it: by URL, without this repository's
 * configuration, and with only the permissions that it documents.
 *
 * @module
 */

import { ResultBackend } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { ChildDeno } from "../support/child_deno.ts";
import { needs } from "../support/needs.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";

const root = new URL("../../", import.meta.url);

/** A static server for the module's files, and nothing else of the repository. */
class StaticServer implements AsyncDisposable {
  /** The requested paths that are not files of the module. */
  readonly strays: string[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: doNothing },
      (request) => this.#respond(new URL(request.url).pathname),
    );
  }

  /** The `host:port` for permission flags. */
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

/** A user's project, outside of this repository. */
class Project implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Creates a folder with these files. */
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

/** The flags that allow imports from the server, and connections to Redis. */
function permissionFlags(server: StaticServer, redis: RedisServer): string[] {
  return [
    `--reload=http://${server.host}`,
    `--allow-import=${server.host}`,
    `--allow-net=127.0.0.1:${redis.port}`,
  ];
}

/** Stores a result, and then prints the events of a task, one per line. */
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

/** Posts its permissions other than `net`, and then the events of a task. */
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

/** Starts worker.ts with only `net` access to Redis, and prints its messages, one per line. */
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
    "mod.ts, imported by URL, streams a result with only net access to Redis, and lets the program end",
  fn: async () => {
    await using redis = await startRedis();
    await using server = new StaticServer();
    await using project = await Project.create({
      "main.ts": mainProgram(server.host),
    });
    await using backend = new ResultBackend(redis.url);
    await backend.markAsStarted("from-parent");
    await using child = project.run([
      ...["--check", ...permissionFlags(server, redis)],
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
    "mod.ts, imported by URL in a Worker with only net access to Redis, streams a result",
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
      // For the main program, which starts a Worker from a file.
      "--allow-read=worker.ts",
      ...permissionFlags(server, redis),
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

/** Stores a result in YAML, and reads it back. */
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
  name: "yaml.ts, imported by URL, needs no more permissions than mod.ts",
  fn: async () => {
    await using redis = await startRedis();
    await using server = new StaticServer();
    await using project = await Project.create({
      "main.ts": yamlProgram(server.host),
    });
    await using child = project.run([
      ...["--check", "--no-prompt", ...permissionFlags(server, redis)],
      ...["main.ts", redis.url],
    ]);
    assertEquals(await child.end(), [
      "18446744073709551616n 1970-01-01T00:00:00.005Z",
    ]);
    assertEquals(server.strays, []);
  },
}));

/** A module in the output of `deno info`. */
interface ModuleInfo {
  specifier: string;
  error?: string;
}

/** Lists the modules that `entry` reaches, without any configuration. */
async function listModules(entry: string): Promise<ModuleInfo[]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--no-config", "--no-lock", "--json", entry],
    cwd: root,
  }).output();
  assert(code === 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout)).modules;
}

Deno.test("mod.ts reaches only files of src/ and full npm: specifiers", async () => {
  const modules = await listModules("mod.ts");
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
  const files = (await listModules("mod.ts")).map(({ specifier }) => specifier);
  assertEquals(files.filter((file) => file.includes("yaml")), []);
});

Deno.test("mod.ts does not reach src/testing/", async () => {
  const files = (await listModules("mod.ts")).map(({ specifier }) => specifier);
  const testing = new URL("src/testing/", root).href;
  assertEquals(files.filter((file) => file.startsWith(testing)), []);
});
