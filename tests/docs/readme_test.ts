/**
 * The snippets of README.md and of docs: each is a whole program that compiles
 * when it is pasted, runs, and runs again on the same Redis.
 *
 * A fence is ` ```ts `, or ` ```ts no-run: REASON ` where a program needs what a
 * test cannot give it; it compiles all the same.
 *
 * @module
 */

import settings from "../../deno.json" with { type: "json" };
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { ChildDeno } from "../support/child_deno.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";

const root = new URL("../../", import.meta.url);
/** Where the texts import the module from. */
const PUBLISHED =
  `https://deno.land/x/celery_results@v${settings.version}/` as const;
/** The fences that may stay unrun; README and docs are to show what anybody can try. */
const MAX_UNRUN = 5;

/** A fence in a text. */
interface Snippet {
  /** Where it is: the text's name and the line of its first word. */
  place: string;
  /** What follows the three backquotes. */
  info: string;
  /** The program, on the lines that it has in the text. */
  code: string;
}

const snippets = await readSnippets();
const programs = snippets.filter(({ info }) => info === "ts");

/** Every fence in something like TypeScript. */
async function readSnippets(): Promise<Snippet[]> {
  const names = ["README.md"];
  for await (const { name } of Deno.readDir(new URL("docs/", root))) {
    if (name.endsWith(".md")) names.push(`docs/${name}`);
  }
  const found: Snippet[] = [];
  for (const name of names.sort()) {
    const text = await Deno.readTextFile(new URL(name, root));
    // Indented in a list; deno fmt lets no other form of a fence pass.
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

/** A folder with the snippets as programs, and what makes their imports lead here. */
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

  /** Type-checks all of them. @throws {Error} with what the compiler says. */
  async check(): Promise<void> {
    await using child = new ChildDeno(
      ["check", ...snippets.map(fileOf)],
      this.#dir,
    );
    await child.end();
  }

  /** Runs a snippet on the Redis at this port; gives what it prints. */
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

Deno.test("the snippets of README and docs are programs, few of which need more than Redis", () => {
  assert(programs.length >= 8, `${programs.length} programs`);
  const unrun = snippets.filter((snippet) => !programs.includes(snippet));
  for (const { place, info } of unrun) {
    assertMatch(info, /^ts no-run: \w/, `${place} is neither run nor excused`);
  }
  assert(unrun.length <= MAX_UNRUN, unrun.map(({ place }) => place).join(", "));
});

Deno.test("every snippet of README and docs compiles as it stands", async () => {
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
    // A few at a time: each takes a processor while it starts.
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
