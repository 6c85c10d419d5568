/** What the query of a URL says about TLS. */
export interface TlsQuery {
  /** Whether to verify the server's certificate; for a client, `optional` means `required`. */
  readonly certReqs?: "required" | "optional" | "none";
  /** The file of certificate authorities. */
  readonly caFile?: string;
  /** The file of the client's certificate. */
  readonly certFile?: string;
  /** The file of its key; if not given, `certFile` holds both. */
  readonly keyFile?: string;
  /** Whether the certificate must cover the host that is dialed. */
  readonly checkHostname?: boolean;
}

/** Why a query cannot be used; the message follows `Cannot use the Redis URL ...: `. */
export class QueryError extends Error {
  /** The name of the class. */
  override readonly name = "QueryError";
}

/** The keys that {@linkcode parseTlsQuery} reads. */
export const TLS_KEYS: ReadonlySet<string> = new Set([
  "ssl_cert_reqs",
  "ssl_ca_certs",
  "ssl_certfile",
  "ssl_keyfile",
  "ssl_check_hostname",
]);

/**
 * Parses what a query says about TLS. A key without a value counts as not given;
 * of a key given twice, the last one counts. Errors show no value: it may be the
 * rest of a password.
 *
 * @throws {QueryError} if a value cannot be used.
 */
export function parseTlsQuery(query: URLSearchParams): TlsQuery {
  const given = new Map<string, string>();
  for (const [key, value] of query) {
    if (value !== "") given.set(key, value);
  }
  const certReqs = parseCertReqs(given.get("ssl_cert_reqs"));
  const caFile = given.get("ssl_ca_certs");
  const certFile = given.get("ssl_certfile");
  const keyFile = given.get("ssl_keyfile");
  const checkHostname = parseBoolean(given.get("ssl_check_hostname"));
  if (keyFile !== undefined && certFile === undefined) {
    throw new QueryError(
      "its query has ssl_keyfile without ssl_certfile: give both, or neither",
    );
  }
  return {
    ...(certReqs === undefined ? {} : { certReqs }),
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
    ...(checkHostname === undefined ? {} : { checkHostname }),
  };
}

function parseCertReqs(word: string | undefined): TlsQuery["certReqs"] {
  if (word === undefined) return undefined;
  const name = word.toLowerCase().replace(/^cert_/, "");
  if (name === "required" || name === "optional" || name === "none") {
    return name;
  }
  throw new QueryError(
    "its ssl_cert_reqs is unknown: expected required, optional or none (or CERT_REQUIRED, ...)",
  );
}

/** Accepts what redis-py does. */
function parseBoolean(word: string | undefined): boolean | undefined {
  if (word === undefined) return undefined;
  if (/^(true|t|yes|y|1)$/i.test(word)) return true;
  if (/^(false|f|no|n|0)$/i.test(word)) return false;
  throw new QueryError(
    "its ssl_check_hostname is neither true nor false",
  );
}
