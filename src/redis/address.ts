import type { Address } from "../runtime.ts";

/** `host:port`, as a URL and a permission flag write it; of a Unix socket, the path. */
export function formatAddress(address: Address): string {
  if ("path" in address) return address.path;
  const { hostname, port } = address;
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}
