/**
 * Certificates of a test authority, generated with openssl once per test file.
 *
 * @module
 */

/** The files of a certificate and its key. */
export interface CertificateFiles {
  /** The certificate's file, PEM. */
  readonly cert: string;
  /** The key's file, PEM. */
  readonly key: string;
}

/** Every certificate is signed by `authority` unless noted. */
export interface Certificates {
  /** The authority itself. */
  readonly authority: CertificateFiles;
  /** An authority that signed none of them. */
  readonly otherAuthority: CertificateFiles;
  /** For localhost and 127.0.0.1. */
  readonly server: CertificateFiles;
  /** For other.test. */
  readonly wrongName: CertificateFiles;
  /** Like `server`, expired yesterday. */
  readonly expired: CertificateFiles;
  /** Like `server`, valid from tomorrow. */
  readonly notYetValid: CertificateFiles;
  /** Like `server`, with a common name instead of subjectAltName. */
  readonly nameless: CertificateFiles;
  /** An authority's own, for localhost: what `openssl req -x509` makes. */
  readonly selfSigned: CertificateFiles;
  /** A client's. */
  readonly client: CertificateFiles;
  /** Like `client`, expired yesterday. */
  readonly expiredClient: CertificateFiles;
  /** The key of `client`, encrypted. */
  readonly encryptedKey: string;
}

const LOCAL = "subjectAltName=DNS:localhost,IP:127.0.0.1";

/** The validity of a certificate, in days from now. */
type Validity = readonly [from: number, until: number];

const DAY = 24 * 60 * 60 * 1000;
const CLIENT = "extendedKeyUsage=clientAuth";

let made: Promise<Certificates> | undefined;

/** Returns the certificates, generated on the first call. */
export function certificates(): Promise<Certificates> {
  made ??= make();
  return made;
}

async function make(): Promise<Certificates> {
  const dir = await Deno.makeTempDir({ prefix: "certificates-" });
  globalThis.addEventListener("unload", () => {
    Deno.removeSync(dir, { recursive: true });
  });
  const authority = await selfSigned(dir, "authority");
  function sign(
    name: string,
    extension: string,
    validity: Validity = [-1, 2],
  ): Promise<CertificateFiles> {
    return signed(dir, authority, { name, extension, validity });
  }
  const client = await sign("client", CLIENT);
  const encryptedKey = `${dir}/client.encrypted.key`;
  await openssl(
    ...["pkcs8", "-topk8", "-in", client.key, "-passout", "pass:secret"],
    ...["-out", encryptedKey],
  );
  return {
    authority,
    otherAuthority: await selfSigned(dir, "other-authority"),
    server: await sign("server", LOCAL),
    wrongName: await sign("wrong-name", "subjectAltName=DNS:other.test"),
    expired: await sign("expired", LOCAL, [-2, -1]),
    notYetValid: await sign("not-yet-valid", LOCAL, [1, 2]),
    nameless: await sign("localhost", "basicConstraints=CA:FALSE"),
    selfSigned: await selfSigned(dir, "self-signed", LOCAL),
    client,
    expiredClient: await sign("expired-client", CLIENT, [-2, -1]),
    encryptedKey,
  };
}

async function selfSigned(
  dir: string,
  name: string,
  extension?: string,
): Promise<CertificateFiles> {
  const files = filesOf(dir, name);
  await openssl(
    ...["req", "-x509", "-days", "2", "-subj", `/CN=${name}`],
    ...(extension === undefined ? [] : ["-addext", extension]),
    ...keyArguments(files),
    ...["-out", files.cert],
  );
  return files;
}

async function signed(
  dir: string,
  authority: CertificateFiles,
  { name, extension, validity }: {
    name: string;
    extension: string;
    validity: Validity;
  },
): Promise<CertificateFiles> {
  const files = filesOf(dir, name);
  const request = `${dir}/${name}.csr`;
  const extensions = `${dir}/${name}.ext`;
  await Deno.writeTextFile(extensions, `${extension}\n`);
  await openssl(
    ...["req", "-subj", `/CN=${name}`, "-out", request],
    ...keyArguments(files),
  );
  // Before OpenSSL 3.4, only `ca` accepts a start date.
  const config = `${dir}/${name}.cnf`;
  const database = `${dir}/${name}.db`;
  await Deno.writeTextFile(database, "");
  await Deno.writeTextFile(config, caConfig(dir, database));
  const [from, until] = validity.map(dateFromNow) as [string, string];
  await openssl(
    ...["ca", "-batch", "-notext", "-config", config, "-in", request],
    ...["-cert", authority.cert, "-keyfile", authority.key],
    ...["-extfile", extensions, "-startdate", from, "-enddate", until],
    ...["-out", files.cert],
  );
  return files;
}

function caConfig(dir: string, database: string): string {
  return `[ca]
default_ca = authority
[authority]
database = ${database}
new_certs_dir = ${dir}
rand_serial = yes
default_md = sha256
policy = policy
[policy]
commonName = supplied
`;
}

/** As openssl writes dates: `20260102030405Z`. */
function dateFromNow(days: number): string {
  const date = new Date(Date.now() + days * DAY);
  return date.toISOString().replace(/\.\d+/, "").replaceAll(/[-:T]/g, "");
}

function filesOf(dir: string, name: string): CertificateFiles {
  return { cert: `${dir}/${name}.pem`, key: `${dir}/${name}.key` };
}

function keyArguments({ key }: CertificateFiles): string[] {
  return [
    ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    ...["-nodes", "-keyout", key],
  ];
}

async function openssl(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", {
    args,
    stdin: "null",
    stdout: "null",
  }).output();
  if (success) return;
  throw new Error(
    `openssl ${args.join(" ")} failed:\n${new TextDecoder().decode(stderr)}`,
  );
}
