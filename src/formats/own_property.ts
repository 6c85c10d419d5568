/**
 * Sets `target[key]`, whatever the key: assigning to `__proto__` would call the
 * setter of `Object.prototype` where there is one, and change the prototype.
 */
export function setOwn(
  target: Record<string, unknown>,
  key: string,
  value: unknown,
): void {
  if (key !== "__proto__") {
    target[key] = value;
    return;
  }
  Object.defineProperty(target, key, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
