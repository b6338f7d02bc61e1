// A new pair of age keys: what opens, and to whom to encrypt.
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import type { AgeKeys } from "../../src/age/identities.ts";

export interface AgeKeyPair {
  readonly keys: AgeKeys;
  readonly recipients: readonly string[];
}

export async function newAgeKeys(): Promise<AgeKeyPair> {
  const identity = await generateX25519Identity();
  return { keys: { identities: [identity], passphrase: undefined }, recipients: [await identityToRecipient(identity)] };
}
