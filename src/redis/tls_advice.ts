import { ConfigurationError, RedisConnectionError } from "../errors.ts";
import type { TcpAddress } from "../runtime.ts";
import type { TlsSources } from "./tls.ts";

/** What Deno says, and what that means. */
const MEANINGS: readonly (readonly [words: RegExp, meaning: string])[] = [
  [
    /UnknownIssuer|CaUsedAsEndEntity/,
    "its certificate is signed by an authority that is not trusted: name the authority's certificate, " +
    "by ssl_ca_certs in the URL or by the option `tls.caCerts`",
  ],
  [
    /not valid for name/,
    "its certificate is for another host: use a name that it is for, " +
    "or ssl_check_hostname=false in the URL, which lets any name pass that the authority signed",
  ],
  [/NotValidYet/, "its certificate is not valid yet: check the clocks"],
  [/Expired/, "its certificate has expired: renew it, or check the clocks"],
  [
    /alert: CertificateRequired/,
    "it asks for a client certificate: give one, by ssl_certfile and ssl_keyfile in the URL " +
    "or by the options `tls.cert` and `tls.key`",
  ],
  [
    /alert: \w*(CA|Certificate\w*)$/,
    "it did not accept the client certificate: check ssl_certfile or the option `tls.cert`",
  ],
  [
    /KeyMismatch/,
    "the key of the client is not the one of its certificate: check ssl_certfile and ssl_keyfile, or `tls.cert` and `tls.key`",
  ],
  [
    /No (certificates|keys) found|failed to parse private key/,
    "the client's certificate or key cannot be read: check ssl_certfile and ssl_keyfile, or `tls.cert` and `tls.key`",
  ],
  [/corrupt message/, "it does not speak TLS: use redis://"],
  [/invalid peer certificate/, "a certificate was not accepted"],
];

/**
 * Says in words what is wrong with TLS, as an error that no other attempt
 * mends; undefined where it is not TLS.
 */
export function explainTls(
  error: unknown,
  { hostname, port }: TcpAddress,
  { certReqs }: TlsSources,
): ConfigurationError | RedisConnectionError | undefined {
  if (!(error instanceof Error)) return undefined;
  const at = `${hostname}:${port}`;
  if (
    error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.UnexpectedEof
  ) {
    return new RedisConnectionError(
      `Cannot connect to Redis at ${at}: ${error.message}; ` +
        "a server that expects no TLS, or a client certificate, ends a connection like this",
      { cause: error },
    );
  }
  const found = MEANINGS.find(([words]) => words.test(error.message));
  if (found === undefined) return undefined;
  const isTheirs = error.message.includes("invalid peer certificate");
  return new ConfigurationError(
    `Cannot connect to Redis at ${at} over TLS: ${found[1]} (${error.message})${
      isTheirs && certReqs === "none"
        ? `; ssl_cert_reqs=none does not help: ${flagAdvice(hostname)}`
        : ""
    }`,
    { cause: error },
  );
}

/** How certificates are left unverified in Deno. */
export function flagAdvice(hostname: string): string {
  return `Deno verifies certificates unless it runs with --unsafely-ignore-certificate-errors=${hostname}; ` +
    "better trust the server's authority, by ssl_ca_certs";
}
