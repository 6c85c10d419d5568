/** A class whose instances are errors; abstract ones too. */
export type ErrorClass<E extends Error = Error> = abstract new (
  ...args: never[]
) => E;

/** Fails unless `expr` is truthy. */
export function assert(expr: unknown, msg?: string): asserts expr;

/** Fails unless the two are equal, deeply: same classes, same members. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void;

/** Fails if `actual` is null or undefined. */
export function assertExists<T>(
  actual: T,
  msg?: string,
): asserts actual is NonNullable<T>;

/** Fails unless `actual` is an instance of `expectedType`. */
export function assertInstanceOf<T>(
  actual: unknown,
  expectedType: abstract new (...args: never[]) => T,
  msg?: string,
): asserts actual is T;

/** Fails unless `expected` matches `actual`. */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void;

/** Fails if the two are equal, deeply. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;

/** Fails unless `fn` returns a promise that rejects; returns what it rejected with. */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
  msg?: string,
): Promise<unknown>;
/** Fails unless it rejects with an `errorClass` whose message holds `msgIncludes`; returns that error. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;

/** Fails unless the two are the same value (`Object.is`). */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T;

/** Fails unless `actual` holds `expected`. */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void;

/** Fails unless `fn` throws; returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Fails unless it throws an `errorClass` whose message holds `msgIncludes`; returns that error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;

/** Fails, always. */
export function fail(msg?: string): never;
