import { DisallowedFormat } from "./disallowed_format.ts";
import { looksLikeYaml, recognizeFormat } from "./recognize.ts";
import type { Format, StoredDocument } from "./types.ts";

/**
 * The formats of a backend: it encodes in one, and decodes all that are
 * accepted. A stored value does not name its format, but its first bytes tell
 * the common ones apart.
 *
 * Celery: `result_serializer` and `result_accept_content`. Celery itself
 * decodes with its own serializer only; accepting several lets a fleet change
 * its serializer while results in both formats exist.
 */
export class FormatSet implements Format {
  /** The name of the format that values are encoded in. */
  readonly name: string;
  /** Whether text that begins like a JSON object is decoded as JSON, before any other format. */
  readonly prefersJson: boolean;
  readonly #written: Format;
  readonly #accepted = new Map<string, Format>();

  /** Encodes in `written`, which must be one of `accepted`. */
  constructor(written: Format, accepted: Iterable<Format>) {
    this.name = written.name;
    this.#written = written;
    for (const format of accepted) this.#accepted.set(format.name, format);
    this.prefersJson = this.#accepted.has("json") && isBuiltin(written.name);
  }

  /** Makes a set that also accepts those of `formats` whose names are new to it. */
  with(formats: Iterable<Format>): FormatSet {
    return new FormatSet(this.#written, [
      ...this.#accepted.values(),
      ...[...formats].filter(({ name }) => !this.#accepted.has(name)),
    ]);
  }

  /** Encodes `value`. */
  encode(value: unknown, valueName?: string): StoredDocument {
    return this.#written.encode(value, valueName);
  }

  /**
   * Decodes a value in any accepted format.
   *
   * @throws {DisallowedFormat} If its format is not accepted.
   * @throws {Error} If it cannot be decoded. The message gives the reason.
   */
  decode(stored: StoredDocument): unknown {
    const recognized = recognizeFormat(stored);
    if (recognized === "pickle") {
      throw new DisallowedFormat(
        "pickle",
        "it is a pickle, which is never read, since reading one can run any code: " +
          'let Celery store JSON (result_serializer = "json")',
      );
    }
    let failure: unknown;
    for (const format of this.#candidates(recognized)) {
      try {
        return format.decode(stored);
      } catch (error) {
        failure ??= error;
      }
    }
    if (!this.#accepted.has("yaml") && looksLikeYaml(stored)) {
      throw new DisallowedFormat(
        "yaml",
        `it looks like YAML, which is not accepted here (acceptContent: ${this.#names()}): ` +
          "import { yaml } from yaml.ts, which is beside mod.ts, and pass it as serializer or in acceptContent",
        { cause: failure },
      );
    }
    if (recognized !== undefined && !this.#accepted.has(recognized)) {
      throw new DisallowedFormat(
        recognized,
        `it is in ${recognized}, which is not accepted here (acceptContent: ${this.#names()}): ` +
          `add ${JSON.stringify(recognized)} to acceptContent to read it, ` +
          "or set serializer to the workers' result_serializer",
        { cause: failure },
      );
    }
    throw failure ?? new Error(
      `it is in none of the accepted formats (acceptContent: ${this.#names()})`,
    );
  }

  /** The formats to try, in order. */
  #candidates(recognized: string | undefined): Format[] {
    const formats = [...this.#accepted.values()].filter(({ name }) =>
      name === recognized || !isBuiltin(name)
    );
    // Text that no format claims is most likely broken JSON: let that parser say where.
    const json = this.#accepted.get("json");
    if (formats.length === 0 && recognized === undefined && json) return [json];
    const first = isBuiltin(this.name) ? recognized : this.name;
    return [
      ...formats.filter(({ name }) => name === first),
      ...formats.filter(({ name }) => name !== first),
    ];
  }

  #names(): string {
    return JSON.stringify([...this.#accepted.keys()]);
  }
}

function isBuiltin(name: string): boolean {
  return name === "json" || name === "msgpack";
}
