/**
 * A Deno process as a resource of a test: for what depends on permissions, on the
 * configuration, or on where a program is imported from.
 *
 * @module
 */

/** A Deno process whose output is read by lines. */
export class ChildDeno implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncGenerator<string, void>;
  readonly #errors: Promise<string>;

  /** Runs `deno args...` in `cwd`. */
  constructor(args: string[], cwd: string) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args,
      cwd,
      env: { NO_COLOR: "1", DENO_NO_PROMPT: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#lines = linesOf(this.#child.stdout);
    this.#errors = new Response(this.#child.stderr).text();
  }

  /** Reads the next line of output. @throws {Error} With the error output, if the process ended. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (!done) return value;
    throw new Error(`The child ended early:\n${await this.#errors}`);
  }

  /** Waits for the process to end, and returns the unread lines. @throws {Error} Unless it succeeded. */
  async end(): Promise<string[]> {
    const lines = await Array.fromAsync(this.#lines);
    const { code, signal } = await this.#child.status;
    if (code === 0) return lines;
    const text = [...lines, await this.#errors].join("\n");
    throw new Error(`The child ended with ${signal ?? code}:\n${text}`);
  }

  /** Kills the process, unless it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#child.status;
    await this.#lines.return();
    await this.#errors;
  }
}

async function* linesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string, void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}
