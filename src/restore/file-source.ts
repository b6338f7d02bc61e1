// A snapshot file on this host as what is restored from.
import { peekSnapshotFile } from "../etcd-files/check/peek-file.ts";
import { formerMembersIn } from "./former-members.ts";
import { peekedFacts, type SnapshotSource } from "./source.ts";

/**
 * Reads the facts from a few pages of the file. Throws SNAPSHOT_EMPTY, SNAPSHOT_PACKED, SNAPSHOT_NOT_A_DATABASE, SNAPSHOT_TRUNCATED
 * or SNAPSHOT_DAMAGED for a file that cannot be restored, FILE_FAILED for one that cannot be read.
 */
export function snapshotFileSource(path: string): SnapshotSource {
  const found = peekSnapshotFile(path);
  const members = formerMembersIn(path);
  return {
    facts: {
      kind: "snapshot-file",
      location: path,
      cluster: null,
      backupId: null,
      state: null,
      createdAt: null,
      databaseSha256: found.trailer ?? null,
      databaseSizeBytes: found.sizeBytes,
      ...peekedFacts(found),
      hashKv: null,
    },
    members,
    logPosition: { where: path, revision: found.revision, consistentIndex: found.consistentIndex, clusterId: null, memberIds: members.map(({ id }) => id) },
    content: { path },
  };
}
