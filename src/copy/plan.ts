// What a copy has to do with each backup of one cluster: from what both repositories hold, and nothing else. Pure.
import type { AgeRecipients } from "../age/recipients.ts";
import { EtcdsafeError } from "../errors.ts";
import type { BackupEntry, CatalogueEntry } from "../repository/catalogue.ts";
import { contentOf, type Manifest } from "../repository/manifest.ts";
import { parseBackupId } from "../repository/names.ts";
import type { Resigning } from "../repository/resigning.ts";

/** Which backups of the source are meant; all that are given have to hold. */
export interface Selection {
  /** The newest so many that can be copied, of each cluster. */
  readonly last: number | undefined;
  /** Those that began then or later. */
  readonly since: Date | undefined;
}

export type CopyStep =
  /** `otherwise`: where the same content is there only once an earlier step has copied it, what is to be done if that fails. */
  { readonly kind: "present"; readonly backup: string; readonly as: string; readonly otherwise: OwnStep | undefined } | OwnStep;

/** What is done with a backup whatever becomes of others. */
export type OwnStep =
  /** `to`: encrypted to these; undefined: byte for byte. */
  | { readonly kind: "copy"; readonly entry: BackupEntry; readonly to: AgeRecipients | undefined }
  /** Not to be copied, or not possible. */
  | { readonly kind: "refused"; readonly backup: string; readonly error: EtcdsafeError };

export interface BothSides {
  /** Newest first, both of them. */
  readonly source: readonly CatalogueEntry[];
  readonly target: readonly CatalogueEntry[];
  /** Ids that are being removed from the target. */
  readonly deleting: ReadonlySet<string>;
  /** Where the target is, for messages. */
  readonly location: string;
}

export interface HowToCopy {
  /** Undefined: byte for byte. May throw, and then nothing is planned. */
  encryptionOf(manifest: Manifest): AgeRecipients | undefined;
  readonly resigning: Pick<Resigning, "signing" | "allowUnsigned">;
}

/** Newest first. */
export function planSteps(
  { source, target, deleting, location }: BothSides,
  { last = Number.POSITIVE_INFINITY, since }: Selection,
  { encryptionOf, resigning }: HowToCopy,
): CopyStep[] {
  const byId = new Map(target.map((entry) => [entry.id, entry]));
  const whole = target.filter((entry) => entry.manifest !== null && entry.state !== "damaged") as BackupEntry[];
  // Of one content the newest: it was rekeyed, and whoever did that had a reason.
  const idsByContent = (entries: readonly BackupEntry[]) => new Map(entries.toReversed().map(({ id, manifest }) => [contentOf(manifest), id]));
  const byContent = idsByContent(whole);
  // What has lost its signature does not stand for what is signed.
  const forSigned = resigning.allowUnsigned ? byContent : idsByContent(whole.filter(({ isSigned }) => isSigned));
  const ownStep = (entry: BackupEntry): OwnStep => {
    const { id: backup } = entry;
    const error = conflictWith(byId.get(backup), deleting.has(backup), entry, location);
    if (error !== undefined) return { kind: "refused", backup, error };
    const to = encryptionOf(entry.manifest);
    const isLost = to !== undefined && entry.isSigned && resigning.signing === undefined && !resigning.allowUnsigned;
    return isLost ? { kind: "refused", backup, error: signatureLost(backup) } : { kind: "copy", entry, to };
  };
  const planned = new Set<string>();
  const steps: CopyStep[] = [];
  let chosen = 0;
  for (const entry of source) {
    const { id: backup, manifest } = entry;
    if (chosen >= last || (since !== undefined && createdAt(entry) < since.getTime())) continue;
    if (manifest === null) {
      steps.push({ kind: "refused", backup, error: entry.error });
      continue;
    }
    if (entry.state === "damaged") {
      const error = new EtcdsafeError("SNAPSHOT_DAMAGED", `${backup} is damaged: ${entry.damage.join("; ")}`, { hint: "Damaged backups are not copied." });
      steps.push({ kind: "refused", backup, error });
      continue;
    }
    chosen++;
    const content = contentOf(manifest);
    const as = (entry.isSigned ? forSigned : byContent).get(content);
    if (as !== undefined) {
      steps.push({ kind: "present", backup, as, otherwise: planned.has(as) ? orRefused(backup, () => ownStep(entry)) : undefined });
      continue;
    }
    const step = ownStep(entry);
    steps.push(step);
    if (step.kind !== "copy") continue;
    byContent.set(content, backup);
    if (entry.isSigned) forSigned.set(content, backup);
    planned.add(backup);
  }
  return steps;
}

/** For what is probably not needed nothing is refused beforehand. */
function orRefused(backup: string, stepOf: () => OwnStep): OwnStep {
  try {
    return stepOf();
  } catch (error) {
    if (!(error instanceof EtcdsafeError)) throw error;
    return { kind: "refused", backup, error };
  }
}

/** What keeps a backup from being stored under its id. */
function conflictWith(found: CatalogueEntry | undefined, isBeingDeleted: boolean, { id, manifest }: BackupEntry, location: string): EtcdsafeError | undefined {
  if (isBeingDeleted) return new EtcdsafeError("STORAGE_CONFLICT", `${id} is being removed from ${location}`, { hint: "Copy again when that is done." });
  if (found === undefined) return undefined;
  if (found.manifest === null) {
    const message = `${id} is in ${location} already, and cannot be read there: ${found.error.message}`;
    return found.error.code === "MANIFEST_UNTRUSTED"
      ? new EtcdsafeError("MANIFEST_UNTRUSTED", message, COUNTED)
      : new EtcdsafeError("MANIFEST_INVALID", message, NEVER);
  }
  if (found.state === "damaged")
    return new EtcdsafeError("SNAPSHOT_DAMAGED", `${id} is in ${location} already, and is damaged there: ${found.damage.join("; ")}`, NEVER);
  if (contentOf(found.manifest) === contentOf(manifest))
    return new EtcdsafeError("SIGNATURE_REQUIRED", `${id} is in ${location} already, without the signature that it has where it is copied from`, COUNTED);
  return new EtcdsafeError("STORAGE_CONFLICT", `another backup is in ${location} under the id ${id}`, NEVER);
}

function signatureLost(id: string): EtcdsafeError {
  return new EtcdsafeError("SIGNATURE_REQUIRED", `${id} is signed, and its copy would not be: encrypted to others, it has a manifest of its own`);
}

const COUNTED = { hint: "Remove the one there and copy again, or type --unsigned and let it count. It was not touched." };
const NEVER = { hint: "A backup that is stored is never overwritten. Remove the one there, if it is of no use, and copy again." };

function createdAt({ id, manifest }: CatalogueEntry): number {
  return manifest === null ? (parseBackupId(id)?.createdAt.getTime() ?? 0) : Date.parse(manifest.createdAt);
}
