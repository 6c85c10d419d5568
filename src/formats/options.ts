import { ConfigurationError } from "../errors.ts";
import { jsonFormat } from "./json/format.ts";
import { msgpackFormat } from "./msgpack/format.ts";
import { FormatSet } from "./format_set.ts";
import type { JsonTypes } from "./json/encode.ts";
import { customFormat, type Serializer } from "./custom.ts";
import type { Format } from "./types.ts";

/** The options that say in which formats results are written and read. */
export interface SerializerOptions {
  /**
   * The format that results are stored in: `"json"`, `"msgpack"`, or one of the
   * application's own. YAML is `yaml` of `yaml.ts`. Celery:
   * `result_serializer`, which should say the same.
   *
   * @default {"json"}
   */
  serializer?: "json" | "msgpack" | Serializer;
  /**
   * The formats that are read: names as `serializer` takes them, or the
   * serializers themselves where they are the application's own. What is in
   * another one is a `ContentDisallowedError`. Several let a fleet change from
   * one to the other while results of both are about. Celery:
   * `result_accept_content`.
   *
   * @default {[serializer]}
   */
  acceptContent?: readonly (string | Serializer)[];
  /**
   * How JSON holds dates and bytes: `"tagged"`, in the envelopes that kombu
   * writes since 5.3; or `"plain"`, as kombu 5.2 and older wrote it: dates as
   * text, and no bytes. Both are read, always.
   *
   * @default {"tagged"}
   */
  jsonTypes?: "tagged" | "plain";
}

/** What formats are made for. */
interface FormatOptions {
  readonly integers: "bigint" | "number";
  readonly jsonTypes: JsonTypes;
}

/** Kombu's names of content types, which its accept lists may hold. */
const CONTENT_TYPES: ReadonlyMap<string, string> = new Map([
  ["application/json", "json"],
  ["application/x-msgpack", "msgpack"],
  ["application/x-yaml", "yaml"],
  ["application/x-python-serialize", "pickle"],
]);

/**
 * Checks which formats the options name, and makes them.
 *
 * @throws {ConfigurationError} if one is unknown, cannot be used, or is written but not accepted.
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
  const made = { integers, jsonTypes };
  const own = resolveFormat("serializer", serializer, made);
  const accepted = new Map<string, Format>([[own.name, own]]);
  if (acceptContent === undefined) return new FormatSet(own, accepted.values());
  if (!Array.isArray(acceptContent)) {
    throw new ConfigurationError(
      `Cannot use ${
        String(acceptContent)
      } as acceptContent: expected a list of names, ["json"] say`,
    );
  }
  let acceptsOwn = false;
  for (const item of acceptContent) {
    // The serializer's own name stands for it, whatever it is.
    if (formatName(item) === own.name) acceptsOwn = true;
    else {
      const format = resolveFormat("acceptContent", item, made);
      accepted.set(format.name, format);
    }
  }
  if (!acceptsOwn) {
    throw new ConfigurationError(
      `Cannot use ${
        JSON.stringify(acceptContent.map(formatName))
      } as acceptContent: it lacks the serializer, ${
        JSON.stringify(own.name)
      }, and so results could not be read where they were stored; add it`,
    );
  }
  return new FormatSet(own, accepted.values());
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
        "the name is taken; choose another",
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
        `Cannot use "yaml" as ${option} by name: import { yaml } from "./yaml.ts" (it stands beside mod.ts), ` +
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

/** The name that an item of an accept list means. */
function formatName(item: unknown): string {
  if (isSerializer(item)) return item.name;
  const name = String(item);
  return CONTENT_TYPES.get(name) ?? name;
}

function isSerializer(value: unknown): value is Serializer {
  if (typeof value !== "object" || value === null) return false;
  // Only looked at; each may be missing.
  const { name, encode, decode } = value as Partial<Serializer>;
  return typeof name === "string" && name !== "" &&
    typeof encode === "function" && typeof decode === "function";
}
