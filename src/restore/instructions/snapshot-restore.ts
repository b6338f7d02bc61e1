// What the instructions for distributions that take a snapshot file depend on, and what is the same for all of them.
import { shellCommand } from "./shell-command.ts";
import type { InstructionStep } from "./steps.ts";

export interface SnapshotRestore {
  /** Where --to-snapshot writes it. */
  readonly file: string;
  /** Writes `file`. */
  readonly restoreCommand: string;
  readonly quotaBackendBytes: number;
  /** Binds the cluster's name in the repository to the cluster that answers; null where the restored one is to save under another name. */
  readonly adoptCommand: string | null;
  /** For names of what is kept: `yyyymmddThhmmssZ`. */
  readonly time: string;
}

/** The amount in the command is the plan's. */
export const EVIDENCE_NOTE =
  "Its revision lies beyond all that this plan has counted. Data directories of other hosts show more: plan again with what is left of them as --evidence.";

const GIB = 1024 ** 3;

/** A sentence that says where the quota is set, if what the distribution has by default is too small. */
export function quotaNote({ quotaBackendBytes }: SnapshotRestore, defaultGib: number, where: string): string {
  return quotaBackendBytes <= defaultGib * GIB ? "" : ` Before that, raise etcd's quota, which the database nearly fills: ${where}.`;
}

/** The last one. The new cluster's id is none that etcdsafe has chosen and put on record; `connection` are the options that reach etcd, where they are known. */
export function adoptStep({ adoptCommand }: SnapshotRestore, number: number, distribution: string, connection: readonly string[] = []): InstructionStep[] {
  if (adoptCommand === null) return [];
  const add = connection.length > 0 ? "" : " Add the options with which its saves reach etcd, and run it where they run.";
  return [
    {
      number,
      title: "Let the new cluster save",
      why: `Its id comes from ${distribution}, so the repository does not know it as the successor, and the next save is refused (exit code 9) without this.${add}`,
      commands: [[adoptCommand, ...(connection.length > 0 ? [shellCommand(connection)] : [])].join(" ")],
    },
  ];
}
