// Looks for the log that belongs to a database file: in a data directory it is in `../wal`, in a copy of one perhaps beside the file.
import { readdir, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runInWorker } from "../bytes/worker.ts";
import { peekSnapshotFile } from "../etcd-files/check/peek-file.ts";
import type { WalAfter } from "../etcd-files/wal/changes-after.ts";
import type { WalAfterInput } from "../etcd-files/wal/changes-worker.ts";
import { parseWalSegmentName } from "../etcd-files/wal/segment-name.ts";
import type { CallOptions } from "../runtime.ts";
import type { WalBeside } from "./wal-beside.ts";

/** Null where there is none. Reads all of the log. Throws FILE_FAILED, and what peekSnapshot throws. */
export async function findWalBeside(databasePath: string, options: CallOptions): Promise<WalBeside | null> {
  const directory = dirname(await realpath(databasePath)); // Whatever a link to it lies beside is not its log.
  for (const wal of [join(directory, "..", "wal"), join(directory, "wal")]) {
    if (!(await holdsSegments(wal))) continue;
    const { consistentIndex } = peekSnapshotFile(databasePath);
    const input: WalAfterInput = { directory: wal, index: consistentIndex };
    const { facts, changes } = await runInWorker<WalAfterInput, WalAfter>(new URL("../etcd-files/wal/changes-worker", import.meta.url), input, options);
    const { entries, snapshot, fault } = facts;
    return {
      directory: wal,
      consistentIndex: consistentIndex.toString(),
      // A member that has just received its whole database from the leader has no entries yet.
      lastIndex: (entries?.lastIndex ?? snapshot?.index ?? 0n).toString(),
      missingEntries: changes,
      damage: fault?.kind === "corrupt" ? `${fault.segment}: ${fault.text}` : null,
    };
  }
  return null;
}

async function holdsSegments(directory: string): Promise<boolean> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
    throw error;
  });
  return names.some((name) => parseWalSegmentName(name) !== undefined);
}
