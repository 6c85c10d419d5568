import { describeArgument } from "./describe_argument.ts";
import { closest } from "./nearest.ts";

/** The names that an options object may have. */
export type OptionNames = ReadonlySet<string>;

/** Lists the names of an options type. The compiler reports a missing name. */
export function optionNames<Options>(
  names: Record<keyof Options, true>,
): OptionNames {
  return new Set(Object.keys(names));
}

/**
 * Checks the options of a call. It is on the path of every `get()`, and cheap
 * for valid options. A class instance may have other members too, as it may for
 * the compiler: an AbortController is fine, since it has a `signal`.
 *
 * @throws {TypeError} if the options are not an object, have an unknown name, or
 * a `signal` that is not an AbortSignal.
 */
export function checkOptions(options: unknown, known: OptionNames): void {
  if (options === undefined) return;
  checkIsObject(options, known);
  // Unlike Object.keys, this allocates no array.
  for (const name in options) {
    if (!known.has(name)) refuseUnknown(options, name, known);
  }
  if ("signal" in options) checkSignal(options.signal);
}

/**
 * Checks that options are an object.
 *
 * @throws {TypeError} if they are not; the message says what to pass.
 */
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

/** The message for an unknown option, with the closest known one. `path` leads to nested options: `tls.`. */
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
