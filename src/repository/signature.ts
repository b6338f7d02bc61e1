// Who vouches for a manifest: Ed25519 signatures beside it. docs/repository-format.md, "Signatures".
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { EtcdsafeError, hasCode } from "../errors.ts";
import { type DocumentKind, encodeDocument, parseDocument } from "./document.ts";
import { FORMAT_VERSION } from "./schemas/common.ts";
import { signatureSchema } from "./schemas/signature.ts";

/** A private key, whose holder signs. */
export interface SigningKey {
  /** 32 bytes, base64: what others trust. */
  readonly publicKey: string;
  readonly key: KeyObject;
}

/** 32 bytes, base64. */
export type TrustedKey = string;

/** 32 bytes in base64. */
export const TRUSTED_KEY = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

const ED25519 = "ed25519";
const SIGNATURE: DocumentKind<typeof signatureSchema> = { schema: signatureSchema, label: "signature", invalid: "MANIFEST_INVALID" };

export function signatureKey(key: string): string {
  return `${key}.sig`;
}

/** The key in a PEM file as `openssl genpkey -algorithm ed25519` writes it; or why there is none, as the end of a sentence that begins with the file's name. */
export function readSigningKey(pem: string): SigningKey | string {
  if (/ENCRYPTED/.test(pem)) return "is encrypted, and there is no way to give its passphrase: decrypt it, and protect it with file permissions";
  try {
    const key = createPrivateKey(pem);
    return key.asymmetricKeyType === ED25519 ? { key, publicKey: rawPublicKey(createPublicKey(key)) } : "holds a private key of another kind than Ed25519";
  } catch {
    return "holds no private key in PEM: `openssl genpkey -algorithm ed25519` makes one";
  }
}

/** The key in a PEM file as `openssl pkey -pubout` writes it; or why there is none, as above. */
export function readTrustedKey(pem: string): { readonly publicKey: TrustedKey } | string {
  if (/PRIVATE KEY/.test(pem)) return "holds a private key, which only belongs where backups are signed: `openssl pkey -pubout` makes the public one";
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyType === ED25519 ? { publicKey: rawPublicKey(key) } : "holds a public key of another kind than Ed25519";
  } catch {
    return "holds no public key in PEM: `openssl pkey -pubout` makes one of a private key";
  }
}

/** The document to be stored beside `bytes`. */
export function encodeSignature(key: string, bytes: Uint8Array, { key: privateKey, publicKey }: SigningKey): Uint8Array {
  const signedSha256 = sha256(bytes);
  const signature = sign(null, signedText(signedSha256), privateKey).toString("base64");
  return encodeDocument(SIGNATURE, signatureKey(key), {
    format: FORMAT_VERSION,
    requires: [],
    signedSha256,
    signatures: [{ algorithm: ED25519, publicKey, signature }],
  });
}

/** Throws MANIFEST_UNTRUSTED unless one of `trusted` has signed `bytes`, which are stored as `key`. `document`: what lies beside it, undefined for nothing. */
export function requireSigned(key: string, bytes: Uint8Array, document: Uint8Array | undefined, trusted: readonly TrustedKey[]): void {
  const untrusted = (why: string) => new EtcdsafeError("MANIFEST_UNTRUSTED", `${key} ${why}`);
  if (document === undefined) throw untrusted("is not signed, and only signed backups are trusted (--trusted-key)");
  const { signedSha256, signatures } = parsed(key, document, untrusted);
  if (signedSha256 !== sha256(bytes)) throw untrusted("is not the manifest that was signed: it was changed");
  const ofTrusted = signatures.filter(({ publicKey }) => trusted.includes(publicKey));
  if (ofTrusted.length === 0) throw untrusted(`is signed by ${signatures.map(({ publicKey }) => publicKey).join(", ")}, which no --trusted-key names`);
  if (!ofTrusted.some((each) => isMadeWithItsKey(each, signedSha256))) throw untrusted("has a signature that was not made with the key it names");
}

/** Whether anybody at all has signed `bytes`: junk in the place of a signature is none. */
export function isSignedByAnybody(key: string, bytes: Uint8Array, document: Uint8Array): boolean {
  try {
    const { signedSha256, signatures } = parseDocument(SIGNATURE, signatureKey(key), document);
    return signedSha256 === sha256(bytes) && signatures.some((each) => isMadeWithItsKey(each, signedSha256));
  } catch (error) {
    if (hasCode(error, SIGNATURE.invalid)) return false;
    throw error;
  }
}

function isMadeWithItsKey({ publicKey, signature }: { readonly publicKey: TrustedKey; readonly signature: string }, signedSha256: string): boolean {
  return verify(null, signedText(signedSha256), publicKeyOf(publicKey), Buffer.from(signature, "base64"));
}

function parsed(key: string, document: Uint8Array, untrusted: (why: string) => EtcdsafeError) {
  try {
    return parseDocument(SIGNATURE, signatureKey(key), document);
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || error.code !== SIGNATURE.invalid) throw error;
    throw untrusted(`has a signature that cannot be read: ${error.message}`);
  }
}

function signedText(signedSha256: string): Uint8Array {
  return Buffer.from(`etcdsafe signature 1\n${signedSha256}\n`);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function rawPublicKey(key: KeyObject): TrustedKey {
  return Buffer.from(key.export({ format: "jwk" }).x ?? "", "base64url").toString("base64");
}

function publicKeyOf(raw: TrustedKey): KeyObject {
  return createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(raw, "base64").toString("base64url") } });
}
