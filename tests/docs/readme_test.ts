/**
 * Checks the snippets of README.md and docs: each is a complete program that
 * compiles when pasted, runs, and runs again on the same Redis.
 *
 * A fence is ` ```ts `, or ` ```ts no-run: REASON ` if the program needs something
 * that a test cannot provide. It must still compile.
 *
 * @module
 */

import settings from "../../deno.json" with { type: "json" };
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { ChildDeno } from "../support/child_deno.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";

const root = new URL("../../", import.meta.url);
/** The URL that the snippets import the module from. */
const PUBLISHED =
  `https://deno.land/x/celery_results@v${settings.version}/` as const;
/** How many snippets may be `no-run`: the docs should show what you can try. */
const MAX_UNRUN = 5;

/** A fenced code block. */
interface Snippet {
  /** The file, and the line of its first word. */
  place: string;
  /** The text after the three backquotes. */
  info: string;
  /** The program, padded so that its line numbers match the file's. */
  code: string;
}

const snippets = await readSnippets();
const programs = snippets.filter(({ info }) => info === "ts");

/** Reads every TypeScript or JavaScript fence. */
async function readSnippets(): Promise<Snippet[]> {
  const names = ["README.md"];
  for await (const { name } of Deno.readDir(new URL("docs/", root))) {
    if (name.endsWith(".md")) names.push(`docs/${name}`);
  }
  const found: Snippet[] = [];
  for (const name of names.sort()) {
    const text = await Deno.readTextFile(new URL(name, root));
    // Indented in lists. deno fmt allows no other form of fence.
    const fences =
      /^( *)```((?:ts|typescript|js|javascript)\b.*)\n([^]*?)^ *```$/gm;
    for (const { index, 2: info = "", 3: code = "" } of text.matchAll(fences)) {
      const above = text.slice(0, index).split("\n").length;
      found.push({
        place: `${name}:${above + 1}`,
        info,
        code: "\n".repeat(above) + code,
      });
    }
  }
  return found;
}

/** A folder with the snippets as programs, and an import map to this repository. */
class Programs implements AsyncDisposable {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async write(): Promise<Programs> {
    const written = new Programs(await Deno.makeTempDir({ prefix: "readme-" }));
    const double = new URL("../support/deno_redis_double.ts", import.meta.url);
    await written.#write(
      "deno_redis.ts",
      `import { denoRedisDouble } from ${JSON.stringify(double.href)};\n` +
        "export const connect = denoRedisDouble();\n",
    );
    await written.#write(
      "deno.json",
      JSON.stringify({
        imports: {
          [PUBLISHED]: root.href,
          "https://deno.land/x/redis@v0.41.2/mod.ts": "./deno_redis.ts",
        },
        nodeModulesDir: "none",
        lock: false,
        unstable: ["worker-options"],
      }),
    );
    for (const snippet of snippets) {
      await written.#write(fileOf(snippet), snippet.code);
    }
    return written;
  }

  /** Type-checks all of them. @throws {Error} with the compiler's output. */
  async check(): Promise<void> {
    await using child = new ChildDeno(
      ["check", ...snippets.map(fileOf)],
      this.#dir,
    );
    await child.end();
  }

  /** Runs a snippet on the Redis at this port; returns the lines it prints. */
  async run(snippet: Snippet, port: number): Promise<string[]> {
    const file = `${port}.${fileOf(snippet)}`;
    await this.#write(file, snippet.code.replaceAll("6379", String(port)));
    await using child = new ChildDeno(
      ["run", "--no-check", "--allow-net=127.0.0.1", file],
      this.#dir,
    );
    return await child.end();
  }

  async #write(name: string, text: string): Promise<void> {
    await Deno.writeTextFile(`${this.#dir}/${name}`, text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#dir, { recursive: true });
  }
}

function fileOf({ place }: Snippet): string {
  return `${place.replaceAll(/\W/g, "_")}.ts`;
}

Deno.test("few snippets of README and docs need more than Redis", () => {
  assert(programs.length >= 8, `${programs.length} programs`);
  const unrun = snippets.filter((snippet) => !programs.includes(snippet));
  for (const { place, info } of unrun) {
    assertMatch(info, /^ts no-run: \w/, `${place} is neither run nor excused`);
  }
  assert(unrun.length <= MAX_UNRUN, unrun.map(({ place }) => place).join(", "));
});

Deno.test("every snippet of README and docs compiles unchanged", async () => {
  await using written = await Programs.write();
  await written.check();
});

Deno.test(needs("redis-server", {
  name:
    "every snippet of README and docs runs, and runs again on the same Redis",
  async fn() {
    await using written = await Programs.write();
    const failures: string[] = [];
    const queue = programs.values();
    // As many at a time as there are cores: starting one takes a core.
    const runners = Array.from(
      { length: navigator.hardwareConcurrency },
      async () => {
        for (const snippet of queue) {
          await using redis = await startRedis();
          for (const run of ["first", "second"]) {
            try {
              await written.run(snippet, redis.port);
            } catch (error) {
              failures.push(`${snippet.place}, ${run} run: ${error}`);
            }
          }
        }
      },
    );
    await Promise.all(runners);
    assertEquals(failures, []);
  },
}));

Deno.test(needs("redis-server", {
  name: "the first lines of code in README.md stream and await results",
  async fn() {
    await using written = await Programs.write();
    await using redis = await startRedis();
    const first = snippets.find(({ place }) => place.startsWith("README"));
    assert(first !== undefined);
    assertEquals(await written.run(first, redis.port), [
      "SUCCESS { total: 42 }",
      "SUCCESS later",
      "later",
    ]);
  },
}));
