// `etcdsafe repo rekey [BACKUP]`
import type { AgeRecipients } from "../../age/recipients.ts";
import { EtcdsafeError } from "../../errors.ts";
import type { RekeyOptions } from "../../rekey/rekey.ts";
import { type Rekeyed, rekeyAll, rekeyOne } from "../../rekey/rekey-all.ts";
import type { BackupEntry } from "../../repository/catalogue.ts";
import { type AskedEncryption, requireUsableRecipients } from "../../repository/encryption-policy.ts";
import { encryptedTo } from "../../repository/object-decoder.ts";
import { encryptionFacts } from "../../repository/object-encoder.ts";
import { openToWrite, type Repository } from "../../repository/repository.ts";
import type { Resigning } from "../../repository/resigning.ts";
import { resolveBackup } from "../../repository/resolve.ts";
import type { TrustedKey } from "../../repository/signature.ts";
import type { Invocation } from "../command.ts";
import { PARTLY_DONE } from "../exit-codes.ts";
import { printableLine } from "../printable.ts";
import { askedAnew, keysOf, provesOrigin, trustedKeysOf } from "../protection.ts";
import { author, lockOf, openNamedStorage } from "../repository.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { config, operands, output } = invocation;
  const all = config.get("all");
  if (all === operands.length > 0) throw new EtcdsafeError("USAGE", "one backup or all", { hint: "Name one backup, or give --all." });
  const { encryption, resigning } = await askedAnew(invocation, provesOrigin(config));
  requireBelieved(resigning, await trustedKeysOf(invocation));
  const keys = await keysOf(invocation);
  const repository = await openToWrite(await openNamedStorage(invocation), invocation);
  const to = await recipientsOf(encryption, repository);
  const { runtime, signal } = invocation;
  const options: RekeyOptions = { runtime, signal, keys, to, newKey: config.get("new-key"), resigning, protection: { lock: lockOf(invocation) } };
  const rekeyed = all
    ? await rekeyAll(repository, config.get("cluster"), await author(), options)
    : [await rekeyOne(repository, await author(), await named(repository, operands[0]!, invocation), options)];
  output.print({ rekeyed }, () => rekeyedText(rekeyed, options));
  return rekeyed.some(({ outcome }) => outcome === "failed") ? PARTLY_DONE : 0;
}

/** Throws USAGE where nothing that is stored would be believed by the same keys: each run would store it again. */
function requireBelieved({ signing, allowUnsigned }: Resigning, trusted: readonly TrustedKey[] | undefined): void {
  if (trusted === undefined || (signing === undefined ? !allowUnsigned : trusted.includes(signing.publicKey))) return;
  const [option, how] = allowUnsigned ? ["--unsigned", "without a signature"] : ["--sign-key-file", `with the signature of ${signing?.publicKey}`];
  throw new EtcdsafeError("USAGE", `${option} with --trusted-key: what is stored ${how} would count as damaged at once`, {
    hint: "Give --sign-key-file with a key that --trusted-key names, or name the new one there as well.",
  });
}

async function recipientsOf(asked: AskedEncryption, { file, storage }: Repository): Promise<AgeRecipients> {
  if (typeof asked === "object") return asked;
  const policy = file.policy.encryption;
  if (policy !== undefined && policy.recipients.length > 0) {
    await requireUsableRecipients(policy, storage.location);
    return { recipients: policy.recipients };
  }
  throw new EtcdsafeError("USAGE", `it is not said to whom, and the policy of the repository in ${storage.location} names nobody`, {
    hint: "Give --recipient, --recipients-file or --new-passphrase-file.",
  });
}

function named(repository: Repository, reference: string, { config, runtime, signal }: Invocation): Promise<BackupEntry> {
  const passedOver = (message: string) => runtime.log({ level: "warn", message });
  return resolveBackup(repository, config.get("cluster"), reference, { signal, passedOver });
}

function rekeyedText(rekeyed: readonly Rekeyed[], { to, newKey, resigning }: RekeyOptions): string {
  const lines = rekeyed.map(({ backup, outcome, newId, failure }) => {
    if (failure !== null) return `${backup}  FAILED  ${failure.code}: ${printableLine(failure.message)}\n  hint: ${printableLine(failure.hint)}\n`;
    return outcome === "rekeyed"
      ? `${backup}  stored again as ${newId}\n`
      : `${backup}  ${newId === backup ? "already done" : `done by ${newId}, which holds the same`}\n`;
  });
  if (!rekeyed.some(({ outcome }) => outcome === "rekeyed")) return lines.join("");
  return [
    ...lines,
    `Encrypted ${encryptedTo({ encryption: encryptionFacts(to) })}${newKey ? ", each with a new key" : ""}.\n`,
    resigning.signing === undefined
      ? ""
      : `Signed with ${resigning.signing.publicKey}${resigning.allowUnproven ? ", whoever made them (--sign-unproven)" : ""}.\n`,
    "Whoever could read the old backups still can: they stay as long as the new ones do (docs/encryption.md says how they go earlier), and copies may be elsewhere.\n",
    ...(rekeyed.some(({ keepsKey }) => keepsKey)
      ? ["What was encrypted keeps its key: who has opened an old one may have kept that, and opens the new one with it. --new-key encrypts again.\n"]
      : []),
  ].join("");
}
