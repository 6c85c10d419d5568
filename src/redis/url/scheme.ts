/** Whether a URL names Sentinels. */
export function isSentinelUrl(url: string | URL): boolean {
  return /^sentinel:/i.test(String(url));
}
