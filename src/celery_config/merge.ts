import type { ResultBackendOptions } from "../options.ts";

/** Options from a Celery configuration, with those of the caller over them. */
export function mergeOptions(
  options: { username?: string; password?: string },
  overrides: ResultBackendOptions,
): ResultBackendOptions {
  const { username: _, password: __, ...rest } = options;
  // Credentials replace both, as Celery's credential provider does.
  const base = overrides.credentials === undefined ? options : rest;
  // An option from an unset environment variable is undefined, and overrides nothing.
  const given = Object.entries(overrides).filter(([, value]) =>
    value !== undefined
  );
  // The names and values are those of `overrides`.
  return { ...base, ...Object.fromEntries(given) } as ResultBackendOptions;
}
