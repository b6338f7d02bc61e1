// What is restored in tests that need a plan and no file: the facts of a snapshot, and a request with nothing special about it.
import { NO_EVIDENCE } from "../../src/restore/evidence.ts";
import type { RestoreRequest } from "../../src/restore/plan.ts";
import type { SourceFacts } from "../../src/restore/source.ts";

/** Of a snapshot file by etcd 3.6. */
export function snapshotFacts(changes: Partial<SourceFacts> = {}): SourceFacts {
  return {
    kind: "snapshot-file",
    location: "/backups/etcd.db",
    cluster: null,
    backupId: null,
    state: null,
    createdAt: null,
    databaseSha256: "ab".repeat(32),
    databaseSizeBytes: 8192,
    revision: "762",
    compactRevision: "-1",
    storageVersion: "3.6.0",
    clusterVersion: "3.6.0",
    leases: 0,
    alarms: 0,
    authEnabled: false,
    hashKv: null,
    ...changes,
  };
}

/** `asked`: who is to be restored, and whatever else is not as usual. */
export function restoreRequest(asked: Pick<RestoreRequest, "source" | "cluster" | "targets"> & Partial<RestoreRequest>): RestoreRequest {
  return {
    newToken: "new",
    command: () => "",
    stageId: "s1",
    bumpRevision: "none",
    evidence: NO_EVIDENCE,
    skipHashCheck: false,
    tool: "0.1.0",
    plannedAt: "2026-11-21T12:00:00.000Z",
    ...asked,
  };
}
