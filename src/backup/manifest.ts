// What was known about a backup when it was published, put into its manifest. Pure. docs/repository-format.md, "Manifest".

import type { TrailingHashResult } from "../bytes/trailing-hash.ts";
import { formatId } from "../bytes/u64.ts";
import type { SnapshotFacts } from "../etcd-files/check/facts.ts";
import { lineageSampleOf } from "../repository/lineage.ts";
import type { BackupState, Manifest, MemberOutcome, StoredObject } from "../repository/manifest.ts";
import { SNAPSHOT_OBJECT } from "../repository/names.ts";
import type { ObjectFacts } from "../repository/object-encoder.ts";
import { FORMAT_VERSION } from "../repository/schemas/common.ts";

export interface ManifestFacts {
  readonly tool: Manifest["tool"];
  readonly id: string;
  readonly cluster: string;
  readonly clusterId: string;
  readonly timeline: string;
  readonly timelineBegan: Manifest["timelineBegan"];
  readonly createdAt: string;
  readonly publishedAt: string;
  readonly state: BackupState;
  readonly stateWhy: string;
  readonly warnings: readonly string[];
  readonly servingMember: NonNullable<Manifest["servingMember"]>;
  readonly quorumSeen: boolean;
  readonly comparison: {
    readonly asked: Manifest["comparison"]["asked"];
    readonly why: string | null;
    readonly revision: string | null;
    readonly members: readonly MemberOutcome[];
  };
  readonly received: TrailingHashResult;
  /** Undefined when the snapshot was passed on without a local copy, and so without a look inside. */
  readonly facts: SnapshotFacts | undefined;
  /** The revision read before the stream: all that is known of an unchecked snapshot's, which holds at least this one. */
  readonly revisionBefore: bigint;
  readonly kubeSystemUid: string | null;
  readonly object: ObjectFacts;
}

export function buildManifest(known: ManifestFacts): Manifest {
  const { facts, received } = known;
  const object: StoredObject = { role: "snapshot", name: SNAPSHOT_OBJECT, ...known.object, encryption: null, storeVersion: null };
  return {
    format: FORMAT_VERSION,
    requires: [],
    tool: known.tool,
    id: known.id,
    cluster: known.cluster,
    clusterId: known.clusterId,
    timeline: known.timeline,
    timelineBegan: known.timelineBegan,
    createdAt: known.createdAt,
    publishedAt: known.publishedAt,
    clockOffsets: { storeMs: null, memberMs: null },
    origin: { kind: "member" },
    state: known.state,
    stateWhy: known.stateWhy,
    checked: facts === undefined ? ["trailing-sha256"] : ["trailing-sha256", "size", "structure", "mvcc", ...(compared(known) ? (["hashkv"] as const) : [])],
    warnings: [...known.warnings],
    servingMember: known.servingMember,
    quorumSeen: known.quorumSeen,
    comparison: { ...known.comparison, members: [...known.comparison.members] },
    snapshot: {
      dataSizeBytes: received.dataSizeBytes,
      dataSha256: received.dataSha256,
      trailer: true,
      pageSizeBytes: facts?.pageSizeBytes ?? null,
      statusHash: facts?.statusHash ?? null,
    },
    objects: [object],
    kubeSystemUid: known.kubeSystemUid,
    tags: {},
    ...(facts === undefined ? unlooked(known.revisionBefore) : looked(facts)),
  };
}

/** What only a look into the file tells. */
type Inside = Pick<
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

function looked(facts: SnapshotFacts): Inside {
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

function unlooked(revisionBefore: bigint): Inside {
  return {
    revision: revisionBefore.toString(),
    compactRevision: null,
    raftIndex: null,
    raftTerm: null,
    storageVersion: null,
    clusterVersion: null,
    authEnabled: null,
    alarms: null,
    members: null,
    counts: null,
    hashKv: null,
    lineageSample: null,
  };
}

/** A scheduled compaction counts: the server resumes it at start, and its compaction revision is that one (etcd-formats §3.2). */
function compactRevisionOf({ compactRevision, scheduledCompactRevision }: SnapshotFacts): bigint {
  return scheduledCompactRevision > compactRevision ? scheduledCompactRevision : compactRevision;
}

function compared({ comparison }: ManifestFacts): boolean {
  return comparison.members.some(({ outcome }) => outcome === "agreed" || outcome === "disagreed");
}
