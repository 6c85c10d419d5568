// deno-lint-ignore-file no-console -- The demo prints.
/**
 * The demo's output: lines and, in a terminal, a progress bar.
 *
 * @module
 */

import { Ink } from "./ink.ts";
import { LiveBar } from "./live_bar.ts";
import { shortened, wrapped } from "./text.ts";
import { secondsText } from "./time.ts";

/** The progress of a phase. */
export interface Progress {
  /** Tasks of the phase. */
  total: number;
  /** Outcomes that are stored. */
  stored: number;
  /** Outcomes that were delivered. */
  delivered: number;
  /** The state of the reader's connection. */
  link: string;
}

/** How an event is marked. */
export type EventKind = "fault" | "info" | "good" | "bad";

/** Shows the demo. */
export interface Screen extends Disposable {
  /** Its colours. */
  readonly ink: Ink;
  /** Its width. */
  readonly columns: number;
  /** Whether it can show Unicode, and redraw lines. */
  readonly isLive: boolean;
  /** Shows a line. */
  line(text?: string): void;
  /** Shows that a phase begins, and then its progress. */
  begin(name: string, what: string, progress: () => Progress): void;
  /** Shows an event of the phase. */
  event(kind: EventKind, text: string): void;
  /** Shows that the phase is over. */
  end(): void;
}

/** Opens the screen that suits standard output. */
export function openScreen(): Screen {
  return Deno.stdout.isTerminal()
    ? new LiveScreen(new Ink(!Deno.noColor))
    : new PlainScreen();
}

/** The width of output that is not a terminal. */
const COLUMNS = 80;

/** Plain lines, for files, pipes and logs. */
class PlainScreen implements Screen {
  readonly ink = new Ink(false);
  readonly columns = COLUMNS;
  readonly isLive = false;
  readonly #since = performance.now();
  #name = "";
  #progress: (() => Progress) | undefined;

  line(text = ""): void {
    console.log(text);
  }

  begin(name: string, what: string, progress: () => Progress): void {
    this.#name = name;
    this.#progress = progress;
    this.event("info", `begins: ${what}`);
  }

  event(kind: EventKind, text: string): void {
    const time = secondsText(performance.now() - this.#since).padStart(7);
    const mark = kind === "fault" ? "FAULT: " : "";
    console.log(`${time}  ${this.#name.padEnd(8)} ${mark}${text}`);
  }

  end(): void {
    if (this.#progress === undefined) return;
    const { delivered, stored } = this.#progress();
    this.#progress = undefined;
    this.event("info", `ends: ${stored} stored, ${delivered} delivered`);
  }

  [Symbol.dispose](): void {
    this.end();
  }
}

/** A terminal: the bar of the current phase, with its events below. */
class LiveScreen implements Screen {
  readonly isLive = true;
  readonly ink: Ink;
  readonly #bar: LiveBar;
  #since = 0;

  constructor(ink: Ink) {
    this.ink = ink;
    this.#bar = new LiveBar(ink);
  }

  get columns(): number {
    return this.#bar.columns;
  }

  line(text = ""): void {
    console.log(text);
  }

  begin(name: string, what: string, progress: () => Progress): void {
    this.#since = performance.now();
    const { ink } = this;
    const lines = wrapped(`${name}: ${what}`, this.columns - 3);
    for (const [index, line] of lines.entries()) {
      const length = index === 0 ? name.length : 0;
      this.line(
        `  ${ink.bold(line.slice(0, length))}${ink.dim(line.slice(length))}`,
      );
    }
    this.#bar.begin(progress);
  }

  event(kind: EventKind, text: string): void {
    const { ink } = this;
    const time = secondsText(performance.now() - this.#since).padStart(7);
    // The last column stays free, because some terminals would wrap.
    const short = shortened(text, this.columns - 1 - 13);
    const marked = {
      fault: () => ink.red(`\u2717 ${short}`),
      info: () => ink.dim(`\u00b7 ${short}`),
      good: () => `${ink.green("\u2713")} ${short}`,
      bad: () => ink.red(`! ${short}`),
    }[kind]();
    this.#bar.below(`  ${ink.dim(time)}  ${marked}`);
  }

  end(): void {
    this.#bar.end();
  }

  [Symbol.dispose](): void {
    this.#bar[Symbol.dispose]();
  }
}
