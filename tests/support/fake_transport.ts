import type { Transport } from "../../src/runtime.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A byte connection whose other end is the test. */
export class FakeTransport implements Transport {
  /** How often it was closed. A real one throws the second time. */
  closed = 0;
  /** Whether it keeps the process alive. */
  isRef = true;
  /** The most bytes that a write accepts. */
  maxWrite = Infinity;
  /** Called with everything that is written. */
  onWrite: (bytes: Uint8Array) => void = () => {};
  readonly #written: Uint8Array[] = [];
  readonly #incoming: Uint8Array[] = [];
  #reader: PromiseWithResolvers<void> | undefined;
  #writer: PromiseWithResolvers<void> | undefined;
  #isStalled = false;
  #ended = false;
  #error: Error | undefined;

  /** Everything that was written, as text. */
  get sent(): string {
    return this.#written.map((bytes) => decoder.decode(bytes)).join("");
  }

  /** The number of writes. */
  get writes(): number {
    return this.#written.length;
  }

  /** Whether a read is pending. */
  get isReading(): boolean {
    return this.#reader !== undefined;
  }

  /** Delivers bytes to the reader. */
  receive(data: string | Uint8Array): void {
    this.#incoming.push(typeof data === "string" ? encoder.encode(data) : data);
    this.#wake();
  }

  /** Ends the stream, as a peer that closes does. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Breaks the connection: reads and writes fail. */
  break(error: Error): void {
    this.#error = error;
    this.#wake();
    this.#writer?.reject(error);
  }

  /** Blocks writes until `resume`. */
  stall(): void {
    this.#isStalled = true;
  }

  /** Unblocks the writes. */
  resume(): void {
    this.#isStalled = false;
    this.#writer?.resolve();
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      const bytes = this.#incoming.shift();
      if (bytes !== undefined) {
        const length = Math.min(bytes.length, buffer.length);
        buffer.set(bytes.subarray(0, length));
        if (length < bytes.length) {
          this.#incoming.unshift(bytes.subarray(length));
        }
        return length;
      }
      if (this.#ended) return null;
      this.#reader = Promise.withResolvers();
      await this.#reader.promise;
      this.#reader = undefined;
    }
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.#error !== undefined) throw this.#error;
    if (this.#isStalled) {
      this.#writer = Promise.withResolvers();
      await this.#writer.promise;
      this.#writer = undefined;
    }
    const taken = bytes.slice(0, Math.min(bytes.length, this.maxWrite));
    this.#written.push(taken);
    this.onWrite(taken);
    return taken.length;
  }

  close(): void {
    this.closed++;
    this.break(new Deno.errors.BadResource("Bad resource ID"));
  }

  ref(): void {
    this.isRef = true;
  }

  unref(): void {
    this.isRef = false;
  }

  #wake(): void {
    this.#reader?.resolve();
  }
}
