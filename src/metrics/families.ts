// Every metric: a gauge, named by Prometheus' rules (base units, unit last). docs/metrics.md says when each is set; a test holds it to this table.
// No counters: those of a run that ends would begin at 1 each time. Times instead of ages: a process that is gone cannot count.

interface FamilyDefinition {
  readonly labels: readonly string[];
  /** Its meaning, and its unit. */
  readonly help: string;
}

const TIME = "in seconds since 1970 UTC";

export const FAMILIES = {
  etcdsafe_build_info: {
    labels: ["cluster", "action", "version"],
    help: "Always 1; the version of etcdsafe that ran last.",
  },
  etcdsafe_last_attempt_timestamp_seconds: {
    labels: ["cluster", "action"],
    help: `When the last run began, whatever became of it, ${TIME}.`,
  },
  etcdsafe_last_success_timestamp_seconds: {
    labels: ["cluster", "action"],
    help: `When the last run that did all it should ended, ${TIME}.`,
  },
  etcdsafe_last_failure_timestamp_seconds: {
    labels: ["cluster", "action", "reason"],
    help: `When the last run that failed for this reason ended, ${TIME}.`,
  },
  etcdsafe_last_success_duration_seconds: {
    labels: ["cluster", "action"],
    help: "How long the last run that did all it should took, in seconds.",
  },
  etcdsafe_last_success_phase_duration_seconds: {
    labels: ["cluster", "action", "phase"],
    help: "How long this step of the last run that did all it should took, in seconds; steps may overlap.",
  },
  etcdsafe_last_success_moved_bytes: {
    labels: ["cluster", "action", "store", "direction"],
    help: "How much the last run that did all it should read from stores of this kind, or wrote there, in bytes.",
  },
  etcdsafe_last_backup_timestamp_seconds: {
    labels: ["cluster"],
    help: `When the snapshot of the last stored backup was taken, whatever its state, ${TIME}.`,
  },
  etcdsafe_recovery_point_timestamp_seconds: {
    labels: ["cluster"],
    help: `When the snapshot of the last stored backup that is proven or unconfirmed, and not damaged, was taken, ${TIME}.`,
  },
  etcdsafe_last_backup_state: {
    labels: ["cluster", "state"],
    help: "1 for the state that the last stored backup was stored with, 0 for the others.",
  },
  etcdsafe_last_backup_raw_size_bytes: {
    labels: ["cluster"],
    help: "Size of the snapshot of the last stored backup before it was compressed, in bytes.",
  },
  etcdsafe_last_backup_stored_size_bytes: {
    labels: ["cluster"],
    help: "Size of the objects of the last stored backup, compressed and encrypted, in one repository, in bytes.",
  },
  etcdsafe_last_backup_members: {
    labels: ["cluster", "answer"],
    help: "How many members of etcd gave this answer when their data was compared with the last stored backup.",
  },
  etcdsafe_last_verified_timestamp_seconds: {
    labels: ["cluster", "level"],
    help: `When a backup was last read back from its store and found good at this level, ${TIME}.`,
  },
  etcdsafe_verified_backup_timestamp_seconds: {
    labels: ["cluster", "level"],
    help: `When the snapshot of the newest backup that the last such verification vouches for was taken, ${TIME}.`,
  },
  etcdsafe_last_verification_backups: {
    labels: ["cluster", "level", "outcome"],
    help: "How many stored backups the last verification at this level or a deeper one found so; each repository's copy counts.",
  },
  etcdsafe_repository_backups: {
    labels: ["cluster", "store"],
    help: "How many backups the repositories on this kind of store hold, of those that the last run listed.",
  },
  etcdsafe_repository_size_bytes: {
    labels: ["cluster", "store"],
    help: "Size of all objects in the repositories on this kind of store, of those that the last run listed, in bytes.",
  },
  etcdsafe_repository_damaged_backups: {
    labels: ["cluster"],
    help: "How many backups are on record as damaged.",
  },
  etcdsafe_repository_read_timestamp_seconds: {
    labels: ["cluster"],
    help: `When this agent last read to its end what the repository holds, or since when it could not, ${TIME}.`,
  },
  etcdsafe_recovery_window_start_timestamp_seconds: {
    labels: ["cluster"],
    help: `The earliest point that can be rebuilt from what the repository holds, ${TIME}.`,
  },
  etcdsafe_writer_lease_state: {
    labels: ["cluster", "role"],
    help: "1 for what this agent is, the writer of the cluster or on standby, 0 for the other.",
  },
  etcdsafe_next_run_timestamp_seconds: {
    labels: ["cluster", "action"],
    help: `When the agent begins the next run, ${TIME}.`,
  },
  etcdsafe_certificate_expiry_timestamp_seconds: {
    labels: ["cluster", "certificate"],
    help: `When the certificate that the agent was given is no longer valid, ${TIME}.`,
  },
} as const satisfies Readonly<Record<string, FamilyDefinition>>;

export type FamilyName = keyof typeof FAMILIES;
/** The labels of one family; what is not known (the cluster of a run that ended too early) is left out. */
export type LabelsOf<Name extends FamilyName> = { readonly [Label in (typeof FAMILIES)[Name]["labels"][number]]?: string };
