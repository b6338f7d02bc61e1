// What one finished run of a command has to tell: plain data, from which its metrics and messages follow. Whoever ran it fills it in.
import type { BackupState } from "../repository/manifest.ts";
import type { VerificationLevel } from "../repository/sidecars.ts";
import type { FailureReason } from "./reasons.ts";

export type RunAction = "save" | "verify" | "prune";

export interface RunFacts {
  readonly action: RunAction;
  /** What it was about; none where it ended before that was known. */
  readonly clusters: readonly ClusterEnd[];
  readonly startedAt: Date;
  readonly finishedAt: Date;
  /** Null where all was done. */
  readonly failure: FailureReason | null;
  /** Seconds that each step took ("stream", "check", "upload"); a step that was done several times counts all of them. */
  readonly phases: ReadonlyMap<string, number>;
  readonly moved: readonly MovedBytes[];
  /** Of a save that stored a backup. */
  readonly saved: SavedFacts | null;
  /** Of a save that also pruned. */
  readonly pruned: { readonly failure: FailureReason | null } | null;
  /** What was read back from the store, one entry for each backup. */
  readonly verified: readonly VerifiedFacts[];
  readonly looks: readonly Look[];
  /** How many backups of a cluster are on record as damaged, where the run has looked that up. */
  readonly damaged: readonly { readonly cluster: string; readonly backups: number }[];
  /** Of each repository that the run has listed. */
  readonly repositories: readonly RepositoryFacts[];
}

export interface ClusterEnd {
  readonly cluster: string;
  /** Null where all was done that was to be done for this cluster. */
  readonly failure: FailureReason | null;
}

export interface MovedBytes {
  /** The kind of store: file, s3, gs, azblob. */
  readonly store: string;
  readonly direction: "read" | "written";
  readonly sizeBytes: number;
}

export interface SavedFacts {
  readonly cluster: string;
  /** When its snapshot was taken. */
  readonly createdAt: Date;
  readonly state: BackupState;
  readonly rawSizeBytes: number;
  readonly storedSizeBytes: number;
  /** How many members said what of it. */
  readonly members: Readonly<Record<"agreed" | "disagreed" | "not-comparable" | "unreachable", number>>;
  /** It was read back, and is bad in every repository that has it. */
  readonly isDamaged: boolean;
}

export interface VerifiedFacts {
  readonly cluster: string;
  /** That by which it was found so: of a manifest that cannot be read, the first, as all begin with it. */
  readonly level: VerificationLevel;
  /** When the backup was made. */
  readonly createdAt: Date;
  readonly finishedAt: Date;
  readonly outcome: "passed" | "failed";
}

/** A cluster of which all that a schedule wants verified was read. Nothing else can say that no backup is damaged any more. */
export interface Look {
  readonly cluster: string;
  /** The shallowest at which a backup was read; that which was asked for where there was none to read. */
  readonly level: VerificationLevel;
}

export interface RepositoryFacts {
  readonly store: string;
  readonly cluster: string;
  readonly backups: number;
  readonly sizeBytes: number;
}
