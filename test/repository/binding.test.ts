import { expect, test } from "vitest";
import { assertAllowed, type BindingFacts, checkBinding } from "../../src/repository/binding.ts";
import type { ClusterFile } from "../../src/repository/cluster-file.ts";
import type { RestoreRecord } from "../../src/repository/sidecars.ts";

const OURS = "cdf818194e3a8c32";
const OTHER = "1f0a9c3b5d7e2468";
const AT = "2026-11-21T09:30:00.000Z";
const BEFORE = "2026-11-21T09:29:59.999Z";

const member = (id: string, ...peerUrls: string[]) => ({ id: id.padStart(16, "0"), name: `m${id}`, peerUrls, clientUrls: [], isLearner: false });
const three = [member("1", "http://a:2380"), member("2", "http://b:2380"), member("3", "http://c:2380")];

const bound: ClusterFile = {
  format: 1,
  requires: [],
  cluster: "default",
  clusterId: OURS,
  members: three,
  kubeSystemUid: "uid-1",
  updatedAt: AT,
  bindings: [{ clusterId: OURS, boundAt: AT, by: "first-save", restore: null }],
  adoptionPending: false,
  timeline: { id: "aaaabbbbcccc", reason: "first-backup", after: null, beganAt: AT },
};

const record = (purpose: RestoreRecord["purpose"], clusterId: string): RestoreRecord => ({
  format: 1,
  requires: [],
  tool: { name: "etcdsafe", version: "0" },
  writer: { host: "h", pid: 1 },
  cluster: "default",
  clusterId,
  purpose,
  restoredAt: AT,
  source: { backup: null, rawSha256: null, location: "/x" },
  parent: { clusterId: OURS, timeline: null, revision: "1" },
  revisionAfter: "1",
  markCompacted: false,
  members: [{ id: "0000000000000001", name: "m1", peerUrls: ["http://a:2380"] }],
});
const restored = (purpose: RestoreRecord["purpose"], clusterId: string, key = `default/restores/${clusterId}.json`, restoredAt = AT) => ({
  key,
  record: { ...record(purpose, clusterId), restoredAt },
});

const facts: BindingFacts = {
  cluster: "default",
  bound,
  hasBackups: true,
  observed: { clusterId: OURS, members: three, kubeSystemUid: "uid-1" },
  restores: [],
  lineage: { verdict: "agrees", compared: 10, firstDifference: null },
};
const differs = { verdict: "disagrees", compared: 10, firstDifference: "77" } as const;
const observed = (changes: Partial<BindingFacts["observed"]>) => ({ observed: { ...facts.observed, ...changes } });

test.each<[string, Partial<BindingFacts>, string | null]>([
  ["the first save under a name", { bound: undefined, hasBackups: false, lineage: undefined }, null],
  [
    "the first save under a name, of a restored cluster",
    { bound: undefined, hasBackups: false, lineage: undefined, restores: [restored("cluster", OURS)] },
    `default/restores/${OURS}.json`,
  ],
  ["the same cluster", {}, null],
  ["the same cluster before a snapshot is there", { lineage: undefined }, null],
  ["the same cluster when no row can tell", { lineage: { verdict: "unknown", compared: 0, firstDifference: null } }, null],
  ["a kube-system that was not known before", { bound: { ...bound, kubeSystemUid: null } }, null],
  ["a keyspace without kube-system", observed({ kubeSystemUid: null }), null],
  ["a member added", observed({ members: [...three, member("4", "http://d:2380")] }), null],
  ["two of three members replaced", observed({ members: [three[0]!, member("5", "http://e:2380"), member("6", "http://f:2380")] }), null],
  ["a member with one peer URL more", observed({ members: [member("1", "http://a:2380", "http://a2:2380"), three[1]!, three[2]!] }), null],
  ["a binding that knows no members yet", { bound: { ...bound, members: [] } }, null],
  ["a restored cluster on record", { ...observed({ clusterId: OTHER }), restores: [restored("cluster", OTHER)] }, `default/restores/${OTHER}.json`],
  [
    "a cluster restored a second time under the same id",
    {
      ...observed({ clusterId: OTHER }),
      bound: { ...bound, bindings: [...bound.bindings, { clusterId: OTHER, boundAt: AT, by: "restore", restore: "default/restores/1.json" }] },
      restores: [restored("cluster", OTHER, "default/restores/1.json"), restored("cluster", OTHER, "default/restores/2.json")],
    },
    "default/restores/2.json",
  ],
  ["other data under the same id with a restore on record", { lineage: differs, restores: [restored("cluster", OURS)] }, `default/restores/${OURS}.json`],
  [
    "a cluster that was restored at the very moment when the name was bound last",
    { ...observed({ clusterId: OTHER }), restores: [restored("cluster", OTHER, "r", AT)] },
    "r",
  ],
  [
    "a cluster whose first restore was overtaken, and whose second was not",
    { ...observed({ clusterId: OTHER }), restores: [restored("cluster", OTHER, "r1", BEFORE), restored("cluster", OTHER, "r2")] },
    "r2",
  ],
  ["other data just after an adoption", { lineage: differs, bound: { ...bound, adoptionPending: true } }, null],
  ["the bound cluster although a drill took its id", { restores: [restored("drill", OURS)] }, null],
])("binding: allows %s", (_, changes, restore) => {
  expect(checkBinding({ ...facts, ...changes })).toEqual({ allowed: true, restore });
});

