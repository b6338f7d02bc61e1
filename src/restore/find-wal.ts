// Looks for the log that belongs to a database file: in a data directory it is in `../wal`, in a copy of one perhaps beside the file.
import { readdir, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runInWorker } from "../bytes/worker.ts";
import { peekSnapshotFile } from "../etcd-files/check/peek-file.ts";
import type { WalFacts } from "../etcd-files/wal/facts.ts";
import type { WalFactsInput } from "../etcd-files/wal/facts-worker.ts";
import { parseWalSegmentName } from "../etcd-files/wal/segment-name.ts";
import type { CallOptions } from "../runtime.ts";
import type { WalBeside } from "./wal-beside.ts";

/** Null where there is none. Reads all of the log. Throws FILE_FAILED, and what peekSnapshot throws. */
export async function findWalBeside(databasePath: string, options: CallOptions): Promise<WalBeside | null> {
  const directory = dirname(await realpath(databasePath)); // Whatever a link to it lies beside is not its log.
  for (const wal of [join(directory, "..", "wal"), join(directory, "wal")]) {
    if (!(await holdsSegments(wal))) continue;
    const { entries, snapshot, fault } = await runInWorker<WalFactsInput, WalFacts>(
      new URL("../etcd-files/wal/facts-worker", import.meta.url),
      { directory: wal },
      options,
    );
    return {
      directory: wal,
      consistentIndex: peekSnapshotFile(databasePath).consistentIndex.toString(),
      // A member that has just received its whole database from the leader has no entries yet.
      lastIndex: (entries?.lastIndex ?? snapshot?.index ?? 0n).toString(),
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
