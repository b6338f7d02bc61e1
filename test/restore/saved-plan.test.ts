import { expect, test } from "vitest";
import type { EtcdsafeError } from "../../src/errors.ts";
import { NO_EVIDENCE } from "../../src/restore/evidence.ts";
import { DEFAULT_POLICIES } from "../../src/restore/keyspace.ts";
import { planRestore, type RestorePlan } from "../../src/restore/plan.ts";
import { planSha256 } from "../../src/restore/plan-sha256.ts";
import { type FoundForPlan, planForMember, readSavedPlan, requireAsPlanned } from "../../src/restore/saved-plan.ts";
import type { SourceFacts } from "../../src/restore/source.ts";
import { restoreRequest, snapshotFacts } from "../support/restore-request.ts";

const SOURCE = snapshotFacts();
const FOUND: FoundForPlan = { source: SOURCE, unsignedSha256: null, evidence: [], ownBackup: null };
const REQUEST = restoreRequest({
  source: SOURCE,
  cluster: [1, 2, 3].map((n) => ({ name: `m${n}`, peerUrls: [`http://10.0.0.${n}:2380`] })),
  targets: [1, 2, 3].map((n) => ({ name: `m${n}`, dataDir: "/var/lib/etcd" })),
  perHost: true,
  bumpRevision: "auto",
});
const PLAN: RestorePlan = planRestore(REQUEST);

function read(text: string): RestorePlan {
  return readSavedPlan("plan.json", text, "0.1.0");
}

function saved(plan: unknown, sha256: string = planSha256(PLAN)): string {
  return JSON.stringify({ plan, sha256 });
}

test("saved plan: it is read as it was printed, whatever became of blanks and the order of keys", () => {
  expect(read(saved(PLAN))).toEqual(PLAN);
  const reversed = Object.fromEntries(Object.entries(PLAN).toReversed());
  expect(read(JSON.stringify({ sha256: planSha256(PLAN), plan: reversed }, undefined, 4))).toEqual(PLAN);
});

test("saved plan: one without a bump counts the revision in which keys lose their leases", () => {
  const source = { ...SOURCE, leases: 2 };
  const changes = { boundKeys: 3, addedBytes: 300 };
  const plan = planRestore({ ...REQUEST, source, bumpRevision: "none", policies: { ...DEFAULT_POLICIES, leases: "expire" }, leaseChanges: changes });
  expect(plan.revision.after).toBe("763");
  expect(() => requireAsPlanned(plan, { ...FOUND, source })).not.toThrow();
  const altered = { ...plan, revision: { ...plan.revision, after: "762" } };
  expect(() => requireAsPlanned(altered, { ...FOUND, source })).toThrow("the revision after is 763 instead of 762");
});

const OTHERWISE: Partial<SourceFacts> = {
  databaseSha256: "cd".repeat(32),
  databaseSizeBytes: 12288,
  revision: "763",
  compactRevision: "5",
  storageVersion: "3.7.0",
  clusterVersion: null,
  leases: 1,
  alarms: 1,
  authEnabled: true,
};

test.each(Object.entries(OTHERWISE))("saved plan: a source whose %s differs is refused, and that is told", (fact, value) => {
  const found = { ...FOUND, source: { ...SOURCE, [fact]: value } };
  expect(() => requireAsPlanned(PLAN, found)).toThrow(`the source's ${fact} is ${value ?? "none"} instead of`);
});

test("saved plan: a source that was never compacted, or of no known version, is told in words", () => {
  const source = { ...SOURCE, compactRevision: "-1", clusterVersion: null };
  const refused = () => requireAsPlanned({ ...PLAN, source: { ...SOURCE, compactRevision: "5", clusterVersion: "3.6.0" } }, { ...FOUND, source });
  expect(refused).toThrow(/compactRevision is none instead of 5 .*\n.*clusterVersion is none instead of 3\.6\.0/);
});

/** Every value in `tree` as the path to it. */
function pathsOf(tree: unknown, at: readonly string[] = []): (readonly string[])[] {
  if (typeof tree !== "object" || tree === null) return [at];
  return Object.entries(tree).flatMap(([key, value]) => pathsOf(value, [...at, key]));
}

function altered(plan: RestorePlan, path: readonly string[], value: unknown): RestorePlan {
  const copy = structuredClone(plan);
  const inner = path
    .slice(0, -1)
    .reduce<Record<string, unknown>>((each, key) => each[key] as Record<string, unknown>, copy as unknown as Record<string, unknown>);
  inner[path.at(-1)!] = value;
  return copy;
}

