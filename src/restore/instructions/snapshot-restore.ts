// What the instructions for distributions that take a snapshot file depend on.

export interface SnapshotRestore {
  /** Where --to-snapshot writes it. */
  readonly file: string;
  /** Writes `file`. */
  readonly restoreCommand: string;
  readonly quotaBackendBytes: number;
  /** For names of what is kept: `yyyymmddThhmmssZ`. */
  readonly time: string;
}

const GIB = 1024 ** 3;

/** A sentence that says where the quota is set, if what the distribution has by default is too small. */
export function quotaNote({ quotaBackendBytes }: SnapshotRestore, defaultGib: number, where: string): string {
  return quotaBackendBytes <= defaultGib * GIB ? "" : ` Before that, raise etcd's quota, which the database nearly fills: ${where}.`;
}
