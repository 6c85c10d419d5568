import { load, YAMLException } from "../../deps/js_yaml.ts";
import { integerRefusal, type Refusal } from "../encodable.ts";
import type { Serializer } from "../custom.ts";
import { toPlain } from "../plain.ts";
import { encodeYaml } from "./encode.ts";
import { createSchema } from "./schema.ts";

/** PyYAML fails at about 400 levels, less the depth of its caller's stack. */
const MAX_YAML_DEPTH = 200;

/**
 * Encodes and decodes YAML like Celery's workers (PyYAML's `safe_dump()` and
 * `safe_load()`), for the options `serializer` and `acceptContent`:
 *
 * - a timestamp is a `Date`, `!!binary` is a `Uint8Array`, and integers of up to
 *   4,300 digits are exact;
 * - a date without a time is text, a set is a list, and a key that is not a
 *   string is its text (`1` is `"1"`);
 * - Python's own tags (`!!python/...`) are refused, never resolved.
 *
 * @example
 * ```ts ignore
 * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { yaml } from "https://deno.land/x/celery_results@v0.1.0/yaml.ts";
 *
 * await using backend = new ResultBackend(url, { serializer: yaml });
 * ```
 */
export const yaml: Serializer = {
  name: "yaml",
  encode: (value) =>
    encodeYaml(
      toPlain(value, "value", { maxDepth: MAX_YAML_DEPTH, refuse: refuse }),
    ),
  decode(stored): unknown {
    if (typeof stored !== "string") {
      throw new Error("it is not YAML: its bytes are not UTF-8");
    }
    // It would parse as YAML, but no YAML of Celery's begins like this.
    if (/^\s*\{\s*"/.test(stored)) {
      throw new Error("it is not YAML as Celery writes it: it begins as JSON");
    }
    try {
      return load(stored, { schema: createSchema(stored.length), json: true });
    } catch (cause) {
      const reason = cause instanceof YAMLException
        ? cause.reason
        : String(cause);
      throw new Error(
        `it is not YAML that can be read (${reason}): Python's own tags are never resolved, ` +
          "and nesting is limited",
        { cause },
      );
    }
  },
};

function refuse(value: string | bigint): Refusal | undefined {
  return typeof value === "bigint" ? integerRefusal(value) : undefined;
}
