/** How many characters of a text are shown. */
const SHOWN = 100;

/**
 * Names a value that should have been another one, for a message: `42`, `"a"`,
 * `an array`, `an AsyncResult`. What an object holds is not shown. It never
 * throws.
 */
export function describeArgument(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(
        value.length > SHOWN ? `${value.slice(0, SHOWN)}...` : value,
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
