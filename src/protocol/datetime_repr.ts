const DATETIME =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?(Z|[+-].+)?$/;
const OFFSET = /^[+-](\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d+))?)?)?$/;
const DAY_US = 86_400_000_000;

/**
 * Formats a `datetime` as Python's `repr()` does, from its `isoformat()`; undefined
 * if `text` has another form.
 *
 * The time zone is a `datetime.timezone`, as `fromisoformat()` makes it: the
 * text does not name the zone that an offset came from.
 */
export function datetimeRepr(text: string): string | undefined {
  const match = DATETIME.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour = "0", minute = "0", second = "0"] = match
    .slice(1);
  const parts = [year, month, day, hour, minute, second].map(Number);
  parts.push(parseMicroseconds(match[7]));
  // Python omits zero microseconds, and then zero seconds.
  if (parts[6] === 0) parts.length = parts[5] === 0 ? 5 : 6;
  const zone = match[8] === undefined ? undefined : timezoneRepr(match[8]);
  return `datetime.datetime(${parts.join(", ")}${
    zone === undefined ? "" : `, tzinfo=${zone}`
  })`;
}

function timezoneRepr(text: string): string {
  const [, hours = 0, minutes = 0, seconds = 0, fraction] = OFFSET.exec(text) ??
    [];
  const sign = text.startsWith("-") ? -1 : 1;
  const size = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  // A timedelta counts microseconds.
  const offset = sign * (size * 1e6 + parseMicroseconds(fraction));
  if (offset === 0) return "datetime.timezone.utc";
  const rest = (offset + DAY_US) % DAY_US;
  const parts = [
    ["days", offset < 0 ? -1 : 0],
    ["seconds", Math.floor(rest / 1e6)],
    ["microseconds", rest % 1e6],
  ] as const;
  const written = parts.filter(([, value]) => value !== 0)
    .map(([name, value]) => `${name}=${value}`);
  return `datetime.timezone(datetime.timedelta(${written.join(", ")}))`;
}

/** Parses the fraction of a second, of which Python keeps six digits. */
function parseMicroseconds(fraction = ""): number {
  return Number(fraction.slice(0, 6).padEnd(6, "0"));
}
