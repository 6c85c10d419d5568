/**
 * What the tests' Celery worker and Celery client have in common: a Python process
 * that communicates by lines.
 *
 * Output is read only while a caller waits for a line: no read of a process that
 * several tests share is pending when one of them ends.
 *
 * @module
 */

import { CELERY_PYTHON } from "./needs.ts";

/** Where tests/interop is, with tasks.py and driver.py. */
const directory = new URL("../interop/", import.meta.url);

/** A running Python, its input and its output in lines. */
export class PythonProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #output: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #decoder = new TextDecoder();
  readonly #lines: string[] = [];
  #rest = "";

  /**
   * Runs Python with these arguments in tests/interop, in a process group of its own.
   * Results go to the database of `redisUrl`, messages to its database 1.
   */
  constructor(args: string[], redisUrl: string) {
    this.#child = new Deno.Command(CELERY_PYTHON, {
      args,
      cwd: directory,
      env: {
        PYTHONDONTWRITEBYTECODE: "1",
        PYTHONUNBUFFERED: "1",
        BROKER_URL: new URL("/1", redisUrl).href,
        RESULT_URL: redisUrl,
        // Tests of another file may have changed it: all share one environment.
        TZ: "UTC",
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.getReader();
  }

  /** Writes one line to its input. */
  async writeLine(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(line + "\n"));
  }

  /** Reads the next line of output; null at its end. */
  async readLine(): Promise<string | null> {
    while (this.#lines.length === 0) {
      const { value, done } = await this.#output.read();
      if (done) return null;
      const lines = (this.#rest + this.#decoder.decode(value, { stream: true }))
        .split("\n");
      this.#rest = lines.pop() ?? "";
      this.#lines.push(...lines);
    }
    return this.#lines.shift() ?? null;
  }

  /** Waits for its end, and returns what it wrote to its error output. */
  async errors(): Promise<string> {
    const text = await new Response(this.#child.stderr).text();
    await this.#child.status;
    return text;
  }

  /** Kills the process and all its children, and waits for their end. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      Deno.kill(-this.#child.pid, "SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await this.#child.status;
    // Fails if the process has ended.
    await this.#input.close().catch(() => {});
    await this.#output.cancel();
    if (!this.#child.stderr.locked) await this.#child.stderr.cancel();
  }
}
