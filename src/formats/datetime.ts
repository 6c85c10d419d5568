const ZERO = 48;
const COLON = 58;
const COMMA = 44;
const DASH = 45;
const LETTER_T = 84;
const LETTER_Z = 90;
const PLUS = 43;
const POINT = 46;
const SPACE = 32;
const MINUTE = 60_000;
const DAY = 86_400_000;

/**
 * Reads the text of Python's `datetime.isoformat()`: milliseconds since the
 * epoch, or NaN if `text` is no such text.
 *
 * Without an offset it is UTC, as Celery up to 5.4 writes it (`new Date()`
 * would take it for local time). What is finer than a millisecond is cut off.
 * An offset may be `Z`, `+HH`, `+HHMM`, `+HH:MM`, or finer; the time, its
 * seconds and their fraction may be missing.
 */
export function parseDatetime(text: string): number {
  const length = text.length;
  if (
    length < 10 || text.charCodeAt(4) !== DASH || text.charCodeAt(7) !== DASH
  ) {
    return NaN;
  }
  const century = twoDigits(text, 0);
  const yearOfCentury = twoDigits(text, 2);
  const year = century * 100 + yearOfCentury;
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  if (century < 0 || yearOfCentury < 0 || year === 0) return NaN;
  if (month < 1 || month > 12 || day < 1 || day > 31) return NaN;
  if (day > 28 && day > daysIn(month, year)) return NaN;
  const midnight = daysSinceEpoch(year, month, day) * DAY;
  if (length === 10) return midnight;

  const separator = text.charCodeAt(10);
  if (separator !== LETTER_T && separator !== SPACE) return NaN;
  const hour = twoDigits(text, 11);
  const minute = twoDigits(text, 14);
  if (
    hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
    text.charCodeAt(13) !== COLON
  ) {
    return NaN;
  }
  let time = (hour * 60 + minute) * MINUTE;
  let at = 16;
  if (text.charCodeAt(16) === COLON) {
    const second = twoDigits(text, 17);
    if (second < 0 || second > 59) return NaN;
    time += second * 1000;
    at = 19;
    const point = text.charCodeAt(19);
    if (point === POINT || point === COMMA) {
      at = endOfDigits(text, 20);
      if (at === 20) return NaN;
      time += (text.charCodeAt(20) - ZERO) * 100;
      if (at > 21) time += (text.charCodeAt(21) - ZERO) * 10;
      if (at > 22) time += text.charCodeAt(22) - ZERO;
    }
  }
  return midnight + time - (at === length ? 0 : offset(text, at));
}

/** The offset from UTC that `text` ends with, from `at` on: milliseconds, or NaN. */
function offset(text: string, at: number): number {
  const sign = text.charCodeAt(at);
  const rest = text.length - at;
  if (sign === LETTER_Z) return rest === 1 ? 0 : NaN;
  if (sign !== PLUS && sign !== DASH) return NaN;
  const hours = twoDigits(text, at + 1);
  if (rest === 6 && text.charCodeAt(at + 3) === COLON) {
    const minutes = twoDigits(text, at + 4);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return NaN;
    const size = (hours * 60 + minutes) * MINUTE;
    return sign === DASH ? -size : size;
  }
  return rareOffset(text.slice(at));
}

/** The other forms of an offset. A zone's local mean time has seconds: `+05:53:28`. */
function rareOffset(text: string): number {
  const parts =
    /^[+-]([01]\d|2[0-3])(?::?([0-5]\d)(?::?([0-5]\d(?:\.\d+)?))?)?$/.exec(
      text,
    );
  if (parts === null) return NaN;
  const [, hours, minutes = 0, seconds = 0] = parts;
  const size = (Number(hours) * 60 + Number(minutes)) * MINUTE +
    Math.trunc(Number(seconds) * 1000);
  return text.startsWith("-") ? -size : size;
}

/** The number that two digits write; negative if they are none. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO;
  const ones = text.charCodeAt(at + 1) - ZERO;
  // Past the end, charCodeAt() gives NaN, which fails these as well.
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9
    ? tens * 10 + ones
    : -1;
}

/** Where the digits end that begin at `at`. */
function endOfDigits(text: string, at: number): number {
  let end = at;
  while (end < text.length) {
    const digit = text.charCodeAt(end) - ZERO;
    if (digit < 0 || digit > 9) break;
    end++;
  }
  return end;
}

/** How many days `month`, counted from 1, has in `year`. */
function daysIn(month: number, year: number): number {
  if (month === 2) {
    return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  }
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/**
 * Days from 1970-01-01, in the Gregorian calendar. Date.UTC() would do, but
 * takes the years 0 to 99 for 1900 to 1999, and several times as long.
 */
function daysSinceEpoch(year: number, month: number, day: number): number {
  // Years begin in March, so that the leap day is a year's last. `| 0` cuts
  // the fraction off, as Math.floor() does, but keeps to integers.
  const y = month <= 2 ? year - 1 : year;
  const m = month <= 2 ? month + 9 : month - 3;
  return y * 365 + ((y / 4) | 0) - ((y / 100) | 0) + ((y / 400) | 0) +
    (((153 * m + 2) / 5) | 0) + day - 719_469;
}
