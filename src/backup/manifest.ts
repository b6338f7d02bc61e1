// What was known about a backup when it was published, put into its manifest. Pure. docs/repository-format.md, "Manifest".

import { TRAILER_SIZE_BYTES } from "../bytes/trailing-hash.ts";
import type { SnapshotFacts } from "../etcd-files/check/facts.ts";
import { type InsideFacts, insideFacts } from "../repository/inside-facts.ts";
import type { BackupState, Manifest, MemberOutcome, StoredObject } from "../repository/manifest.ts";
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
  readonly clockOffsets: Manifest["clockOffsets"];
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
  /** Of the database: the hash that etcd sent after it. Hexadecimal. */
  readonly dataSha256: string;
  /** Undefined when the snapshot was passed on without a local copy, and so without a look inside. */
  readonly facts: SnapshotFacts | undefined;
  /** The revision read before the stream: all that is known of an unchecked snapshot's, which holds at least this one. */
  readonly revisionBefore: bigint;
  readonly kubeSystemUid: string | null;
  /** The operator's. */
  readonly tags?: Manifest["tags"] | undefined;
  readonly object: StoredObject;
  /** Files of the host beside the snapshot. */
  readonly bundle?: { readonly object: StoredObject; readonly holds: NonNullable<Manifest["bundle"]> } | undefined;
}

export function buildManifest(known: ManifestFacts): Manifest {
  const { facts } = known;
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
    clockOffsets: known.clockOffsets,
    origin: { kind: "member" },
    state: known.state,
    stateWhy: known.stateWhy,
    checked: facts === undefined ? ["trailing-sha256"] : ["trailing-sha256", "size", "structure", "mvcc", ...(compared(known) ? (["hashkv"] as const) : [])],
    warnings: [...known.warnings],
    servingMember: known.servingMember,
    quorumSeen: known.quorumSeen,
    comparison: { ...known.comparison, members: [...known.comparison.members] },
    snapshot: {
      dataSizeBytes: known.object.rawSizeBytes - TRAILER_SIZE_BYTES,
      dataSha256: known.dataSha256,
      trailer: true,
      pageSizeBytes: facts?.pageSizeBytes ?? null,
      statusHash: facts?.statusHash ?? null,
    },
    objects: [known.object, ...(known.bundle === undefined ? [] : [known.bundle.object])],
    ...(known.bundle === undefined ? {} : { bundle: known.bundle.holds }),
    kubeSystemUid: known.kubeSystemUid,
    tags: { ...known.tags },
    ...(facts === undefined ? unlooked(known.revisionBefore) : insideFacts(facts)),
  };
}

function unlooked(revisionBefore: bigint): InsideFacts {
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

function compared({ comparison }: ManifestFacts): boolean {
  return comparison.members.some(({ outcome }) => outcome === "agreed" || outcome === "disagreed");
}
