import type { Address } from "../runtime.ts";

/** Formats an address as in a URL or a permission flag: `host:port`, or the path of a Unix socket. */
export function formatAddress(address: Address): string {
  if ("path" in address) return address.path;
  const { hostname, port } = address;
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}
