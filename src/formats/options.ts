import { ConfigurationError } from "../errors.ts";
import { jsonFormat } from "./json/format.ts";
import { msgpackFormat } from "./msgpack/format.ts";
import { FormatSet } from "./format_set.ts";
import type { JsonTypes } from "./json/encode.ts";
import { customFormat, type Serializer } from "./custom.ts";
import type { Format } from "./types.ts";

/**
 * The options for the formats that results are stored in and read from.
 *
 * @category Options
 */
export interface SerializerOptions {
  /**
   * The format that results are stored in: `"json"`, `"msgpack"`, or a custom
   * one. For YAML, pass `yaml` from `yaml.ts`. Celery: `result_serializer`,
   * which should be the same.
   *
   * @default {"json"}
   */
  serializer?: "json" | "msgpack" | Serializer;
  /**
   * The formats that are read, each as in `serializer`. A result in any other
   * format is a `ContentDisallowedError`. Accept several to change a fleet's
   * serializer while results in both formats exist. Celery:
   * `result_accept_content`.
   *
   * @default {[serializer]}
   */
  acceptContent?: readonly (string | Serializer)[];
  /**
   * How JSON represents dates and bytes: `"tagged"`, in the envelopes of kombu
   * 5.3 and later; or `"plain"`, like kombu 5.2 and older: dates as text, and no
   * bytes. Both are always read.
   *
   * @default {"tagged"}
   */
  jsonTypes?: "tagged" | "plain";
}

/** The options that apply to each format. */
interface FormatOptions {
  readonly integers: "bigint" | "number";
  readonly jsonTypes: JsonTypes;
}

/** The content types that kombu allows in place of names. */
const CONTENT_TYPES: ReadonlyMap<string, string> = new Map([
  ["application/json", "json"],
  ["application/x-msgpack", "msgpack"],
  ["application/x-yaml", "yaml"],
  ["application/x-python-serialize", "pickle"],
]);

/**
 * Makes the formats that the options name.
 *
 * @throws {ConfigurationError} If one is unknown or cannot be used, or if
 * `acceptContent` lacks the serializer.
 */
export function resolveFormats(
  options: SerializerOptions,
  integers: "bigint" | "number",
): FormatSet {
  const { serializer = "json", jsonTypes = "tagged", acceptContent } = options;
  if (jsonTypes !== "tagged" && jsonTypes !== "plain") {
    throw new ConfigurationError(
      `Cannot use ${
        String(jsonTypes)
      } as jsonTypes: expected "tagged" or "plain"`,
    );
  }
  const formatOptions = { integers, jsonTypes };
  const written = resolveFormat("serializer", serializer, formatOptions);
  const accepted = new Map<string, Format>([[written.name, written]]);
  if (acceptContent === undefined) {
    return new FormatSet(written, accepted.values());
  }
  if (!Array.isArray(acceptContent)) {
    throw new ConfigurationError(
      `Cannot use ${
        String(acceptContent)
      } as acceptContent: expected a list of names, such as ["json"]`,
    );
  }
  let acceptsWritten = false;
  for (const item of acceptContent) {
    // The name of a custom serializer means that serializer.
    if (formatName(item) === written.name) acceptsWritten = true;
    else {
      const format = resolveFormat("acceptContent", item, formatOptions);
      accepted.set(format.name, format);
    }
  }
  if (!acceptsWritten) {
    throw new ConfigurationError(
      `Cannot use ${
        JSON.stringify(acceptContent.map(formatName))
      } as acceptContent: it lacks the serializer ${
        JSON.stringify(written.name)
      }, so stored results could not be read back; add it`,
    );
  }
  return new FormatSet(written, accepted.values());
}

function resolveFormat(
  option: string,
  serializer: unknown,
  options: FormatOptions,
): Format {
  if (isSerializer(serializer)) {
    const { name } = serializer;
    if (name !== "json" && name !== "msgpack" && name !== "pickle") {
      return customFormat(serializer, options);
    }
    throw new ConfigurationError(
      `Cannot use a serializer named ${JSON.stringify(name)} as ${option}: ` +
        "that name is reserved; choose another",
    );
  }
  const name = formatName(serializer);
  switch (name) {
    case "json":
      return jsonFormat(options, options.jsonTypes);
    case "msgpack":
      return msgpackFormat(options);
    case "pickle":
      throw new ConfigurationError(
        `Cannot use "pickle" as ${option}: reading a pickle can run any code, so it is never read; ` +
          'let Celery store JSON (result_serializer = "json")',
      );
    case "yaml":
      throw new ConfigurationError(
        `Cannot use "yaml" as ${option} by name: import { yaml } from "./yaml.ts" (next to mod.ts), ` +
          "and pass yaml itself, so that only its users load a YAML parser",
      );
    default:
      throw new ConfigurationError(
        `Cannot use ${
          JSON.stringify(name)
        } as ${option}: expected "json", "msgpack", ` +
          "or an object with a name, encode() and decode()",
      );
  }
}

/** Returns the name of a format that an option names or holds. */
function formatName(item: unknown): string {
  if (isSerializer(item)) return item.name;
  const name = String(item);
  return CONTENT_TYPES.get(name) ?? name;
}

function isSerializer(value: unknown): value is Serializer {
  if (typeof value !== "object" || value === null) return false;
  // Each may be missing: this only looks.
  const { name, encode, decode } = value as Partial<Serializer>;
  return typeof name === "string" && name !== "" &&
    typeof encode === "function" && typeof decode === "function";
}
