const SCHEME =
  /^(?:rediss?|valkeys?|redis\+socket|unix|socket|redis\+sentinel|sentinel):?\/\//i;

/** The URL without its secrets: `**` replaces the password and the query. */
export function maskUrl(input: string | URL): string {
  return maskPassword(String(input)).replace(/\?.*$/s, "?**");
}

function maskPassword(text: string): string {
  // Up to the last `@`: a password may contain others, and slashes.
  const at = text.lastIndexOf("@");
  if (at < 0) {
    // A colon begins a port, or a password whose `@` was forgotten.
    return text.replace(
      /^([^/]*\/\/(?:\[[^\]]*\]|[^:/[]*)):(?!(?<!\/:)\d{1,5}(?:[/?#]|$)).*$/s,
      "$1:**",
    );
  }
  const scheme = SCHEME.exec(text)?.[0];
  if (scheme === undefined || at < scheme.length) return `**${text.slice(at)}`;
  const userinfo = text.slice(scheme.length, at);
  const colon = userinfo.indexOf(":");
  return colon < 0
    ? text
    : `${scheme}${userinfo.slice(0, colon)}:**${text.slice(at)}`;
}
