/**
 * The closing table.
 *
 * @module
 */

import type { Ink } from "./ink.ts";
import type { Account } from "./ledger.ts";
import type { PhaseRun } from "./phase.ts";
import type { Screen } from "./screen.ts";
import { durationText } from "./time.ts";

/** A column: one phase, or all of them. */
export type Column = PhaseRun & Account;

interface Row {
  readonly heading: string;
  readonly cell: (column: Column) => string;
  /** Colours a cell. */
  readonly paint?: (text: string, ink: Ink) => string;
}

const ROWS: readonly Row[] = [
  { heading: "", cell: ({ name }) => name, paint: bold },
  { heading: "stored", cell: ({ stored }) => String(stored) },
  { heading: "delivered", cell: ({ delivered }) => String(delivered) },
  { heading: "lost", cell: ({ lost }) => String(lost), paint: zeroIsGood },
  {
    heading: "repeated",
    cell: ({ repeated }) => String(repeated),
    paint: zeroIsGood,
  },
  { heading: "reconnects", cell: ({ reconnects }) => String(reconnects) },
  {
    heading: "time to recover",
    cell: ({ recoveries }) =>
      recoveries.length === 0 ? "-" : durationText(Math.max(...recoveries)),
  },
];

const INDENT = 2;
const GAP = 2;
const HEADING = Math.max(...ROWS.map(({ heading }) => heading.length));

/**
 * The lines of the table: a row for each number, a column for each phase, and a
 * last one for all of them. On a narrow screen there is only the last.
 */
export function formatTable(
  columns: readonly Column[],
  screen: Screen,
): string[] {
  const { ink, isLive } = screen;
  const widths = columns.map((column) =>
    Math.max(...ROWS.map(({ cell }) => cell(column).length))
  );
  const width = widths.reduce((sum, each) => sum + GAP + each, HEADING);
  if (INDENT + width > screen.columns - 1 && columns.length > 1) {
    return formatTable(columns.slice(-1), screen);
  }
  const lines = ROWS.map(({ heading, cell, paint = plain }) => {
    const cells = columns.map((column, index) =>
      // Coloured last, because colours have a length but no width.
      paint(cell(column).padStart(GAP + widths[index]!), ink)
    );
    return " ".repeat(INDENT) + heading.padEnd(HEADING) + cells.join("");
  });
  const rule = " ".repeat(INDENT) +
    ink.dim((isLive ? "\u2500" : "-").repeat(width));
  return [...lines.slice(0, 1), rule, ...lines.slice(1)];
}

function plain(text: string): string {
  return text;
}

function bold(text: string, ink: Ink): string {
  return ink.bold(text);
}

function zeroIsGood(text: string, ink: Ink): string {
  return Number(text) === 0 ? ink.green(text) : ink.red(ink.bold(text));
}
