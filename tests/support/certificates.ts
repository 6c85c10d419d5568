/**
 * Certificates of a small authority, made with openssl once for each test file.
 *
 * @module
 */

/** A certificate and its key, as files. */
export interface CertificateFiles {
  /** The certificate's file, PEM. */
  readonly cert: string;
  /** The key's file, PEM. */
  readonly key: string;
}

/** Everything is signed by `authority`, if it does not say otherwise. */
export interface Certificates {
  /** The authority itself. */
  readonly authority: CertificateFiles;
  /** An authority that signed nothing. */
  readonly otherAuthority: CertificateFiles;
  /** For localhost and 127.0.0.1. */
  readonly server: CertificateFiles;
  /** For other.test. */
  readonly wrongName: CertificateFiles;
  /** As `server`, until yesterday. */
  readonly expired: CertificateFiles;
  /** As `server`, from tomorrow on. */
  readonly notYetValid: CertificateFiles;
  /** As `server`, but with a common name in place of subjectAltName. */
  readonly nameless: CertificateFiles;
  /** An authority's own, for localhost: what `openssl req -x509` makes. */
  readonly selfSigned: CertificateFiles;
  /** A client's. */
  readonly client: CertificateFiles;
  /** As `client`, until yesterday. */
  readonly expiredClient: CertificateFiles;
  /** The key of `client`, encrypted. */
  readonly encryptedKey: string;
}

const LOCAL = "subjectAltName=DNS:localhost,IP:127.0.0.1";

/** From when and until when a certificate is valid, in days from now. */
type Validity = readonly [from: number, until: number];

const DAY = 24 * 60 * 60 * 1000;
const CLIENT = "extendedKeyUsage=clientAuth";

let made: Promise<Certificates> | undefined;

/** Makes the certificates, or gives those that were made. */
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
  // Before version 3.4, only `ca` can be told when a certificate begins.
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
