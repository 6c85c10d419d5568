/** The options of a tag. */
export interface TypeOptions {
  kind: "scalar" | "sequence" | "mapping";
  /** Whether data (of a scalar, its text) is of this type. */
  resolve?: (data: unknown) => boolean;
  /** The value of data that is. */
  construct?: (data: unknown) => unknown;
}

/** A tag and its meaning. */
export class Type {
  constructor(tag: string, options: TypeOptions);
}

/** The tags that a document may have; implicit ones are recognized by a plain scalar's text. */
export class Schema {
  extend(types: { implicit?: Type[]; explicit?: Type[] }): Schema;
}

/** Knows strings, lists and mappings only. */
export const FAILSAFE_SCHEMA: Schema;

/** Why a text is not YAML. */
export class YAMLException extends Error {
  /** The reason alone, without the piece of text around it. */
  readonly reason: string;
}

/** Reads a document; of equal keys, the last counts if `json` is true. */
export function load(
  text: string,
  options?: { schema?: Schema; json?: boolean },
): unknown;