test("saved plan: with any one of its values altered it is refused", () => {
  const paths = pathsOf(PLAN);
  expect(paths.length).toBeGreaterThan(60);
  for (const path of paths) {
    const changed = altered(PLAN, path, "altered");
    expect(() => read(saved(changed)), path.join(".")).toThrow(expect.objectContaining({ code: "PLAN_MISMATCH" }));
  }
});

test.each([
  ["no JSON", "{", "USAGE"],
  ["null", "null", "USAGE"],
  ["the plan of a snapshot file", JSON.stringify({ plan: { source: SOURCE, file: "x" } }), "USAGE"],
  ["another format", saved({ ...PLAN, format: 2 }), "PLAN_MISMATCH"],
])("saved plan: %s is refused", (_what, text, code) => {
  expect(() => read(text)).toThrow(expect.objectContaining({ code }));
});

test("saved plan: a host writes its own member, under the ids that all have", () => {
  const { members, bytes, clusterId } = planForMember(PLAN, "m2");
  expect(members.map(({ name, dataDir }) => [name, dataDir])).toEqual(
    expect.arrayContaining([
      ["m1", null],
      ["m2", "/var/lib/etcd"],
      ["m3", null],
    ]),
  );
  expect([bytes.total, clusterId]).toEqual([8192 + 64_000_000, PLAN.clusterId]);
  expect(() => planForMember(PLAN, undefined)).toThrow(expect.objectContaining({ code: "USAGE" }));
  expect(() => planForMember(PLAN, "m9")).toThrow(expect.objectContaining({ code: "MEMBERS_INVALID" }));
});

test("saved plan: of a plan for one host, one member can be taken, without what was seen of the others' targets", () => {
  const access = { from: "running-user" } as unknown as RestorePlan["members"][number]["access"];
  const oneHost = { ...PLAN, perHost: false, members: PLAN.members.map((member) => ({ ...member, access })) };
  expect(planForMember(oneHost, undefined)).toBe(oneHost);
  expect(
    planForMember(oneHost, "m2")
      .members.filter((member) => member.access !== null)
      .map(({ name }) => name),
  ).toEqual(["m2"]);
});

test("saved plan: what is found as it was planned is taken, wherever the source lies", () => {
  requireAsPlanned(PLAN, { ...FOUND, source: { ...SOURCE, location: "/mnt/etcd.db" } });
});

test.each<[string, Partial<FoundForPlan>]>([
  ["another source", { source: { ...SOURCE, databaseSha256: "cd".repeat(32) } }],
  ["another size", { source: { ...SOURCE, databaseSizeBytes: 4096 } }],
  ["another revision", { source: { ...SOURCE, revision: "763" } }],
  ["another compaction", { source: { ...SOURCE, compactRevision: "5" } }],
  ["another version of the source", { source: { ...SOURCE, storageVersion: "3.7.0" } }],
  ["other bytes of a source without a hash", { unsignedSha256: "ef".repeat(32) }],
])("saved plan: %s is refused, and the refusal says what differs", (_what, change) => {
  expect(() => requireAsPlanned(PLAN, { ...FOUND, ...change })).toThrow(
    expect.objectContaining({ code: "PLAN_MISMATCH", message: expect.stringMatching(/instead of|was made by/) }),
  );
});

test("saved plan: a host whose directory has gone as far as the new cluster starts is refused", () => {
  const evidence = (revision: string) => [{ kind: "data-directory", where: "/var/lib/etcd/member/snap/db", revision, isUpperBound: false, at: null } as const];
  requireAsPlanned(PLAN, { ...FOUND, evidence: evidence("1000000761") });
  const refused = () => requireAsPlanned(PLAN, { ...FOUND, evidence: evidence("1000000762") });
  expect(refused).toThrow(expect.objectContaining({ code: "PLAN_MISMATCH", message: expect.stringContaining("--evidence 1000000762") }));
});