test.each<[string, Partial<BindingFacts>, string]>([
  ["backups of nobody knows whom", { bound: undefined }, "binding-missing"],
  ["a drill", { ...observed({ clusterId: OTHER }), restores: [restored("drill", OTHER)] }, "drill"],
  [
    "a drill whose id a successor has as well",
    { ...observed({ clusterId: OTHER }), restores: [restored("cluster", OTHER), restored("drill", OTHER)] },
    "drill",
  ],
  [
    "a drill that would be the first to save",
    { bound: undefined, hasBackups: false, ...observed({ clusterId: OTHER }), restores: [restored("drill", OTHER)] },
    "drill",
  ],
  ["another Kubernetes under the same id", observed({ kubeSystemUid: "uid-2" }), "kube-system-differs"],
  [
    "another Kubernetes although a restore is on record",
    { ...observed({ clusterId: OTHER, kubeSystemUid: "uid-2" }), restores: [restored("cluster", OTHER)] },
    "kube-system-differs",
  ],
  ["another cluster", observed({ clusterId: OTHER }), "cluster-id-differs"],
  [
    "the predecessor of a restored cluster",
    {
      ...observed({ clusterId: OTHER }),
      bound: { ...bound, bindings: [{ clusterId: OTHER, boundAt: AT, by: "first-save", restore: null }, ...bound.bindings] },
    },
    "cluster-id-differs",
  ],
  [
    "a restored cluster whose record was used and superseded",
    {
      ...observed({ clusterId: OTHER }),
      bound: {
        ...bound,
        bindings: [
          { clusterId: OTHER, boundAt: AT, by: "restore", restore: `default/restores/${OTHER}.json` },
          { clusterId: OURS, boundAt: AT, by: "adopt", restore: null },
        ],
      },
      restores: [restored("cluster", OTHER)],
    },
    "cluster-id-differs",
  ],
  [
    "a restored cluster that never saved before another one took the name",
    { ...observed({ clusterId: OTHER }), restores: [restored("cluster", OTHER, "r", BEFORE)] },
    "cluster-id-differs",
  ],
  [
    "other data under the same id when the restore on record was before the binding",
    { lineage: differs, restores: [restored("cluster", OURS, "r", BEFORE)] },
    "lineage-disagrees",
  ],
  ["a copy at other peer URLs", observed({ members: [member("1", "http://copy:2380")] }), "peer-urls-differ"],
  [
    "a copy of one member at another URL beside two that stayed",
    observed({ members: [three[0]!, three[1]!, member("3", "http://copy:2380")] }),
    "peer-urls-differ",
  ],
  ["a wholly new set of members", observed({ members: [member("7", "http://a:2380")] }), "members-replaced"],
  ["other data under the same id", { lineage: differs }, "lineage-disagrees"],
  ["other data under the same id when only a drill is on record", { lineage: differs, restores: [restored("drill", OURS)] }, "lineage-disagrees"],
  [
    "other data under the same id when the restore on record was used before",
    {
      lineage: differs,
      bound: { ...bound, bindings: [{ clusterId: OURS, boundAt: AT, by: "restore", restore: `default/restores/${OURS}.json` }] },
      restores: [restored("cluster", OURS)],
    },
    "lineage-disagrees",
  ],
])("binding: refuses %s", (_, changes, reason) => {
  const decision = checkBinding({ ...facts, ...changes });
  expect(decision).toMatchObject({ allowed: false, reason });
  expect(() => assertAllowed(decision)).toThrow(expect.objectContaining({ code: "CLUSTER_MISMATCH", hint: expect.stringContaining("repo adopt") }));
});

test("binding: a restored cluster that was overtaken is told by which, and when", () => {
  const decision = checkBinding({ ...facts, ...observed({ clusterId: OTHER }), restores: [restored("cluster", OTHER, "r", BEFORE)] });
  expect(decision).toMatchObject({
    message: `default belongs to cluster ${OURS}; this is cluster ${OTHER}, which was restored (${BEFORE}) before the name passed to that one (${AT})`,
  });
});

test("binding: the record of a snapshot file makes no cluster the successor", () => {
  const snapshotFile = {
    key: "default/restores/snapshot-20261121T100000.000Z.json",
    record: { ...record("snapshot-file", OTHER), clusterId: null, members: [] },
  };
  expect(checkBinding({ ...facts, ...observed({ clusterId: OTHER }), restores: [snapshotFile] })).toMatchObject({
    allowed: false,
    reason: "cluster-id-differs",
  });
});
