import fc from "fast-check";
import { expect, test } from "vitest";
import { planRestore, type RestorePlan, type RestoreRequest } from "../../src/restore/plan.ts";
import { requestIdentity } from "../../src/restore/request-identity.ts";
import type { SourceFacts } from "../../src/restore/source.ts";
import { runs, SEED } from "../support/counts.ts";
import { restoreRequest } from "../support/restore-request.ts";

const SOURCE: SourceFacts = {
  kind: "backup",
  location: "/backups: 20261121T070000Z",
  cluster: "prod",
  backupId: "20261121T070000Z",
  state: "proven",
  createdAt: "2026-11-21T07:00:00.000Z",
  databaseSha256: "ab".repeat(32),
  databaseSizeBytes: 8192,
  revision: "762",
  compactRevision: "-1",
  storageVersion: "3.6.0",
  clusterVersion: "3.6.0",
  leases: 3,
  alarms: 1,
  authEnabled: true,
  hashKv: null,
};
const CLUSTER = ["a", "b", "c"].map((name, index) => ({ name, peerUrls: [`http://10.0.0.${index}:2380`] }));
const TARGETS = CLUSTER.map(({ name }) => ({ name, dataDir: `/data/${name}` }));

function plan(changes: Partial<RestoreRequest> = {}): RestorePlan {
  return planRestore(restoreRequest({ source: SOURCE, cluster: CLUSTER, targets: TARGETS, newToken: "drawn", bumpRevision: "auto", ...changes }));
}

const ASKED = requestIdentity(plan());

test("same restore: whatever a run draws or finds, and wherever the same bytes come from", () => {
  const run = fc.record({ newToken: fc.string({ minLength: 1 }), stageId: fc.string(), plannedAt: fc.constant("2026-11-22T00:00:00.000Z") });
  fc.assert(
    fc.property(run, (drawn) => requestIdentity(plan(drawn)) === ASKED),
    { seed: SEED, numRuns: runs(50, 1_000) },
  );
  const found = [{ kind: "restore-record" as const, where: "restores/1", revision: "5000000000", isUpperBound: false, at: null }];
  expect(requestIdentity(plan({ evidence: { found, jumps: [], warnings: [] } }))).toBe(ASKED);
  expect(requestIdentity(plan({ source: { ...SOURCE, kind: "snapshot-file", location: "copy.db", backupId: null } }))).toBe(ASKED);
  expect(requestIdentity(plan({ targets: TARGETS.toReversed(), cluster: CLUSTER.toReversed() }))).toBe(ASKED);
});

const policies = { keepAlarms: false, disableAuth: false, leases: "restart" as const };

test.each<[string, RestorePlan]>([
  ["source", plan({ source: { ...SOURCE, databaseSha256: "cd".repeat(32) } })],
  ["token that is given", plan({ token: "given" })],
  ["peer URL", plan({ cluster: [...CLUSTER.slice(0, 2), { name: "c", peerUrls: ["http://10.0.0.9:2380"] }] })],
  ["directory", plan({ targets: [...TARGETS.slice(0, 2), { name: "c", dataDir: "/data/d" }] })],
  ["WAL directory", plan({ targets: [...TARGETS.slice(0, 2), { name: "c", dataDir: "/data/c", walDir: "/wal" }] })],
  ["revision bump", plan({ bumpRevision: "none" })],
  ["alarms", plan({ policies: { ...policies, keepAlarms: true } })],
  ["authentication", plan({ policies: { ...policies, disableAuth: true } })],
  ["target version", plan({ targetVersion: "3.5" })],
  ["--replace", { ...plan(), replace: true }],
  ["--owner", { ...plan(), owner: { uid: 1, gid: 2 } }],
])("same restore: not with another %s", (_, other) => {
  expect(requestIdentity(other)).not.toBe(ASKED);
});

test("same restore: of a source without a hash only where it is the same file, as big and as new", () => {
  const unsigned = { ...SOURCE, databaseSha256: null };
  const asked = requestIdentity(plan({ source: unsigned }));
  expect(requestIdentity(plan({ source: { ...unsigned, revision: "763" } }))).not.toBe(asked);
  expect(requestIdentity(plan({ source: { ...unsigned, location: "other.db" } }))).not.toBe(asked);
});

test("same restore: of a plan for several hosts only with its token and with the revision that all of them get", () => {
  const perHost = { ...plan(), perHost: true };
  const asked = requestIdentity(perHost);
  expect(requestIdentity({ ...perHost, stageId: "s2" })).toBe(asked);
  expect(requestIdentity({ ...perHost, token: "another" })).not.toBe(asked);
  expect(requestIdentity({ ...perHost, revision: { ...perHost.revision, after: "1000000999" } })).not.toBe(asked);
});
