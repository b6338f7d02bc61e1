// Who can open an age file: X25519 identities, tried by age-encryption, and a passphrase.
import { EtcdsafeError, FormatError } from "../errors.ts";
import { type AgeHeader, isAuthentic } from "./header.ts";
import { checkScryptStanzas, SCRYPT, unwrapWithPassphrase } from "./scrypt.ts";

/** Secrets; never to be shown. */
export interface AgeKeys {
  /** `AGE-SECRET-KEY-1…`, as `age-keygen` prints them. */
  readonly identities: readonly string[];
  readonly passphrase: string | undefined;
  /** Of the one file that is to be opened: then nothing else is needed. */
  readonly fileKey?: Uint8Array;
}

const X25519 = "X25519";
const WRONG_MAC = "the MAC of its header is wrong: somebody changed it";
/** Messages of age-encryption. */
const NO_MATCH = "no identity matched any of the file's recipients";
const BAD_MAC = "invalid header HMAC";
const X25519_IDENTITY = /^AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}$/;

/** Why `text` is of no use, as the end of a sentence that does not repeat it; undefined where it is an identity. */
export async function identityFault(text: string): Promise<string | undefined> {
  if (/^age1/.test(text)) return "is a recipient, which anybody may know, and opens nothing";
  if (!X25519_IDENTITY.test(text))
    return /^AGE-(SECRET-KEY|PLUGIN)-/.test(text) ? "is an identity of a kind that is not supported: X25519 only" : "is no age identity";
  try {
    const { Decrypter } = await import("age-encryption");
    new Decrypter().addIdentity(text);
    return undefined;
  } catch {
    return "is no age identity: it has a typing error";
  }
}

/** Of a good identity: what it opens is encrypted to. */
export async function recipientOf(identity: string): Promise<string> {
  return (await import("age-encryption")).identityToRecipient(identity);
}

/**
 * The file key. Throws DECRYPTION_KEY_MISSING where none of `keys` is of the kind that is needed, DECRYPTION_FAILED where they are but open nothing, and
 * OBJECT_CORRUPT for a header that was changed.
 */
export async function unwrapFileKey(header: AgeHeader, keys: AgeKeys, name: string): Promise<Uint8Array> {
  checkScryptStanzas(header.stanzas, name);
  if (keys.fileKey !== undefined && isAuthentic(header, keys.fileKey)) return keys.fileKey;
  const fileKey = header.stanzas[0]!.type === SCRYPT ? await byPassphrase(header, keys, name) : await byIdentity(header, keys, name);
  if (!isAuthentic(header, fileKey)) throw new FormatError("OBJECT_CORRUPT", `${name}: ${WRONG_MAC}`, 0);
  return fileKey;
}

async function byPassphrase({ stanzas }: AgeHeader, { passphrase }: AgeKeys, name: string): Promise<Uint8Array> {
  if (passphrase === undefined)
    throw new EtcdsafeError("DECRYPTION_KEY_MISSING", `${name} is encrypted with a passphrase, and none was given`, { hint: "Give --passphrase-file." });
  const fileKey = await unwrapWithPassphrase(stanzas[0]!, passphrase);
  if (fileKey === undefined) throw new EtcdsafeError("DECRYPTION_FAILED", `${name} is encrypted with another passphrase than the one given`);
  return fileKey;
}

async function byIdentity(header: AgeHeader, { identities }: AgeKeys, name: string): Promise<Uint8Array> {
  if (identities.length === 0)
    throw new EtcdsafeError("DECRYPTION_KEY_MISSING", `${name} is encrypted to recipients, and no identity was given`, { hint: "Give --identity-file." });
  const { Decrypter } = await import("age-encryption");
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    return await decrypter.decryptHeader(header.bytes);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "";
    // The library has no codes. What it says of anything else is about a stanza of a kind that it knows.
    if (why !== NO_MATCH)
      throw new FormatError("OBJECT_CORRUPT", `${name}: ${why === BAD_MAC ? WRONG_MAC : "a recipient in its header is malformed"}`, 0, { cause });
  }
  const others = header.stanzas.filter(({ type }) => type !== X25519).length;
  const kinds = others === 0 ? "" : ` (${others} of its ${header.stanzas.length} recipients are of a kind that is not supported)`;
  throw new EtcdsafeError("DECRYPTION_FAILED", `${name} is encrypted to others than the ${identities.length === 1 ? "identity" : "identities"} given${kinds}`);
}
