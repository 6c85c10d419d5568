import { formatTraceback } from "../protocol/traceback.ts";
import { checkOptions, type OptionNames } from "../util/option_names.ts";
import type { StoreOptions } from "./result_store.ts";

/**
 * Adds the traceback of a JavaScript error and its causes to options, unless
 * they have one.
 *
 * @throws {TypeError} if the options are not an object, or have a name that is
 * not `known`.
 */
export function withTraceback<Options extends StoreOptions>(
  error: unknown,
  options: Options | undefined,
  known: OptionNames,
): Options | StoreOptions {
  // Before they are copied: a copy of a number would be a valid, empty object.
  checkOptions(options, known);
  return options?.traceback === undefined
    ? { ...options, traceback: formatTraceback(error) }
    : options;
}
