// How much a restore writes to each file system, and whether it is there. Pure.
import { EtcdsafeError } from "../errors.ts";
import type { TargetFacts } from "./target-facts.ts";

export interface PlannedFileSystem {
  /** Data and WAL directories on it. */
  readonly directories: readonly string[];
  readonly neededBytes: number;
  /** For users other than root; null where the file system does not tell. */
  readonly freeBytes: number | null;
}

/** One for each file system that the targets are on, in their order. */
export function planFileSystems(
  targets: readonly TargetFacts[],
  bytes: { readonly databasePerMember: number; readonly walPerMember: number },
): PlannedFileSystem[] {
  const planned = new Map<string, { directories: string[]; neededBytes: number; freeBytes: number | null }>();
  const add = ({ path, fileSystem }: TargetFacts["dataDir"], neededBytes: number) => {
    const entry = planned.get(fileSystem.device) ?? { directories: [], neededBytes: 0, freeBytes: fileSystem.freeBytes };
    entry.directories.push(path);
    entry.neededBytes += neededBytes;
    planned.set(fileSystem.device, entry);
  };
  for (const { dataDir, walDir } of targets) {
    add(dataDir, bytes.databasePerMember + (walDir === null ? bytes.walPerMember : 0));
    if (walDir !== null) add(walDir, bytes.walPerMember);
  }
  return [...planned.values()];
}

/** Throws TARGET_NO_SPACE. `leftovers` of interrupted restores may be what fills it. */
export function requireSpace(fileSystems: readonly PlannedFileSystem[], leftovers: readonly string[]): void {
  for (const { directories, neededBytes, freeBytes } of fileSystems) {
    if (freeBytes === null || freeBytes >= neededBytes) continue;
    throw new EtcdsafeError(
      "TARGET_NO_SPACE",
      `the restore needs ${neededBytes} bytes on the file system of ${directories.join(", ")}, but only ${freeBytes} are free`,
      leftovers.length === 0
        ? {}
        : { hint: `Free space there, or restore elsewhere. An interrupted restore left what is safe to remove: ${leftovers.join(", ")}.` },
    );
  }
}
