// deno-lint-ignore-file no-console -- What it prints is what the demo is for.
/**
 * What the demo shows: lines, and in a terminal a bar that moves.
 *
 * @module
 */

import { Ink } from "./ink.ts";
import { LiveBar } from "./live_bar.ts";
import { shortened, wrapped } from "./text.ts";
import { secondsText } from "./time.ts";

/** How far a phase is. */
export interface Progress {
  /** Tasks of the phase. */
  total: number;
  /** Outcomes that are stored. */
  stored: number;
  /** Outcomes that were delivered. */
  delivered: number;
  /** How the reader stands with Redis. */
  link: string;
}

/** What kind of news an event is. */
export type EventKind = "fault" | "info" | "good" | "bad";

/** Where the demo shows itself. */
export interface Screen extends Disposable {
  /** Its colours. */
  readonly ink: Ink;
  /** How wide it is. */
  readonly columns: number;
  /** Whether it can show more than ASCII, and lines that change. */
  readonly isLive: boolean;
  /** Shows a line. */
  line(text?: string): void;
  /** Shows that a phase begins, and from now on how far it is. */
  begin(name: string, what: string, progress: () => Progress): void;
  /** Shows something that happens in the phase. */
  event(kind: EventKind, text: string): void;
  /** Shows that the phase is over. */
  end(): void;
}

/** The screen that fits standard output. */
export function openScreen(): Screen {
  return Deno.stdout.isTerminal()
    ? new LiveScreen(new Ink(!Deno.noColor))
    : new PlainScreen();
}

/** Columns where nobody says how many there are. */
const COLUMNS = 80;

/** Lines, for files, pipes and logs. */
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

/** A terminal: the present phase's bar moves, and its events stand below it. */
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
    // The last column stays free: some terminals would begin a new line.
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
