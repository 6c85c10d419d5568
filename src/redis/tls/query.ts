import { QueryError } from "./query_error.ts";

/** What the query of a URL says about TLS. */
export interface TlsQuery {
  /** Whether the server's certificate counts; `optional` says the same to a client as `required`. */
  readonly certReqs?: "required" | "optional" | "none";
  /** The file of certificate authorities. */
  readonly caFile?: string;
  /** The file of the client's certificate. */
  readonly certFile?: string;
  /** The file of its key; if there is none, it stands in `certFile`. */
  readonly keyFile?: string;
  /** Whether the certificate has to be for the host that is dialled. */
  readonly checkHostname?: boolean;
}

/** The keys that are read here. */
export const TLS_KEYS: ReadonlySet<string> = new Set([
  "ssl_cert_reqs",
  "ssl_ca_certs",
  "ssl_certfile",
  "ssl_keyfile",
  "ssl_check_hostname",
]);

/**
 * Reads what a query says about TLS. A key without a value counts as not given,
 * and of a key given twice the last one counts. No value is shown: it may be
 * the rest of a password.
 *
 * @throws {QueryError} if a value is of no use.
 */
export function tlsOf(query: URLSearchParams): TlsQuery {
  const given = new Map<string, string>();
  for (const [key, value] of query) {
    if (value !== "") given.set(key, value);
  }
  const certReqs = certReqsOf(given.get("ssl_cert_reqs"));
  const caFile = given.get("ssl_ca_certs");
  const certFile = given.get("ssl_certfile");
  const keyFile = given.get("ssl_keyfile");
  const checkHostname = truthOf(given.get("ssl_check_hostname"));
  if (keyFile !== undefined && certFile === undefined) {
    throw new QueryError(
      "its query has ssl_keyfile and no ssl_certfile, and one is of no use without the other",
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

function certReqsOf(word: string | undefined): TlsQuery["certReqs"] {
  if (word === undefined) return undefined;
  const name = word.toLowerCase().replace(/^cert_/, "");
  if (name === "required" || name === "optional" || name === "none") {
    return name;
  }
  throw new QueryError(
    "its ssl_cert_reqs is no word that is known, expected required, optional or none (or CERT_REQUIRED, ...)",
  );
}

/** As redis-py reads it. */
function truthOf(word: string | undefined): boolean | undefined {
  if (word === undefined) return undefined;
  if (/^(true|t|yes|y|1)$/i.test(word)) return true;
  if (/^(false|f|no|n|0)$/i.test(word)) return false;
  throw new QueryError(
    "its ssl_check_hostname is neither true nor false",
  );
}
