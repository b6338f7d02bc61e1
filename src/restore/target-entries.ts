// What the names in a data directory and in a WAL directory of its own mean to a restore. Pure.
import { relative, sep } from "node:path";

export const STAGE_PREFIX = "member.etcdsafe-";
/** While a restore puts its files in place, a directory of this name holds its journal; journal.ts says why. */
export const GUARD_NAME = "proxy";
/** The guard before it has its name, and after it has lost it. */
export const GUARD_STAGE_PREFIX = "journal.etcdsafe-";
export const FIRST_WAL_NAME = "0000000000000000-0000000000000000.wal";
/** What is replaced is kept: `member.before-restore-<time>`, and `before-restore-<time>` in a WAL directory. */
const KEPT = "before-restore-";

/**
 * `replaced`: goes away with --replace. `harmless`: stays. `leftover`: an interrupted restore wrote it, and nobody needs it.
 * `unknown`: nobody should put an etcd beside it.
 */
export type EntryKind = "replaced" | "harmless" | "leftover" | "unknown";

/** What an entry of a data directory is. The member's WAL directory may lie in there, and is looked at by itself. */
export function dataDirEntry(name: string, target: { readonly dataDir: string; readonly walDir: string | null }): EntryKind {
  if (name === "member") return "replaced";
  if (isMountRootEntry(name) || name.startsWith(`member.${KEPT}`)) return "harmless";
  if (name.startsWith(STAGE_PREFIX) || name.startsWith(GUARD_STAGE_PREFIX)) return "leftover";
  const isWalDir = target.walDir !== null && relative(target.dataDir, target.walDir).split(sep)[0] === name;
  return isWalDir ? "harmless" : "unknown";
}

/** What an entry of a WAL directory is: `server/storage/wal/wal.go`, `file_pipeline.go` and `repair.go` write segments, `.tmp` and `.broken` files. */
export function walDirEntry(name: string): EntryKind {
  if (/\.(wal|tmp|broken)$/.test(name)) return "replaced";
  if (isMountRootEntry(name) || name.startsWith(KEPT)) return "harmless";
  return name.startsWith(stagedWalName("")) ? "leftover" : "unknown";
}

/** How a restore calls the WAL that it writes into a directory of its own, until it is put in place. */
export function stagedWalName(stageId: string): string {
  return `${FIRST_WAL_NAME}.etcdsafe-${stageId}`;
}

/** Names under which a member and the files of its own WAL directory are kept: of one time, and new among the entries of both directories. */
export function keptNames(at: Date, names: readonly string[]): { readonly member: string; readonly wal: string } {
  const time = at.toISOString().replace(/[-:]|\.\d+/g, "");
  const taken = new Set(names);
  for (let number = 1; ; number++) {
    const wal = `${KEPT}${time}${number === 1 ? "" : `-${number}`}`;
    const member = `member.${wal}`;
    if (!taken.has(wal) && !taken.has(member)) return { member, wal };
  }
}

/** ext4 puts one at the root of every file system: a directory that is a fresh mount holds it. */
function isMountRootEntry(name: string): boolean {
  return name === "lost+found";
}
