/**
 * Runs `test` while `__proto__` works as outside of Deno, where assigning to it
 * changes an object's prototype. Deno removes the accessor, unless it is started
 * with `--unstable-unsafe-proto`.
 */
export function withProtoSetter(test: () => void): void {
  const before = Object.getOwnPropertyDescriptor(Object.prototype, "__proto__");
  Object.defineProperty(Object.prototype, "__proto__", {
    get(this: object): unknown {
      return Object.getPrototypeOf(this);
    },
    set(this: object, value: unknown): void {
      if (typeof value === "object") Object.setPrototypeOf(this, value);
    },
    configurable: true,
  });
  try {
    test();
  } finally {
    Reflect.deleteProperty(Object.prototype, "__proto__");
    if (before !== undefined) {
      Object.defineProperty(Object.prototype, "__proto__", before);
    }
  }
}
