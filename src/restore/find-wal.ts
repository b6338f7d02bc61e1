// Looks for the log that belongs to a database file: in a data directory it is in `../wal`, in a copy of one perhaps beside the file.
import { readdir, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runInWorker } from "../bytes/worker.ts";
import { hasCode } from "../errors.ts";
import { peekSnapshotFile } from "../etcd-files/check/peek-file.ts";
import type { WalAfter } from "../etcd-files/wal/changes-after.ts";
import type { WalAfterInput } from "../etcd-files/wal/changes-worker.ts";
import type { WalFacts } from "../etcd-files/wal/facts.ts";
import { parseWalSegmentName } from "../etcd-files/wal/segment-name.ts";
import type { CallOptions } from "../runtime.ts";
import { formerMembersIn, strangerOf } from "./former-members.ts";
import type { WalBeside } from "./wal-beside.ts";

/** Null where there is none. Reads all of the log; one that cannot be read is damaged. Throws FILE_FAILED for the database, and what peekSnapshot throws. */
export async function findWalBeside(databasePath: string, options: CallOptions): Promise<WalBeside | null> {
  const directory = dirname(await realpath(databasePath)); // Whatever a link to it lies beside is not its log.
  for (const wal of [join(directory, "..", "wal"), join(directory, "wal")]) {
    if (!(await holdsSegments(wal))) continue;
    const { consistentIndex } = peekSnapshotFile(databasePath);
    const input: WalAfterInput = { directory: wal, index: consistentIndex };
    const beside = { directory: wal, consistentIndex: consistentIndex.toString() };
    try {
      const { facts, changes, behindEnd, endsWithoutRoom } = await runInWorker<WalAfterInput, WalAfter>(
        new URL("../etcd-files/wal/changes-worker", import.meta.url),
        input,
        options,
      );
      const damage = damageOf(facts, consistentIndex, behindEnd);
      const memberIds = formerMembersIn(databasePath).map(({ id }) => id);
      const strangerId = strangerOf(facts.metadata, memberIds);
      return { ...beside, lastIndex: facts.lastIndex.toString(), missingEntries: changes, endsWithoutRoom, damage, strangerId };
    } catch (error) {
      if (!hasCode(error, "FILE_FAILED")) throw error;
      return { ...beside, lastIndex: "0", missingEntries: 0, endsWithoutRoom: false, damage: error.message, strangerId: null };
    }
  }
  return null;
}

/**
 * A member writes every entry to its log before it is in its database, and a restored one starts with a log as long as its database says: one that ends
 * before has lost its end, or is of another member. A write that never completed is none as long as it comes after that, and nothing follows it.
 */
function damageOf({ fault, segments, lastIndex }: WalFacts, consistentIndex: bigint, behindEnd: string | undefined): string | null {
  const empty = segments.find(({ records }) => records === 0);
  if (fault?.kind === "corrupt") return `${fault.segment}: ${fault.text}`;
  // Each has its first records before it has its name (`server/storage/wal/wal.go` Create and cut).
  if (empty !== undefined) return `${empty.name}: ${fault?.text ?? "it holds no record"}`;
  if (lastIndex >= consistentIndex) return behindEnd === undefined ? null : `${segments.at(-1)?.name}: ${behindEnd}`;
  const cause = fault === undefined ? "" : ` (${fault.segment}: ${fault.text})`;
  return `it ends before entry ${consistentIndex}, which the database holds, so it has lost its end or is not this database's${cause}`;
}

async function holdsSegments(directory: string): Promise<boolean> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
    throw error;
  });
  return names.some((name) => parseWalSegmentName(name) !== undefined);
}
