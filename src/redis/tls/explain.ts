import { ConfigurationError, RedisConnectionError } from "../../errors.ts";
import type { TcpAddress } from "../../runtime.ts";
import type { TlsSources } from "./tls.ts";

/** Deno's words, what they mean, and whether our own certificates or key are at fault. */
const MEANINGS: readonly (readonly [
  pattern: RegExp,
  meaning: string,
  isOurs?: boolean,
])[] = [
  // The server's alerts about us come first: they contain the words that are
  // used for its own certificate below.
  [
    /alert: CertificateRequired/,
    "it asks for a client certificate: give one, by ssl_certfile and ssl_keyfile in the URL " +
    "or by the options `tls.cert` and `tls.key`",
  ],
  [
    /alert: CertificateExpired/,
    "the client certificate has expired: renew what ssl_certfile or the option `tls.cert` gives, or check the clocks",
  ],
  [
    /alert: \w*(CA|Certificate\w*)$/,
    "it did not accept the client certificate: check ssl_certfile or the option `tls.cert`",
  ],
  [
    // Before TLS 1.3, a missing client certificate has no alert of its own.
    /alert: (HandshakeFailure|InsufficientSecurity)/,
    "it refused the handshake: it asks for a client certificate (give one, by ssl_certfile and ssl_keyfile in the URL " +
    "or by the options `tls.cert` and `tls.key`), or allows no cipher that Deno knows (tls-ciphers in redis.conf)",
  ],
  [
    /alert: ProtocolVersion|peer is incompatible/,
    "it speaks no version of TLS that Deno does: allow TLSv1.2 or TLSv1.3 (tls-protocols in redis.conf)",
  ],
  [
    /CaUsedAsEndEntity/,
    "its certificate is an authority's own (CA:TRUE), which Deno takes for no server's, trusted or not: " +
    "sign one for the server (CA:FALSE) with it",
  ],
  [
    /UnsupportedCertVersion/,
    "its certificate is of an old form (X.509 version 1): make one with extensions, subjectAltName among them",
  ],
  [
    /UnknownIssuer/,
    "its certificate is signed by an authority that is not trusted: name the authority's certificate, " +
    "by ssl_ca_certs in the URL or by the option `tls.caCerts`",
  ],
  [
    /not valid for any name/,
    "its certificate is for no host, since a common name does not count: make one with subjectAltName, " +
    "or set ssl_check_hostname=false in the URL, which lets any name pass that the authority signed",
  ],
  [
    /not valid for name/,
    "its certificate is for another host: use a name that it is for, " +
    "or ssl_check_hostname=false in the URL, which lets any name pass that the authority signed",
  ],
  [
    /not valid yet|NotValidYet/,
    "its certificate is not valid yet: check the clocks",
  ],
  [
    /certificate expired|Expired/,
    "its certificate has expired, or its authority's: renew it, or check the clocks",
  ],
  [
    /KeyMismatch/,
    "the key of the client is not the one of its certificate: check ssl_certfile and ssl_keyfile, or `tls.cert` and `tls.key`",
    true,
  ],
  [
    /No (certificates|keys) found|failed to parse private key|Unable to decode key/,
    "the client's certificate or key cannot be read: check ssl_certfile and ssl_keyfile, or `tls.cert` and `tls.key`",
    true,
  ],
  [
    /Unable to add pem file/,
    "the authorities' certificates cannot be read: check ssl_ca_certs or the option `tls.caCerts`",
    true,
  ],
  [/corrupt message/, "it does not speak TLS: use redis://"],
  [/invalid peer certificate/, "a certificate was not accepted"],
];

/**
 * Explains what is wrong with TLS, as a permanent error; undefined if it is not
 * TLS. If certificates and key `hasWorked` before, they are being renewed, and
 * a fault of theirs is transient.
 */
export function explainTls(
  error: unknown,
  { hostname, port }: TcpAddress,
  { certReqs }: TlsSources,
  hasWorked = false,
): ConfigurationError | RedisConnectionError | undefined {
  if (!(error instanceof Error)) return undefined;
  const at = `${hostname}:${port}`;
  if (
    error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.UnexpectedEof
  ) {
    return new RedisConnectionError(
      `Cannot connect to Redis at ${at}: ${error.message}; ` +
        "a server that expects no TLS, or another client certificate, ends a connection like this",
      { cause: error },
    );
  }
  const found = MEANINGS.find(([words]) => words.test(error.message));
  if (found === undefined) return undefined;
  const [, meaning, isOurs = false] = found;
  const isTheirs = error.message.includes("invalid peer certificate");
  const message =
    `Cannot connect to Redis at ${at} over TLS: ${meaning} (${error.message})${
      isTheirs && certReqs === "none"
        ? `; ssl_cert_reqs=none does not help: ${flagAdvice(hostname)}`
        : ""
    }`;
  return isOurs && hasWorked
    ? new RedisConnectionError(message, { cause: error })
    : new ConfigurationError(message, { cause: error });
}

/** How to leave certificates unverified in Deno. */
export function flagAdvice(hostname: string): string {
  return `Deno verifies certificates unless it runs with --unsafely-ignore-certificate-errors=${hostname}; ` +
    "better trust the server's authority, by ssl_ca_certs";
}
