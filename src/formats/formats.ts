import type { Codec, Format, StoredDocument } from "./types.ts";

/** The formats that are told by their first bytes. */
export type KnownFormat = "json" | "msgpack" | "pickle";

/** What is stored is in a format that may not be read. Its message reads on from "Cannot decode ...:". */
export class DisallowedFormat extends Error {
  /** The name of the class. */
  override readonly name = "DisallowedFormat";
  /** The format: `pickle`, say. */
  readonly format: string;

  /** Says why a document in `format` is not read. */
  constructor(format: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.format = format;
  }
}

/**
 * The formats of a backend: one that it writes, and those that it reads. A
 * stored value does not say in which format it is; its first bytes tell the
 * common ones apart.
 *
 * Celery: `result_serializer` and `result_accept_content`. Celery reads with
 * its own serializer only; here a fleet can change it while results of both
 * formats are about.
 */
export class Formats implements Codec {
  /** The format that is written. */
  readonly serializer: Format;
  /** Whether text that begins as JSON objects do is read as JSON, before any other format. */
  readonly readsJson: boolean;
  readonly #accepted = new Map<string, Format>();
  readonly #isCustom: boolean;

  /** `accepted` has `serializer` among them. */
  constructor(serializer: Format, accepted: Iterable<Format>) {
    this.serializer = serializer;
    this.#isCustom = !isBuiltIn(serializer.name);
    for (const format of accepted) this.#accepted.set(format.name, format);
    this.readsJson = this.#accepted.has("json") && !this.#isCustom;
  }

  /** The same formats, and those of `more` that are not among them. */
  with(more: Iterable<Format>): Formats {
    const formats = [...more].filter(({ name }) => !this.#accepted.has(name));
    return new Formats(this.serializer, [
      ...this.#accepted.values(),
      ...formats,
    ]);
  }

  /** Writes `value` in the serializer's format. */
  encode(value: unknown, name?: string): StoredDocument {
    return this.serializer.encode(value, name);
  }

  /**
   * Reads a value in whichever accepted format it is.
   *
   * @throws {DisallowedFormat} If it is in one that is not accepted.
   * @throws {Error} If it cannot be read; says why.
   */
  decode(stored: StoredDocument): unknown {
    const known = recognize(stored);
    if (known === "pickle") {
      throw new DisallowedFormat(
        "pickle",
        "it is a pickle, which is never read, since reading one can run any code: " +
          'let Celery store JSON (result_serializer = "json")',
      );
    }
    let failure: unknown;
    for (const format of this.#candidates(known)) {
      try {
        return format.decode(stored);
      } catch (error) {
        failure ??= error;
      }
    }
    if (!this.#accepted.has("yaml") && isYaml(stored)) {
      throw new DisallowedFormat(
        "yaml",
        `it looks like YAML, which is not accepted here (acceptContent: ${this.#names()}): ` +
          "import { yaml } from yaml.ts, which is beside mod.ts, and give it as serializer or in acceptContent",
        { cause: failure },
      );
    }
    if (known !== undefined && !this.#accepted.has(known)) {
      throw new DisallowedFormat(
        known,
        `it is in ${known}, which is not accepted here (acceptContent: ${this.#names()}): ` +
          `add ${JSON.stringify(known)} to acceptContent to read it, ` +
          "or set serializer to what the workers' result_serializer is",
        { cause: failure },
      );
    }
    throw failure ?? new Error(
      `it is in none of the formats that are accepted (acceptContent: ${this.#names()})`,
    );
  }

  /** The formats to try, in order. */
  #candidates(known: KnownFormat | undefined): Format[] {
    const formats = [...this.#accepted.values()].filter(({ name }) =>
      name === known || !isBuiltIn(name)
    );
    // What no other format reads is shown as broken JSON: by far the most likely.
    const json = this.#accepted.get("json");
    if (formats.length === 0 && known === undefined && json !== undefined) {
      return [json];
    }
    const first = this.#isCustom ? this.serializer.name : known;
    return [
      ...formats.filter(({ name }) => name === first),
      ...formats.filter(({ name }) => name !== first),
    ];
  }

  #names(): string {
    return JSON.stringify([...this.#accepted.keys()]);
  }
}

/** The format that the first bytes tell: of a task's document, a group's, or a chord part. */
export function recognize(stored: StoredDocument): KnownFormat | undefined {
  if (typeof stored === "string") {
    return /^[ \t\n\r]*[{[]/.test(stored) ? "json" : undefined;
  }
  const [first = 0, second = 0] = stored;
  // The protocols since pickle's first binary one; an empty map of msgpack has nothing behind it.
  if (first === 0x80 && second >= 2 && second <= 5) return "pickle";
  const isMap = first >= 0x80 && first < 0x90 || first === 0xde ||
    first === 0xdf;
  const isList = first >= 0x90 && first < 0xa0 || first === 0xdc ||
    first === 0xdd;
  if (isMap || isList) return "msgpack";
  return first === 0x7b || first === 0x5b ? "json" : undefined;
}

/** Whether it begins with a name, and has one of a result: PyYAML writes each at the beginning of a line. */
function isYaml(stored: StoredDocument): boolean {
  return typeof stored === "string" && /^(---\s+)?\w+:\s/.test(stored) &&
    /^(status|result):\s/m.test(stored);
}

function isBuiltIn(name: string): boolean {
  return name === "json" || name === "msgpack";
}
