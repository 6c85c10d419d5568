import { describeArgument } from "./describe_argument.ts";
import { closest } from "./nearest.ts";

/** The names that an options object may have. */
export type OptionNames = ReadonlySet<string>;

/** Lists the names of an options type; the compiler checks that none is missing. */
export function optionNames<Options>(
  names: Record<keyof Options, true>,
): OptionNames {
  return new Set(Object.keys(names));
}

/**
 * Checks the options of a call. Every `get()` does this, so valid options cost
 * next to nothing. As with the compiler, an instance of a class may have more
 * properties than the options: an AbortController, which has a `signal`, is fine.
 *
 * @throws {TypeError} if `options` is not an object, has an unknown name, or a
 * `signal` that is not an AbortSignal.
 */
export function checkOptions(options: unknown, known: OptionNames): void {
  if (options === undefined) return;
  checkIsObject(options, known);
  // Not Object.keys, which allocates an array.
  for (const name in options) {
    if (!known.has(name)) refuseUnknown(options, name, known);
  }
  if ("signal" in options) checkSignal(options.signal);
}

/** @throws {TypeError} if `options` is not an object; the message says what to pass. */
export function checkIsObject(
  options: unknown,
  known: OptionNames,
): asserts options is object {
  if (
    typeof options === "object" && options !== null && !Array.isArray(options)
  ) return;
  const shown = describeArgument(options);
  throw new TypeError(
    typeof options === "number" && known.has("timeout")
      ? `Cannot use ${shown} as options: give a timeout in milliseconds, as in get({ timeout: ${shown} })`
      : `Cannot use ${shown} as options: expected an object with ${
        listNames(known)
      }`,
  );
}

/** Formats the error for an unknown option, with the one that was probably meant. `path` is the prefix of a nested option, such as `tls.`. */
export function unknownOption(
  name: string,
  known: OptionNames,
  path = "",
): string {
  const close = closest(name, known);
  return `Unknown option ${JSON.stringify(path + name)}: ${
    close === undefined
      ? `expected ${listNames(known)}`
      : `did you mean ${path}${close}?`
  }`;
}

function refuseUnknown(
  options: object,
  name: string,
  known: OptionNames,
): void {
  if (options instanceof AbortSignal) {
    throw new TypeError(
      "Cannot use an AbortSignal as options: give it as { signal }",
    );
  }
  const prototype: unknown = Object.getPrototypeOf(options);
  if (prototype !== null && prototype !== Object.prototype) return;
  throw new TypeError(
    /^time_?out/i.test(name) && known.has("signal") && !known.has("timeout")
      ? `Unknown option ${
        JSON.stringify(name)
      }: give { signal: AbortSignal.timeout(milliseconds) }`
      : unknownOption(name, known),
  );
}

function checkSignal(signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new TypeError(
    `Cannot use ${describeArgument(signal)} as signal: ${
      signal instanceof AbortController
        ? "give its signal, { signal: controller.signal }"
        : "expected an AbortSignal"
    }`,
  );
}

function listNames(known: OptionNames): string {
  const names = [...known];
  const last = names.pop();
  return names.length === 0 ? `${last}` : `${names.join(", ")} or ${last}`;
}
