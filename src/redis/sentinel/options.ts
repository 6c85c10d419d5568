import { ConfigurationError } from "../../errors.ts";
import {
  type OptionNames,
  optionNames,
  unknownOption,
} from "../../util/option_names.ts";
import type { TlsOptions } from "../tls/tls.ts";

/**
 * What a `sentinel://` URL does not say about the Sentinels.
 *
 * @category Options
 */
export interface SentinelOptions {
  /**
   * The name under which the Sentinels watch the master. Optional where they
   * watch only one. Celery: `master_name`.
   */
  masterName?: string;
  /**
   * How many other Sentinels a Sentinel must know for its answer to count.
   * Celery: `min_other_sentinels`.
   *
   * @default {0}
   */
  minOtherSentinels?: number;
  /** The ACL user at the Sentinels, separate from the servers'. Celery: `sentinel_kwargs`. */
  username?: string;
  /** The password of the Sentinels, separate from the servers'. Celery: `sentinel_kwargs`. */
  password?: string;
  /**
   * How to use TLS with the Sentinels; `false` turns it off. By default it is
   * the same as with the servers. Celery: `sentinel_kwargs`.
   */
  tls?: TlsOptions | false;
}

const NAMES: OptionNames = optionNames<SentinelOptions>({
  masterName: true,
  minOtherSentinels: true,
  username: true,
  password: true,
  tls: true,
});

/**
 * Checks the option `sentinel`, except for its `tls`. No message shows a value
 * that may be a password.
 *
 * @throws {ConfigurationError} if a name is unknown, or a value is out of
 * range.
 */
export function checkSentinelOptions(options: SentinelOptions): void {
  const given: unknown = options;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new ConfigurationError(
      `Cannot use a value of the type ${typeof given} as sentinel: expected an object, such as { masterName: "mymaster" }`,
    );
  }
  for (const name of Object.keys(given)) {
    if (NAMES.has(name)) continue;
    throw new ConfigurationError(unknownOption(name, NAMES, "sentinel."));
  }
  for (const name of ["masterName", "username", "password"] as const) {
    const value: unknown = options[name];
    if (value === undefined || (typeof value === "string" && value !== "")) {
      continue;
    }
    throw new ConfigurationError(
      `Cannot use the value of sentinel.${name}: expected text, and this is ${
        value === "" ? "empty" : `of the type ${typeof value}`
      }`,
    );
  }
  const { minOtherSentinels = 0, username, password } = options;
  if (!Number.isSafeInteger(minOtherSentinels) || minOtherSentinels < 0) {
    throw new ConfigurationError(
      `Cannot use ${
        String(minOtherSentinels)
      } as sentinel.minOtherSentinels: expected a whole number from 0`,
    );
  }
  if (username !== undefined && password === undefined) {
    throw new ConfigurationError(
      "Cannot use sentinel.username without sentinel.password: give both",
    );
  }
}
