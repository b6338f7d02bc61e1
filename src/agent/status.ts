// What an agent says of itself: plain JSON, for /status, for its page, and for whoever asks what runs.
import type { FailureReason } from "../metrics/reasons.ts";
import type { FailedAttempt } from "../repository/attempts.ts";
import type { RecoveryPoints } from "../repository/recovery-windows.ts";

/** What an agent does by a schedule. */
export const TASK_KINDS = ["save", "verify", "prune"] as const;
export type TaskKind = (typeof TASK_KINDS)[number];

/** Times are RFC 3339. */
export interface AgentStatus {
  readonly version: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly now: string;
  readonly cluster: string;
  /** Locations, without secrets. */
  readonly repositories: readonly string[];
  /** Only the writer does what is scheduled; the others wait to take over. */
  readonly role: "writer" | "standby";
  readonly lease: LeaseStatus;
  readonly tasks: readonly TaskStatus[];
  /** What can be rebuilt from what the repository holds, and how long ago its end is; null before the repository was read, and where nothing can. */
  readonly recovery: { readonly from: string; readonly to: string; readonly lagSeconds: number } | null;
  /** What the repository held when it was read last; null before that. */
  readonly catalogue: CatalogueStatus | null;
  /** Why the repository cannot be read, and since when no reading went well; null where the last one did, and before the first. */
  readonly unreadable: { readonly since: string; readonly code: string; readonly message: string } | null;
  readonly configuration: { readonly loadedAt: string; readonly refused: { readonly at: string; readonly message: string } | null };
}

export interface LeaseStatus {
  /** Who holds it as far as this agent has seen; null where nobody does. */
  readonly holder: { readonly host: string; readonly pid: number; readonly since: string } | null;
  /** What kept this agent from it last; null where nothing did, and where that is only that another holds it. */
  readonly error: { readonly code: string; readonly message: string } | null;
}

export interface TaskStatus {
  readonly kind: TaskKind;
  /** As it is configured; null where it is only done when somebody asks. */
  readonly schedule: string | null;
  readonly timezone: string;
  /** Null in standby, and without a schedule. */
  readonly nextRunAt: string | null;
  /** Whether that is a repetition after a failure. */
  readonly isRetry: boolean;
  /**
   * Of `save`: when the next backup is to be begun, by the schedule, counted from the newest one that a restore takes. Whoever writes, and whatever failed since. Null
   * without a schedule, and where no such backup is known.
   */
  readonly expectedAt: string | null;
  readonly failuresInARow: number;
  readonly running: RunningJob | null;
  /** Of this process. */
  readonly last: FinishedJob | null;
}

export interface RunningJob {
  readonly id: string;
  readonly kind: TaskKind;
  readonly state: "running";
  readonly startedAt: string;
  /** Those that are under way. `totalBytes`: null while unknown. */
  readonly steps: readonly { readonly step: string; readonly doneBytes: number; readonly totalBytes: number | null }[];
}

export interface FinishedJob {
  readonly id: string;
  readonly kind: TaskKind;
  readonly state: "done" | "failed";
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly failure: { readonly reason: FailureReason; readonly message: string; readonly hint: string } | null;
  /** What it came to, for people. */
  readonly lines: readonly string[];
}

export type Job = RunningJob | FinishedJob;

export interface CatalogueStatus {
  readonly readAt: string;
  /** Newest first, the newest 500. */
  readonly backups: readonly BackupStatus[];
  readonly total: number;
  readonly points: RecoveryPoints;
  /** Of the last 7 days, newest first. */
  readonly failed: readonly FailedAttempt[];
}

export interface BackupStatus {
  readonly id: string;
  /** Null where its manifest cannot be read, as `revision`. */
  readonly createdAt: string | null;
  readonly state: string;
  readonly revision: string | null;
  readonly storedSizeBytes: number;
  /** The deepest level that was passed, and when. */
  readonly verified: { readonly level: string; readonly finishedAt: string } | null;
  readonly isPinned: boolean;
}
