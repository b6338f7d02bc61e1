// Certificate authorities and what they sign, for TLS tests: right, expired, not yet valid, of another authority. Written here
// (X.509 v3, RFC 5280, ECDSA P-256) because Node cannot issue certificates and a test must not depend on an openssl being there.
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { bitString, boolean, type Der, explicit, implicit, integer, objectIdentifier, octetString, sequence, set, time, utf8String } from "./der.ts";

/** Paths of PEM files. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** Name of the files; the common name too where `commonName` is left out. */
  readonly name: string;
  readonly commonName?: string;
  /** DNS names and IP addresses; 127.0.0.1 and localhost where left out. */
  readonly hosts?: readonly string[];
  /** Days from now; -1 and 30 where left out. Expired: { from: -3, to: -1 }. */
  readonly validDays?: { readonly from: number; readonly to: number };
}

export interface CertificateAuthority {
  /** The authority's own certificate, as --trusted-ca-file and --cacert take it. */
  readonly path: string;
  /** A certificate for servers and clients alike: etcd presents its server certificate to itself. */
  issue(options: CertificateOptions): Promise<CertificateFiles>;
}

interface Contents {
  readonly issuer: string;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly Der[];
}

const OID = {
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  commonName: "2.5.4.3",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

const DAY_MS = 24 * 60 * 60_000;

/** Creates an authority whose files lie in `directory`. */
export async function createAuthority(directory: string, name = "ca"): Promise<CertificateAuthority> {
  await mkdir(directory, { recursive: true });
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const path = join(directory, `${name}.crt`);
  const critical = boolean(true);
  const extensions = [
    extension(OID.basicConstraints, sequence(boolean(true)), critical),
    extension(OID.keyUsage, bitString(Uint8Array.of(0b0000_0110), 1), critical), // keyCertSign, cRLSign
  ];
  const dates = { notBefore: daysFromNow(-1000), notAfter: daysFromNow(1000) };
  await writeFile(path, pem("CERTIFICATE", certificate({ issuer: name, subject: name, publicKey: keys.publicKey, ...dates, extensions }, keys.privateKey)));
  return {
    path,
    issue: (options) => issue(directory, { issuer: name, key: keys.privateKey }, options),
  };
}

async function issue(directory: string, authority: { issuer: string; key: KeyObject }, options: CertificateOptions): Promise<CertificateFiles> {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { from, to } = options.validDays ?? { from: -1, to: 30 };
  const contents: Contents = {
    issuer: authority.issuer,
    subject: options.commonName ?? options.name,
    publicKey: keys.publicKey,
    notBefore: daysFromNow(from),
    notAfter: daysFromNow(to),
    extensions: [
      extension(OID.keyUsage, bitString(Uint8Array.of(0b1000_0000), 7)), // digitalSignature
      extension(OID.extendedKeyUsage, sequence(objectIdentifier(OID.serverAuth), objectIdentifier(OID.clientAuth))),
      extension(OID.subjectAltName, sequence(...(options.hosts ?? ["127.0.0.1", "localhost"]).map(generalName))),
    ],
  };
  const files = { cert: join(directory, `${options.name}.crt`), key: join(directory, `${options.name}.key`) };
  await writeFile(files.cert, pem("CERTIFICATE", certificate(contents, authority.key)));
  await writeFile(files.key, keys.privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  return files;
}

/** RFC 5280 §4.1: Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }. */
function certificate(contents: Contents, authorityKey: KeyObject): Der {
  const algorithm = sequence(objectIdentifier(OID.ecdsaWithSha256));
  const toBeSigned = sequence(
    explicit(0, integer(Uint8Array.of(2))), // version 3
    integer(Uint8Array.of(1, ...randomBytes(15))), // DER allows no leading zero byte
    algorithm,
    distinguishedName(contents.issuer),
    sequence(time(contents.notBefore), time(contents.notAfter)),
    distinguishedName(contents.subject),
    contents.publicKey.export({ type: "spki", format: "der" }),
    explicit(3, sequence(...contents.extensions)),
  );
  return sequence(toBeSigned, algorithm, bitString(sign("sha256", toBeSigned, authorityKey)));
}

function distinguishedName(commonName: string): Der {
  return sequence(set(sequence(objectIdentifier(OID.commonName), utf8String(commonName))));
}

function extension(id: string, value: Der, ...critical: readonly Der[]): Der {
  return sequence(objectIdentifier(id), ...critical, octetString(value));
}

function generalName(host: string): Der {
  return isIP(host) === 4 ? implicit(7, Uint8Array.from(host.split(".").map(Number))) : implicit(2, Buffer.from(host));
}

function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * DAY_MS);
}

function pem(label: string, der: Der): string {
  const lines = Buffer.from(der)
    .toString("base64")
    .replace(/(.{64})/g, "$1\n")
    .trimEnd();
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
