/**
 * A progress bar that is drawn anew in its place, with lines that come below
 * it.
 *
 * @module
 */

import type { Ink } from "./ink.ts";
import type { Progress } from "./screen.ts";
import { shortened } from "./text.ts";
import { secondsText } from "./time.ts";

/** The size of a terminal that does not tell its own. */
const COLUMNS = 80;
const ROWS = 24;
/** Milliseconds between two looks at the progress. */
const INTERVAL = 50;
const INDENT = 4;
const MAX_BAR = 60;
const MIN_BAR = 8;
/** Columns for how the reader stands with Redis. */
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

/** One bar at a time. The cursor rests below it and its lines. */
export class LiveBar implements Disposable {
  readonly #ink: Ink;
  readonly #encoder = new TextEncoder();
  #progress: (() => Progress) | undefined;
  #since = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #lines = 0;
  #drawn = "";

  /** Prepares; nothing is shown yet. */
  constructor(ink: Ink) {
    this.#ink = ink;
  }

  /** How wide the terminal is at present. */
  get columns(): number {
    // Some pretend to be a terminal, and have no size.
    return Deno.consoleSize().columns || COLUMNS;
  }

  /** Shows a bar, which from now on follows `progress`. */
  begin(progress: () => Progress): void {
    this.#progress = progress;
    this.#since = performance.now();
    this.#lines = 1;
    this.#drawn = this.#text(false);
    this.#write(`${HIDE_CURSOR}${this.#drawn}\n`);
    this.#timer = setInterval(() => this.#draw(false), INTERVAL);
  }

  /** Shows a line below the bar, and below those that are there already. */
  below(line: string): void {
    this.#write(`${line}\n`);
    this.#lines++;
  }

  /** Leaves the bar as it is at last. */
  end(): void {
    if (this.#progress === undefined) return;
    clearInterval(this.#timer);
    this.#draw(true);
    this.#progress = undefined;
    this.#write(`${SHOW_CURSOR}\n`);
  }

  /** Leaves the terminal as it was. */
  [Symbol.dispose](): void {
    this.end();
  }

  #draw(isOver: boolean): void {
    const text = this.#text(isOver);
    // Nothing to do, or the bar has left the screen at the top.
    const rows = Deno.consoleSize().rows || ROWS;
    if (text === this.#drawn || this.#lines >= rows) return;
    this.#drawn = text;
    const n = this.#lines;
    // In one write, or it might be seen half done. The cursor is in the first
    // column, unless somebody typed.
    this.#write(`\r\x1b[${n}A${text}${CLEAR_REST}\x1b[${n}B\r`);
  }

  #text(isOver: boolean): string {
    if (this.#progress === undefined) return "";
    const ink = this.#ink;
    const { total, delivered, link, ...rest } = this.#progress();
    const stored = Math.max(rest.stored, delivered);
    const count = `${String(delivered).padStart(3)} of ${total} delivered`;
    const note = isOver ? secondsText(performance.now() - this.#since) : link;
    // The last column stays free: some terminals would begin a new line.
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
