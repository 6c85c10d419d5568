/** `T` whose members that may be undefined are optional instead. */
export type WithoutUndefined<T> =
  & { [K in keyof T as undefined extends T[K] ? never : K]: T[K] }
  & {
    [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<
      T[K],
      undefined
    >;
  };

/** Copies an object without its undefined members, as `exactOptionalPropertyTypes` requires. */
export function withoutUndefined<T extends object>(
  object: T,
): WithoutUndefined<T> {
  const defined = Object.entries(object).filter(([, value]) =>
    value !== undefined
  );
  // Exactly the members that the type makes optional may be missing.
  return Object.fromEntries(defined) as WithoutUndefined<T>;
}
