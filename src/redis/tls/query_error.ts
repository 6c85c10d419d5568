/** What kept a query from being read; the message follows `Cannot use the Redis URL ...: `. */
export class QueryError extends Error {
  /** The name of the class. */
  override readonly name = "QueryError";
}
