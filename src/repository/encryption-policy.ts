// To whom a new backup is encrypted: what was asked for, else what the repository's policy says.
import { type AgeRecipients, recipientFault } from "../age/recipients.ts";
import { EtcdsafeError } from "../errors.ts";
import type { RepositoryFile } from "./repository.ts";

/** `unencrypted`: somebody said that it shall not be. */
export type AskedEncryption = AgeRecipients | "unencrypted" | "not-said";

export interface EncryptionPlace {
  /** For messages: the store. */
  readonly location: string;
  /** Whether the store is on the host that saves. */
  readonly isOnThisHost: boolean;
}

/**
 * Undefined: not at all. Throws ENCRYPTION_REQUIRED where that is not allowed: in a repository that requires encryption, and, unless somebody said so,
 * in a store outside this host.
 */
export function chooseEncryption(asked: AskedEncryption, policy: RepositoryFile["policy"]["encryption"], place: EncryptionPlace): AgeRecipients | undefined {
  if (typeof asked === "object") return asked;
  if (asked === "not-said" && policy !== undefined && policy.recipients.length > 0) return { recipients: policy.recipients };
  if (policy?.required === true)
    throw new EtcdsafeError("ENCRYPTION_REQUIRED", `the policy of the repository in ${place.location} requires that backups are encrypted`, {
      // Where it names somebody, they are only not encrypted to because it was said that nothing shall be.
      ...(policy.recipients.length > 0 && { hint: "Leave --unencrypted away: the policy names to whom. Nothing was written." }),
    });
  if (asked === "unencrypted" || place.isOnThisHost) return undefined;
  throw new EtcdsafeError("ENCRYPTION_REQUIRED", `${place.location} is outside this host, and it is not said to whom the backup is to be encrypted`, {
    hint: "Give --recipient or --passphrase-file: snapshots hold every Secret of the cluster. To store them for anyone to read who gets at the store, type --unencrypted. Nothing was written.",
  });
}

/** Throws REPOSITORY_INVALID for a policy that names somebody to whom nothing can be encrypted: before there is anything to encrypt. */
export async function requireUsableRecipients({ recipients }: NonNullable<RepositoryFile["policy"]["encryption"]>, location: string): Promise<void> {
  for (const [index, recipient] of recipients.entries()) {
    const fault = await recipientFault(recipient);
    if (fault === undefined) continue;
    throw new EtcdsafeError(
      "REPOSITORY_INVALID",
      `the policy of the repository in ${location} cannot be kept: recipient ${index + 1} of ${recipients.length} ${fault}`,
      {
        hint: "Mend policy.encryption.recipients in etcdsafe-repository.json, or say with --recipient to whom.",
      },
    );
  }
}
