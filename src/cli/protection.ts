// To whom a command encrypts, what it opens backups with, who signs and who is believed: from its options.
import type { AgeKeys } from "../age/identities.ts";
import { throwFaults } from "../config/config-error.ts";
import { originText } from "../config/origin.ts";
import { EtcdsafeError } from "../errors.ts";
import type { AskedEncryption } from "../repository/encryption-policy.ts";
import type { Resigning } from "../repository/resigning.ts";
import type { SigningKey, TrustedKey } from "../repository/signature.ts";
import type { Storage } from "../storage/storage.ts";
import type { Invocation } from "./command.ts";

/** What opens backups; undefined where no option says. Throws all faults of these options at once. */
export async function keysOf({ config }: Invocation): Promise<AgeKeys | undefined> {
  if (config.get("identity-file") === undefined && config.get("passphrase-file") === undefined) return undefined;
  const { value, faults } = await (await import("../config/encryption.ts")).readKeys(config);
  throwFaults(faults);
  return value;
}

/** How what is written is to be protected. Throws as keysOf. */
export async function askedProtection(
  { config }: Invocation,
  passphrase: "passphrase-file" | "new-passphrase-file",
): Promise<{ readonly encryption: AskedEncryption; readonly signing: SigningKey | undefined }> {
  const { readAskedEncryption, readSigning } = await import("../config/encryption.ts");
  const [encryption, signing] = await Promise.all([readAskedEncryption(config, passphrase), readSigning(config)]);
  throwFaults([...encryption.faults, ...signing.faults]);
  return { encryption: encryption.value, signing: signing.value };
}

/** The same for backups that are stored again; `isProven`: whether of those only ones that somebody trusted has signed can be read. Throws as keysOf. */
export async function askedAnew(invocation: Invocation, isProven: boolean): Promise<{ readonly encryption: AskedEncryption; readonly resigning: Resigning }> {
  const { encryption, signing } = await askedProtection(invocation, "new-passphrase-file");
  const { config } = invocation;
  const resigning = { signing, isProven, allowUnsigned: config.get("unsigned"), allowUnproven: config.get("sign-unproven") };
  return { encryption, resigning };
}

/** With --trusted-key, manifests can only be read where one of these keys has signed them. Throws as keysOf. */
export async function trustedOnly(storage: Storage, invocation: Invocation): Promise<Storage> {
  const trusted = await trustedKeysOf(invocation);
  return trusted === undefined ? storage : (await import("../repository/trusted-manifests.ts")).onlySigned(storage, trusted);
}

/** Who is believed; undefined: everybody. Throws as keysOf. */
export async function trustedKeysOf({ config }: Invocation): Promise<readonly TrustedKey[] | undefined> {
  if (!provesOrigin(config)) return undefined;
  const { value, faults } = await (await import("../config/encryption.ts")).readTrusted(config);
  throwFaults(faults);
  return value;
}

/** Throws USAGE where somebody asks for proof that a file cannot give, and says so where that is only asked for in general. */
export function requireNoProof({ config, runtime }: Invocation, path: string): void {
  if (!provesOrigin(config)) return;
  const origin = config.origin("trusted-key");
  if (origin.kind !== "flag") {
    const message = `${path} is no backup of a repository, and nobody has signed it, whatever keys are trusted (${originText(origin)}): integrity only, origin not proven`;
    runtime.log({ level: "warn", message });
    return;
  }
  throw new EtcdsafeError("USAGE", `--trusted-key: the file ${path} is no backup of a repository, and nobody has signed it`, {
    hint: "Leave --trusted-key out if you know where the file comes from.",
  });
}

/** Whether what is read is known to come from somebody who is trusted. */
export function provesOrigin(config: Invocation["config"]): boolean {
  return config.get("trusted-key") !== undefined;
}
