import { load, YAMLException } from "../../deps/js_yaml.ts";
import { integerRefusal, type Refusal } from "../encodable.ts";
import { toPlain } from "../plain.ts";
import type { Serializer } from "../custom.ts";
import { schemaOf } from "./schema.ts";
import { writeYaml } from "./encode.ts";

/** PyYAML gives up at about 400 levels, less the depth of the stack it is called on. */
const MAX_DEPTH = 200;

/**
 * YAML as Celery's workers write and read it (PyYAML's `safe_dump()` and
 * `safe_load()`), for the options `serializer` and `acceptContent`:
 *
 * - timestamps are `Date`s, `!!binary` is a `Uint8Array`, integers of up to
 *   4,300 digits are exact;
 * - a date without a time is text, a set a list, and a key that is no string
 *   its text (`1` is `"1"`);
 * - a tag of Python's (`!!python/...`) is refused, never resolved.
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
    writeYaml(
      toPlain(value, "value", { maxDepth: MAX_DEPTH, refuse: refusalOf }),
    ),
  decode(stored): unknown {
    if (typeof stored !== "string") {
      throw new Error("it is not YAML: its bytes are not UTF-8");
    }
    // It would be read, but no YAML of Celery's begins so.
    if (/^\s*\{\s*"/.test(stored)) {
      throw new Error("it is not YAML as Celery writes it: it begins as JSON");
    }
    try {
      return load(stored, { schema: schemaOf(stored.length), json: true });
    } catch (cause) {
      const reason = cause instanceof YAMLException
        ? cause.reason
        : String(cause);
      throw new Error(
        `it is not YAML that can be read (${reason}): tags of Python's are never resolved, ` +
          "and nesting has an end",
        { cause },
      );
    }
  },
};

function refusalOf(value: string | bigint): Refusal | undefined {
  return typeof value === "bigint" ? integerRefusal(value) : undefined;
}