test("saved plan: a host that comes when the cluster of the plan has saved already is told to start its member, and not to plan again", () => {
  const ownBackup = { kind: "backup", where: "/r: 2026", revision: "1000000763", isUpperBound: false, at: null } as const;
  const refusal = (plan: RestorePlan, found: Partial<FoundForPlan>): EtcdsafeError => {
    try {
      requireAsPlanned(plan, { ...FOUND, ...found });
    } catch (error) {
      return error as EtcdsafeError;
    }
    throw new Error("nothing was refused");
  };
  const own = { evidence: [ownBackup], ownBackup };
  const refused = refusal(planForMember(PLAN, "m3"), own);
  expect(refused).toMatchObject({
    code: "PLAN_MISMATCH",
    message: expect.stringContaining(`/r: 2026 is a backup of cluster ${PLAN.clusterId}, which this very plan`),
  });
  expect(refused.hint).toMatch(/^m3 needs no restore: if it never ran in that cluster, start it by step 3 of the plan \("Start etcd"\)/);
  expect(refused.hint).toContain(`member remove ${PLAN.members.find(({ name }) => name === "m3")!.id}\``);
  expect(`${refused.message} ${refused.hint}`).not.toContain("plan again with --evidence");
  const alone = planRestore({ ...REQUEST, cluster: REQUEST.cluster.slice(0, 1), targets: REQUEST.targets.slice(0, 1) });
  expect(refusal(alone, own).hint).toMatch(/^Where its member is there, start it\./);
  // Another cluster has gone further.
  const other = { ...ownBackup, where: "/r: 2027", revision: "2000000000" };
  expect(refusal(PLAN, { evidence: [ownBackup, other], ownBackup }).message).toContain("plan again with --evidence 2000000000");
});

test.each<[string, readonly string[], unknown]>([
  ["the token", ["token"], "other"],
  ["a member's peer URL", ["members", "0", "peerUrls"], ["http://10.0.0.9:2380"]],
  ["a member's id", ["members", "1", "id"], "0000000000000001"],
  ["the cluster's id", ["clusterId"], "0000000000000001"],
  ["the revision after", ["revision", "after"], "5"],
  ["the size", ["bytes", "databasePerMember"], 1],
])("saved plan: %s altered together with its SHA-256 contradicts the rest", (_what, path, value) => {
  const changed = altered(PLAN, path, value);
  const plan = read(saved(changed, planSha256(changed)));
  expect(() => requireAsPlanned(plan, FOUND)).toThrow(expect.objectContaining({ code: "PLAN_MISMATCH" }));
});

test("saved plan: what is missing or of another type is refused, whatever its SHA-256 says", () => {
  // Texts that nothing goes by but people may be any.
  const texts = /^(source\.location|loss\..*|revision\.evidence\..*\.where|warnings\..*)$/;
  for (const path of pathsOf(PLAN)) {
    if (texts.test(path.join("."))) continue;
    for (const value of [undefined, {}]) {
      const changed = altered(PLAN, path, value);
      expect(() => requireAsPlanned(read(saved(changed, planSha256(changed))), FOUND), `${path.join(".")} ${value}`).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^(PLAN_MISMATCH|USAGE)$/) }),
      );
    }
  }
  for (const members of [[null], []]) {
    const changed = { ...PLAN, members } as unknown as RestorePlan;
    expect(() => read(saved(changed, planSha256(changed)))).toThrow(expect.objectContaining({ code: "PLAN_MISMATCH" }));
  }
});

test("saved plan: another version's, and another format, say which etcdsafe to run", () => {
  for (const other of [
    { ...PLAN, tool: "0.2.0" },
    { format: 2, tool: "0.2.0", members: [] },
  ]) {
    const text = saved(other, planSha256(other as RestorePlan));
    expect(() => read(text)).toThrow(expect.objectContaining({ code: "PLAN_MISMATCH", hint: expect.stringMatching(/0\.2\.0\)? on this host too/) }));
  }
});

test("saved plan: a member that it does not write is refused with the option that names one", () => {
  expect(() => planForMember(PLAN, "m9")).toThrow(
    expect.objectContaining({ message: expect.stringMatching(/"m9", but "m1", "m2", "m3"$/), hint: expect.stringContaining("--member") }),
  );
  const none = { ...PLAN, members: PLAN.members.map((member) => ({ ...member, dataDir: null })) };
  expect(() => planForMember(none, "m1")).toThrow(expect.objectContaining({ code: "PLAN_MISMATCH", message: "the plan writes no member" }));
});

test("saved plan: an amount that was given is enough for what was known of then, and no more", () => {
  const evidence = (revision: string) => ({ kind: "data-directory", where: "/d", revision, isUpperBound: false, at: null }) as const;
  const bumpedBy = (bumpRevision: string, known: string) => planRestore({ ...REQUEST, bumpRevision, evidence: { ...NO_EVIDENCE, found: [evidence(known)] } });
  const refused = expect.objectContaining({ code: "PLAN_MISMATCH" });
  expect(() => requireAsPlanned(bumpedBy("1000", "800"), { ...FOUND, evidence: [evidence("1762")] })).toThrow(refused);
  requireAsPlanned(bumpedBy("10", "800"), { ...FOUND, evidence: [evidence("800")] });
  expect(() => requireAsPlanned(bumpedBy("10", "800"), { ...FOUND, evidence: [evidence("801")] })).toThrow(refused);
});
