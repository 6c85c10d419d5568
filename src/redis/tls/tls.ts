import { ConfigurationError } from "../../errors.ts";
import {
  type OptionNames,
  optionNames,
  unknownOption,
} from "../../util/option_names.ts";
import type { Runtime, TlsSettings } from "../../runtime.ts";
import { grantAdvice } from "../../util/deno_permission.ts";
import type { TlsQuery } from "./query.ts";

/**
 * Certificates for TLS, as PEM texts.
 *
 * @category Options
 */
export interface TlsOptions {
  /** Certificate authorities to trust besides those that Deno trusts. Celery: `ssl_ca_certs`. */
  caCerts?: readonly string[];
  /** The client's certificate, with its chain; requires `key`. Celery: `ssl_certfile`. */
  cert?: string;
  /** The key of `cert`. Celery: `ssl_keyfile`. */
  key?: string;
}

/** PEM texts, and the files to read for those that are missing. */
export type TlsSources = TlsOptions & TlsQuery;

type PemKind = "CERTIFICATE" | "PRIVATE KEY";

/** Neither TRUSTED CERTIFICATE, which is OpenSSL's own, nor a line after spaces or a byte order mark. */
const PEM_HEADERS: Readonly<Record<PemKind, RegExp>> = {
  "CERTIFICATE": /^-----BEGIN CERTIFICATE-----/m,
  "PRIVATE KEY": /^-----BEGIN (RSA |EC )?PRIVATE KEY-----/m,
};

const ENCRYPTED = "the key is encrypted, and Deno asks for no passphrase: " +
  "decrypt it (openssl pkey -in key.pem -out plain.pem), and protect the file by its permissions";

const NAMES: OptionNames = optionNames<TlsOptions>({
  caCerts: true,
  cert: true,
  key: true,
});

/**
 * How to use TLS, by the option and the URL; undefined: not at all.
 *
 * @throws {ConfigurationError} if the option holds no PEM texts, or cannot be
 * used with that URL. The message shows none of it.
 */
export function tlsSources(
  options: TlsOptions | undefined,
  url: {
    readonly tls?: TlsQuery | undefined;
    readonly path?: string | undefined;
  },
): TlsSources | undefined {
  if (options === undefined) return url.tls;
  checkOptions(options);
  if (url.path !== undefined) {
    throw new ConfigurationError(
      "Cannot use tls with a Unix socket: its traffic never leaves this machine",
    );
  }
  return { ...url.tls, ...options };
}

/**
 * Reads the files. Called at each connect, so that certificates can be renewed.
 *
 * @throws {ConfigurationError} if a file cannot be read, or is not PEM.
 */
export async function loadTls(
  sources: TlsSources,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<TlsSettings> {
  async function read(
    name: string,
    path: string,
    kind: PemKind,
  ): Promise<string> {
    let text: string;
    try {
      text = await runtime.readTextFile(path, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw new ConfigurationError(
        `Cannot read the file of ${name}, ${path}: ${
          describeReadError(error, path)
        }`,
        { cause: error },
      );
    }
    if (isPem(text, kind)) return text;
    throw new ConfigurationError(
      `Cannot use the file of ${name}, ${path}: ${
        isEncrypted(text, kind)
          ? ENCRYPTED
          : `it holds no ${kind} in PEM form, which must begin a line`
      }`,
    );
  }
  const { caCerts, caFile, cert, key, certFile, checkHostname = true } =
    sources;
  const authorities = caCerts ??
    (caFile === undefined
      ? []
      : [await read("ssl_ca_certs", caFile, "CERTIFICATE")]);
  if (cert !== undefined && key !== undefined) {
    return { caCerts: authorities, cert, key, checkHostname };
  }
  if (certFile === undefined) return { caCerts: authorities, checkHostname };
  const { keyFile = certFile } = sources;
  return {
    caCerts: authorities,
    cert: await read("ssl_certfile", certFile, "CERTIFICATE"),
    // As in Python, one file may hold both.
    key: await read("ssl_keyfile", keyFile, "PRIVATE KEY"),
    checkHostname,
  };
}

function checkOptions(options: TlsOptions): void {
  const given: unknown = options;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new ConfigurationError(
      `Cannot use a value of the type ${typeof given} as tls: expected an object, such as {}`,
    );
  }
  for (const name of Object.keys(given)) {
    if (NAMES.has(name)) continue;
    throw new ConfigurationError(unknownOption(name, NAMES, "tls."));
  }
  const { caCerts, cert, key } = options;
  if (
    caCerts !== undefined &&
    !(Array.isArray(caCerts) &&
      caCerts.every((each) => isPem(each, "CERTIFICATE")))
  ) {
    throw notPem("tls.caCerts", "a list of certificates");
  }
  if ((cert === undefined) !== (key === undefined)) {
    throw new ConfigurationError(
      `Cannot use tls.${
        cert === undefined ? "key without tls.cert" : "cert without tls.key"
      }: a client presents its certificate, and proves with the key that it owns it`,
    );
  }
  if (cert !== undefined && !isPem(cert, "CERTIFICATE")) {
    throw notPem("tls.cert", "a certificate");
  }
  if (key !== undefined && !isPem(key, "PRIVATE KEY")) {
    throw isEncrypted(key, "PRIVATE KEY")
      ? new ConfigurationError(`Cannot use tls.key: ${ENCRYPTED}`)
      : notPem("tls.key", "a private key");
  }
}

function notPem(name: string, what: string): ConfigurationError {
  return new ConfigurationError(
    `Cannot use ${name}: expected ${what} as PEM text (a line that begins with -----BEGIN ...), not the name of a file`,
  );
}

/**
 * Whether it looks like PEM that Deno accepts. As certificate authorities, Deno
 * accepts any text, and then trusts none.
 */
function isPem(text: unknown, kind: PemKind): boolean {
  return typeof text === "string" && PEM_HEADERS[kind].test(text) &&
    !isEncrypted(text, kind);
}

function isEncrypted(text: unknown, kind: PemKind): boolean {
  return kind === "PRIVATE KEY" && typeof text === "string" &&
    /^(-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED)/m.test(
      text,
    );
}

function describeReadError(error: unknown, path: string): string {
  if (error instanceof Deno.errors.NotCapable) {
    return `the permission is missing: ${grantAdvice({ read: path })}`;
  }
  if (error instanceof Deno.errors.NotFound) return "no such file";
  return error instanceof Error ? error.message : String(error);
}
