// What becomes of a signature where a backup is stored again under a manifest of its own. Who signs vouches for what is inside: so a signature is neither lost
// without a word, nor given to what nobody vouched for.
import { isDeepStrictEqual } from "node:util";
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import { manifestKey } from "./names.ts";
import { type SigningKey, signatureKey } from "./signature.ts";
import { isSigned, onlySigned } from "./trusted-manifests.ts";

export interface Resigning {
  /** Signs the new manifest; undefined: it is not signed. */
  readonly signing: SigningKey | undefined;
  /** Whether the old one could only be read because somebody who is trusted has signed it. */
  readonly isProven: boolean;
  /** Somebody said that a signature may be lost. */
  readonly allowUnsigned: boolean;
  /** Somebody said that what nobody trusted has signed may be signed: he vouches for it himself. */
  readonly allowUnproven: boolean;
}

/** Throws SIGNATURE_REQUIRED where a signature would be lost, and MANIFEST_UNTRUSTED where one would be given that nothing justifies. */
export async function requireSameTrust(storage: Storage, manifest: Manifest, resigning: Resigning, options: CallOptions): Promise<void> {
  const { signing, isProven, allowUnsigned, allowUnproven } = resigning;
  const { cluster, id } = manifest;
  if (signing === undefined) {
    if (allowUnsigned || (await storage.stat(signatureKey(manifestKey(cluster, id)), options)) === undefined) return;
    throw new EtcdsafeError("SIGNATURE_REQUIRED", `${id} is signed, and what is made of it would not be`);
  }
  if (isProven || allowUnproven || (await isSignedWith(signing, storage, manifest, options))) return;
  throw new EtcdsafeError("MANIFEST_UNTRUSTED", `${id} is to be signed, and nobody who is trusted has vouched for it`, {
    hint: "Give --trusted-key with the key that it was signed with. To vouch for it yourself, once you know where it comes from, type --sign-unproven. Nothing was written.",
  });
}

/**
 * Whether what was stored again as `remade` is as trusted as storing `manifest` again would make it: else somebody else may have put it there, and who takes it
 * for his own removes what it was made of.
 */
export async function isTrustedAlike(storage: Storage, manifest: Manifest, remade: Manifest, resigning: Resigning, options: CallOptions): Promise<boolean> {
  const { signing, isProven, allowUnsigned } = resigning;
  if (isProven) return true; // Else it could not be read.
  if (signing !== undefined) return isSignedWith(signing, storage, remade, options);
  const hasSignature = (await storage.stat(signatureKey(manifestKey(manifest.cluster, manifest.id)), options)) !== undefined;
  return allowUnsigned || !hasSignature || isSigned(storage, remade.cluster, remade.id, options);
}

/** What one has signed himself proves its origin as well as any. */
async function isSignedWith({ publicKey }: SigningKey, storage: Storage, manifest: Manifest, options: CallOptions): Promise<boolean> {
  try {
    return isDeepStrictEqual(await readManifest(onlySigned(storage, [publicKey]), manifest.cluster, manifest.id, options), manifest);
  } catch (error) {
    if (hasCode(error, "MANIFEST_UNTRUSTED")) return false;
    throw error;
  }
}
