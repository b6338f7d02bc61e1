// The facts of a snapshot or database file.
import { formatId } from "../bytes/u64.ts";
import { checkSnapshotFile } from "../etcd-files/check/check-file.ts";
import type { SnapshotFacts } from "../etcd-files/check/facts.ts";
import type { ConfState } from "../proto/raftpb.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { ConfStateSection, SnapshotSection } from "./inspection.ts";

/** Reads and checks all of the file. Throws as checkSnapshotFile. */
export async function snapshotSection(
  path: string,
  { signal, runtime }: CallOptions & { readonly runtime: Pick<Runtime, "progress"> },
): Promise<SnapshotSection> {
  const step = "check";
  const { sha256, computedSha256, rawSizeBytes, report } = await checkSnapshotFile(path, {
    hashes: [{ revision: 0n }],
    signal,
    onProgress: (doneBytes, totalBytes) => runtime.progress({ step, doneBytes, totalBytes }),
  });
  runtime.progress({ step, doneBytes: rawSizeBytes, totalBytes: rawSizeBytes, done: true });
  const { facts, findings } = report;
  return { hash: sha256, sha256: computedSha256, findings, ...(facts === undefined ? {} : contentOf(facts)) };
}

export function confStateSection({ voters, learners, votersOutgoing, learnersNext }: ConfState): ConfStateSection {
  const ids = (members: ConfState["voters"]) => members.map(formatId);
  return { voters: ids(voters), learners: ids(learners), votersOutgoing: ids(votersOutgoing), learnersNext: ids(learnersNext) };
}

function contentOf(facts: SnapshotFacts): Omit<SnapshotSection, "hash" | "sha256" | "findings"> {
  const { keys, revisions, tombstones, leases, users, roles, authEnabled, keysByPrefix, pageSizeBytes, statusHash } = facts;
  const own = facts.hashes[0];
  const hashKv = own !== undefined && "hash" in own ? { revision: String(own.revision), compactRevision: String(own.compactRevision), hash: own.hash } : null;
  return {
    databaseSizeBytes: facts.sizeBytes,
    pageSizeBytes,
    revision: String(facts.revision),
    compactRevision: String(facts.compactRevision),
    scheduledCompactRevision: String(facts.scheduledCompactRevision),
    hashKv,
    statusHash,
    consistentIndex: String(facts.consistentIndex),
    term: facts.term === undefined ? null : String(facts.term),
    confState: facts.confState === undefined ? null : confStateSection(facts.confState),
    storageVersion: facts.storageVersion ?? null,
    clusterVersion: facts.clusterVersion ?? null,
    downgrade: facts.downgrade ?? null,
    ...{ keys, revisions, tombstones, totalRows: facts.totalKeys34, leases, users, roles, authEnabled },
    alarms: facts.alarms.map(({ memberId, alarm }) => ({ memberId: formatId(memberId), alarm })),
    members: facts.members.map(({ id, name, peerURLs, clientURLs, isLearner }) => ({
      id: formatId(id),
      name,
      peerUrls: peerURLs,
      clientUrls: clientURLs,
      isLearner,
    })),
    keysByPrefix,
  };
}
