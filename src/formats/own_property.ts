/**
 * Sets `target[key]` for any key. Assigning to `__proto__` could call the setter
 * of `Object.prototype`, and change the prototype.
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
