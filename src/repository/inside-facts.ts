// What a checked snapshot tells of itself, as a manifest says it: a save writes it down, a verification compares it. Pure.
// docs/repository-format.md, "Manifest".
import { formatId } from "../bytes/u64.ts";
import type { SnapshotFacts } from "../etcd-files/check/facts.ts";
import { lineageSampleOf } from "./lineage.ts";
import type { Manifest } from "./manifest.ts";

/** What only a look into the file tells. */
export type InsideFacts = Pick<
  Manifest,
  | "revision"
  | "compactRevision"
  | "raftIndex"
  | "raftTerm"
  | "storageVersion"
  | "clusterVersion"
  | "authEnabled"
  | "alarms"
  | "members"
  | "counts"
  | "hashKv"
  | "lineageSample"
>;

/** `facts.hashes` begins with the snapshot's own HashKV. */
export function insideFacts(facts: SnapshotFacts): InsideFacts {
  const own = facts.hashes[0];
  return {
    revision: facts.revision.toString(),
    compactRevision: compactRevisionOf(facts).toString(),
    raftIndex: facts.consistentIndex.toString(),
    raftTerm: facts.term?.toString() ?? null,
    storageVersion: facts.storageVersion ?? null,
    clusterVersion: facts.clusterVersion ?? null,
    authEnabled: facts.authEnabled,
    alarms: facts.alarms.map(({ memberId, alarm }) => ({ memberId: formatId(memberId), alarm })),
    members: facts.members.map(({ id, name, peerURLs, clientURLs, isLearner }) => ({
      id: formatId(id),
      name,
      peerUrls: [...peerURLs],
      clientUrls: [...clientURLs],
      isLearner,
    })),
    counts: {
      keys: facts.keys,
      revisions: facts.revisions,
      tombstones: facts.tombstones,
      leases: facts.leases,
      users: facts.users,
      roles: facts.roles,
      alarms: facts.alarms.length,
      totalRows: facts.totalKeys34,
      keysByPrefix: facts.keysByPrefix.map(({ prefix, keys }) => ({ prefix, keys })),
    },
    hashKv: own !== undefined && "hash" in own ? { revision: own.revision.toString(), compactRevision: own.compactRevision.toString(), hash: own.hash } : null,
    lineageSample: lineageSampleOf(facts.lineageSample),
  };
}

/** A scheduled compaction counts: the server resumes it at start, and its compaction revision is that one (etcd-formats §3.2). */
function compactRevisionOf({ compactRevision, scheduledCompactRevision }: SnapshotFacts): bigint {
  return scheduledCompactRevision > compactRevision ? scheduledCompactRevision : compactRevision;
}
