/**
 * Colours, where they are wanted.
 *
 * @module
 */

/** Puts text into colour, or leaves it as it is. */
export class Ink {
  readonly #isOn: boolean;

  /** Colours text only if `isOn`. */
  constructor(isOn: boolean) {
    this.#isOn = isOn;
  }

  /** What the eye is to find. */
  bold(text: string): string {
    return this.#paint(1, 22, text);
  }

  /** What is there for those who look closer. */
  dim(text: string): string {
    return this.#paint(2, 22, text);
  }

  /** What is wrong. */
  red(text: string): string {
    return this.#paint(31, 39, text);
  }

  /** What is well. */
  green(text: string): string {
    return this.#paint(32, 39, text);
  }

  /** What takes its time. */
  yellow(text: string): string {
    return this.#paint(33, 39, text);
  }

  #paint(on: number, off: number, text: string): string {
    return this.#isOn && text !== "" ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  }
}
