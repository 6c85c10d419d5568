const DATETIME =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?(Z|[+-].+)?$/;
const OFFSET = /^[+-](\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d+))?)?)?$/;
const DAY = 86_400;

/**
 * What Python's `repr()` gives for the `datetime` that `text` stands for, in
 * the form of `isoformat()`; undefined if it is in another.
 *
 * Its class is `datetime.timezone`, as `fromisoformat()` makes it; which zone
 * an offset came from is not in the text.
 */
export function datetimeRepr(text: string): string | undefined {
  const match = DATETIME.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour = "0", minute = "0", second = "0"] = match
    .slice(1);
  const parts = [year, month, day, hour, minute, second].map(Number);
  parts.push(microseconds(match[7]));
  // Python leaves out the seconds and their fraction where they are zero.
  if (parts[6] === 0) parts.length = parts[5] === 0 ? 5 : 6;
  const zone = match[8] === undefined ? undefined : zoneRepr(match[8]);
  return `datetime.datetime(${parts.join(", ")}${
    zone === undefined ? "" : `, tzinfo=${zone}`
  })`;
}

function zoneRepr(text: string): string {
  const [, hours = 0, minutes = 0, seconds = 0, fraction] = OFFSET.exec(text) ??
    [];
  const sign = text.startsWith("-") ? -1 : 1;
  const size = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  // In microseconds, which is what a timedelta counts.
  const offset = sign * (size * 1e6 + microseconds(fraction));
  if (offset === 0) return "datetime.timezone.utc";
  const rest = (offset + DAY * 1e6) % (DAY * 1e6);
  const parts = [
    ["days", offset < 0 ? -1 : 0],
    ["seconds", Math.floor(rest / 1e6)],
    ["microseconds", rest % 1e6],
  ] as const;
  const written = parts.filter(([, value]) => value !== 0)
    .map(([name, value]) => `${name}=${value}`);
  return `datetime.timezone(datetime.timedelta(${written.join(", ")}))`;
}

/** The six digits that Python keeps of a second's fraction. */
function microseconds(fraction = ""): number {
  return Number(fraction.slice(0, 6).padEnd(6, "0"));
}
