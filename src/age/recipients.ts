// To whom an age file is encrypted: X25519 recipients, wrapped by age-encryption, or one passphrase. The passphrase's scrypt is node:crypto's, which
// runs beside everything else, where JavaScript would stop this process for seconds.
import type { Encrypter } from "age-encryption";
import { EtcdsafeError } from "../errors.ts";
import { FILE_KEY_SIZE_BYTES, SCRYPT_WORK_FACTOR } from "./constants.ts";
import { parseHeader, type Stanza } from "./header.ts";
import { wrapWithPassphrase } from "./scrypt.ts";

/** Who is to be able to open a file. age has no file for both. */
export type AgeRecipients =
  | { readonly recipients: readonly string[] }
  /** `workFactor`: base-2 logarithm of scrypt's N; SCRYPT_WORK_FACTOR where absent. */
  | { readonly passphrase: string; readonly workFactor?: number };

const X25519_RECIPIENT = /^age1[02-9ac-hj-np-z]{58}$/;
/** `age-plugin-…` and the kinds that later versions of age know have other human-readable parts. */
const OTHER_RECIPIENT = /^(age1[a-z0-9]|ssh-|-----BEGIN )/;

/** Why `text` cannot be encrypted to, as the end of a sentence that begins with it; undefined where it can. */
export async function recipientFault(text: string): Promise<string | undefined> {
  if (/^AGE-SECRET-KEY-/i.test(text)) return "is an identity, which is secret: its recipient, `age-keygen -y`, is what to encrypt to";
  if (!X25519_RECIPIENT.test(text)) return OTHER_RECIPIENT.test(text) ? "is a recipient of a kind that is not supported: X25519 only" : "is no age recipient";
  try {
    (await newEncrypter()).addRecipient(text);
    return undefined;
  } catch {
    return "is no age recipient: it has a typing error";
  }
}

/** The stanzas that hold `fileKey`. Throws CONFIG_INVALID for a recipient that `recipientFault` finds fault with. */
export async function wrapFileKey(fileKey: Uint8Array, to: AgeRecipients): Promise<readonly Stanza[]> {
  if ("passphrase" in to) return [await wrapWithPassphrase(fileKey, to.passphrase, to.workFactor ?? SCRYPT_WORK_FACTOR)];
  const encrypter = await newEncrypter();
  // The library draws a file key by itself and shows it to each recipient in turn: this one puts ours in its place.
  encrypter.addRecipient({
    wrapFileKey: (drawn) => {
      drawn.set(fileKey);
      return [];
    },
  });
  for (const recipient of new Set(to.recipients)) {
    const fault = await recipientFault(recipient);
    if (fault !== undefined)
      throw new EtcdsafeError("CONFIG_INVALID", `${X25519_RECIPIENT.test(recipient) ? recipient : "what is named as a recipient"} ${fault}`);
    encrypter.addRecipient(recipient);
  }
  if (to.recipients.length === 0 || fileKey.length !== FILE_KEY_SIZE_BYTES) throw new EtcdsafeError("INTERNAL", "nobody could open this file");
  return parseHeader(await encrypter.encrypt(new Uint8Array(0)), "a file made by age-encryption").stanzas;
}

async function newEncrypter(): Promise<Encrypter> {
  return new (await import("age-encryption")).Encrypter();
}
