/** The most characters of a string to show. */
const MAX_SHOWN_CHARS = 100;

/**
 * Describes an unexpected value for an error message: `42`, `"a"`, `an array`,
 * `an AsyncResult`. It does not show what an object contains, and never throws.
 */
export function describeArgument(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(
        value.length > MAX_SHOWN_CHARS
          ? `${value.slice(0, MAX_SHOWN_CHARS)}...`
          : value,
      );
    case "function":
      return value.name === "" ? "a function" : `the function ${value.name}`;
    case "object":
      return value === null ? "null" : withArticle(kindOf(value));
    default:
      return String(value);
  }
}

function kindOf(value: object): string {
  try {
    if (Array.isArray(value)) return "array";
    const { name } = value.constructor;
    return name === "" || name === "Object" ? "object" : name;
  } catch {
    // It has no prototype, or is a revoked proxy.
    return "object";
  }
}

function withArticle(noun: string): string {
  return `${/^[aeiou]/i.test(noun) ? "an" : "a"} ${noun}`;
}
