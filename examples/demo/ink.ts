/**
 * Colours for terminals.
 *
 * @module
 */

/** Colours text, or returns it unchanged. */
export class Ink {
  readonly #isOn: boolean;

  /** Colours text only if `isOn`. */
  constructor(isOn: boolean) {
    this.#isOn = isOn;
  }

  /** For what matters most. */
  bold(text: string): string {
    return this.#paint(1, 22, text);
  }

  /** For details. */
  dim(text: string): string {
    return this.#paint(2, 22, text);
  }

  /** For failures. */
  red(text: string): string {
    return this.#paint(31, 39, text);
  }

  /** For successes. */
  green(text: string): string {
    return this.#paint(32, 39, text);
  }

  /** For what is pending. */
  yellow(text: string): string {
    return this.#paint(33, 39, text);
  }

  #paint(on: number, off: number, text: string): string {
    return this.#isOn && text !== "" ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  }
}
