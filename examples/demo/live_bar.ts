/**
 * A progress bar that is redrawn in place, with lines below it.
 *
 * @module
 */

import type { Ink } from "./ink.ts";
import type { Progress } from "./screen.ts";
import { shortened } from "./text.ts";
import { secondsText } from "./time.ts";

/** The size to assume for a terminal that does not report one. */
const COLUMNS = 80;
const ROWS = 24;
/** How often the bar is redrawn. */
const INTERVAL_MS = 50;
const INDENT = 4;
const MAX_BAR = 60;
const MIN_BAR = 8;
/** Columns for the state of the reader's connection. */
const NOTE = 22;

const DELIVERED = "\u2588";
const STORED = "\u2592";
const TO_COME = "\u2591";
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
const CLEAR_REST = "\x1b[K";

/** What the parts of a bar mean. */
export function legend(ink: Ink): string[] {
  return [
    `${ink.green(DELIVERED)} delivered`,
    `${ink.yellow(STORED)} stored, not delivered yet`,
    `${ink.dim(TO_COME)} not stored yet`,
  ];
}

/** Draws one bar at a time. The cursor rests below the bar and its lines. */
export class LiveBar implements Disposable {
  readonly #ink: Ink;
  readonly #encoder = new TextEncoder();
  #progress: (() => Progress) | undefined;
  #since = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #lines = 0;
  #drawn = "";

  /** Creates a bar; nothing is shown yet. */
  constructor(ink: Ink) {
    this.#ink = ink;
  }

  /** The current width of the terminal. */
  get columns(): number {
    // Some pseudo-terminals report a size of 0.
    return Deno.consoleSize().columns || COLUMNS;
  }

  /** Shows a bar that follows `progress`. */
  begin(progress: () => Progress): void {
    this.#progress = progress;
    this.#since = performance.now();
    this.#lines = 1;
    this.#drawn = this.#text(false);
    this.#write(`${HIDE_CURSOR}${this.#drawn}\n`);
    this.#timer = setInterval(() => this.#draw(false), INTERVAL_MS);
  }

  /** Adds a line below the bar and its previous lines. */
  below(line: string): void {
    this.#write(`${line}\n`);
    this.#lines++;
  }

  /** Draws the bar for the last time and leaves it on the screen. */
  end(): void {
    if (this.#progress === undefined) return;
    clearInterval(this.#timer);
    this.#draw(true);
    this.#progress = undefined;
    this.#write(`${SHOW_CURSOR}\n`);
  }

  /** Restores the terminal. */
  [Symbol.dispose](): void {
    this.end();
  }

  #draw(isOver: boolean): void {
    const text = this.#text(isOver);
    // Nothing has changed, or the bar has scrolled off the screen.
    const rows = Deno.consoleSize().rows || ROWS;
    if (text === this.#drawn || this.#lines >= rows) return;
    this.#drawn = text;
    const n = this.#lines;
    // In one write, so that no partial bar is seen. The cursor is in the first
    // column, unless someone typed.
    this.#write(`\r\x1b[${n}A${text}${CLEAR_REST}\x1b[${n}B\r`);
  }

  #text(isOver: boolean): string {
    if (this.#progress === undefined) return "";
    const ink = this.#ink;
    const { total, delivered, link, ...rest } = this.#progress();
    const stored = Math.max(rest.stored, delivered);
    const count = `${String(delivered).padStart(3)} of ${total} delivered`;
    const note = isOver ? secondsText(performance.now() - this.#since) : link;
    // The last column stays free, because some terminals would wrap.
    const room = this.columns - 1 - INDENT - 2 - count.length;
    const isWide = room >= MIN_BAR + 2 + NOTE;
    const width = Math.max(
      MIN_BAR,
      Math.min(MAX_BAR, isWide ? room - 2 - NOTE : room),
    );
    const done = Math.floor(width * delivered / total);
    const due = Math.floor(width * stored / total) - done;
    const bar = " ".repeat(INDENT) +
      ink.green(DELIVERED.repeat(done)) +
      ink.yellow(STORED.repeat(due)) +
      ink.dim(TO_COME.repeat(width - done - due));
    if (!isWide) return `${bar}  ${count}`;
    const isWell = isOver || link === "connected";
    const shown = shortened(note, NOTE);
    return `${bar}  ${count}  ${isWell ? ink.dim(shown) : ink.yellow(shown)}`;
  }

  #write(text: string): void {
    let bytes = this.#encoder.encode(text);
    while (bytes.length > 0) {
      bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
    }
  }
}
