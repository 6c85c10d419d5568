const ZERO = 48;
const COLON = 58;
const COMMA = 44;
const DASH = 45;
const LETTER_T = 84;
const LETTER_Z = 90;
const PLUS = 43;
const POINT = 46;
const SPACE = 32;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/**
 * Parses the text of Python's `datetime.isoformat()`: milliseconds since the
 * epoch, or NaN if `text` has another form.
 *
 * A text without an offset is UTC, as Celery up to 5.4 writes it (`new Date()`
 * assumes local time). Digits beyond milliseconds are cut off. An offset may be
 * `Z`, `+HH`, `+HHMM`, `+HH:MM`, or finer; the time, its seconds and their
 * fraction may be missing.
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
  if (day > 28 && day > daysInMonth(month, year)) return NaN;
  const midnight = daysSinceEpoch(year, month, day) * DAY_MS;
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
  let time = (hour * 60 + minute) * MINUTE_MS;
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
  return midnight + time - (at === length ? 0 : parseOffset(text, at));
}

/** Parses the offset from UTC at `at`, the end of `text`: milliseconds, or NaN. */
function parseOffset(text: string, at: number): number {
  const sign = text.charCodeAt(at);
  const rest = text.length - at;
  if (sign === LETTER_Z) return rest === 1 ? 0 : NaN;
  if (sign !== PLUS && sign !== DASH) return NaN;
  const hours = twoDigits(text, at + 1);
  if (rest === 6 && text.charCodeAt(at + 3) === COLON) {
    const minutes = twoDigits(text, at + 4);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return NaN;
    const size = (hours * 60 + minutes) * MINUTE_MS;
    return sign === DASH ? -size : size;
  }
  return parseRareOffset(text.slice(at));
}

/** Parses the other forms of an offset. A zone's local mean time has seconds: `+05:53:28`. */
function parseRareOffset(text: string): number {
  const parts =
    /^[+-]([01]\d|2[0-3])(?::?([0-5]\d)(?::?([0-5]\d(?:\.\d+)?))?)?$/.exec(
      text,
    );
  if (parts === null) return NaN;
  const [, hours, minutes = 0, seconds = 0] = parts;
  const size = (Number(hours) * 60 + Number(minutes)) * MINUTE_MS +
    Math.trunc(Number(seconds) * 1000);
  return text.startsWith("-") ? -size : size;
}

/** Parses two digits; negative if they are not digits. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO;
  const ones = text.charCodeAt(at + 1) - ZERO;
  // Past the end, charCodeAt() gives NaN, which fails these comparisons too.
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9
    ? tens * 10 + ones
    : -1;
}

/** Returns the end of the digits that begin at `at`. */
function endOfDigits(text: string, at: number): number {
  let end = at;
  while (end < text.length) {
    const digit = text.charCodeAt(end) - ZERO;
    if (digit < 0 || digit > 9) break;
    end++;
  }
  return end;
}

/** Returns how many days `month`, counted from 1, has in `year`. */
function daysInMonth(month: number, year: number): number {
  if (month === 2) {
    return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  }
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/**
 * Counts the days from 1970-01-01, in the Gregorian calendar. Date.UTC() reads
 * the years 0 to 99 as 1900 to 1999, and is several times slower.
 */
function daysSinceEpoch(year: number, month: number, day: number): number {
  // Years begin in March, so that the leap day comes last. `| 0` truncates like
  // Math.floor(), but stays in integer arithmetic.
  const y = month <= 2 ? year - 1 : year;
  const m = month <= 2 ? month + 9 : month - 3;
  return y * 365 + ((y / 4) | 0) - ((y / 100) | 0) + ((y / 400) | 0) +
    (((153 * m + 2) / 5) | 0) + day - 719_469;
}
