/** The format of a stored value is not accepted. The message completes "Cannot decode ...:". */
export class DisallowedFormat extends Error {
  /** The name of the class. */
  override readonly name = "DisallowedFormat";
  /** The format: `pickle`, for example. */
  readonly format: string;

  /** Makes an error for a value in `format`. */
  constructor(format: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.format = format;
  }
}
