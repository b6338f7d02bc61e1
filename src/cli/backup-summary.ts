// A backup in a few fields: one row of `list`.
import type { BriefCatalogueEntry } from "../repository/catalogue.ts";
import type { ObjectEncryption } from "../repository/object-encoder.ts";
import type { Pin } from "../repository/pins.ts";
import { VERIFICATION_LEVELS, type VerificationLevel } from "../repository/sidecars.ts";
import { formatAge } from "./format.ts";
import { printableLine } from "./printable.ts";

export interface BackupSummary {
  readonly cluster: string;
  readonly id: string;
  readonly state: string;
  readonly createdAt: string | null;
  readonly timeline: string | null;
  readonly revision: string | null;
  readonly keys: number | null;
  readonly etcdVersion: string | null;
  readonly rawSizeBytes: number | null;
  readonly storedSizeBytes: number;
  /** Who can open it: of its snapshot; null where it is not encrypted, or that is not known. */
  readonly encryption: ObjectEncryption | null;
  /** The deepest level that reading the stored bytes back last passed. */
  readonly verified: { readonly level: VerificationLevel; readonly finishedAt: string } | null;
  /** Whether a signature lies beside its manifest; null where that cannot be read. */
  readonly signed: boolean | null;
  readonly pin: Pin | null;
  readonly tags: Readonly<Record<string, string>> | null;
  /** Why it is damaged, or cannot be read. */
  readonly faults: readonly string[];
}

const RECIPIENT_SHOWN_LENGTH = 12;

export function summaryOf(cluster: string, entry: BriefCatalogueEntry, pin: Pin | null): BackupSummary {
  if (entry.manifest === null) {
    const unknown = {
      createdAt: null,
      timeline: null,
      revision: null,
      keys: null,
      etcdVersion: null,
      rawSizeBytes: null,
      encryption: null,
      verified: null,
      signed: null,
      tags: null,
    };
    const { id, storedSizeBytes, error } = entry;
    return { cluster, id, state: "unreadable", ...unknown, storedSizeBytes, pin, faults: [error.message] };
  }
  const { manifest, verifications } = entry;
  const passed = VERIFICATION_LEVELS.map((level) => verifications[level]).findLast((verification) => verification?.outcome === "passed");
  return {
    cluster,
    id: entry.id,
    state: entry.state,
    createdAt: manifest.createdAt,
    timeline: manifest.timeline,
    revision: manifest.revision,
    keys: manifest.counts?.keys ?? null,
    etcdVersion: manifest.servingMember?.etcdVersion ?? null,
    rawSizeBytes: manifest.objects.reduce((sum, { rawSizeBytes }) => sum + rawSizeBytes, 0),
    storedSizeBytes: entry.storedSizeBytes,
    encryption: manifest.objects.find(({ role }) => role === "snapshot")?.encryption ?? null,
    verified: passed === undefined ? null : { level: passed.level, finishedAt: passed.finishedAt },
    signed: entry.isSigned,
    pin,
    tags: manifest.tags,
    faults: entry.damage,
  };
}

/** `structure 3d`: the level, and how long ago. */
export function verifiedText({ verified }: BackupSummary, nowMs: number): string {
  return verified === null ? "no" : `${verified.level} ${formatAge(nowMs - Date.parse(verified.finishedAt))}`;
}

/** For a narrow column: `age1ql3z7hjy… +1`. */
export function encryptionText({ encryption }: BackupSummary): string {
  if (encryption === null) return "";
  const [first, ...others] = encryption.recipients;
  if (encryption.passphrase || first === undefined) return "passphrase";
  return `${first.slice(0, RECIPIENT_SHOWN_LENGTH)}…${others.length === 0 ? "" : ` +${others.length}`}`;
}

/** A line for each backup that has faults: in the table they would make all others wide. */
export function faultsText(summaries: readonly BackupSummary[], withCluster: boolean): string {
  const lines = summaries.flatMap(({ cluster, id, state, faults }) =>
    faults.length === 0 ? [] : [`${withCluster ? `${cluster}/` : ""}${id} is ${state}: ${printableLine(faults.join("; "))}\n`],
  );
  return lines.length === 0 ? "" : `\n${lines.join("")}`;
}
