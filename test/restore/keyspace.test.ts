// What the policies leave of alarms, authentication, leases and versions: planned, and then written into members and into a plain snapshot.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { openFilePageSource } from "../../src/etcd-files/bbolt/file-page-source.ts";
import { checkSnapshot } from "../../src/etcd-files/check/check-snapshot.ts";
import { applyRestore } from "../../src/restore/apply.ts";
import { type DatabasePlan, type DatabaseRequest, planDatabase } from "../../src/restore/database-plan.ts";
import { editDatabaseFile } from "../../src/restore/edit.ts";
import { NO_EVIDENCE } from "../../src/restore/evidence.ts";
import { snapshotFileSource } from "../../src/restore/file-source.ts";
import { DEFAULT_POLICIES, keyspaceWarnings, planKeyspace } from "../../src/restore/keyspace.ts";
import { leaseChangesOf } from "../../src/restore/lease-count.ts";
import { planRestore } from "../../src/restore/plan.ts";
import { checkWrittenDatabase } from "../../src/restore/self-check.ts";
import type { SnapshotSource } from "../../src/restore/source.ts";
import { writeSnapshotFile } from "../../src/restore/to-snapshot.ts";
import { expectThrown } from "../support/failures.ts";
import { randomHistory } from "../support/random-history.ts";
import { buildSnapshot, withTrailer } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const options = { signal: new AbortController().signal, runtime: testRuntime() };
const HISTORY = randomHistory(11, { revisions: 900, keys: 200, leases: 6, compaction: "finished" });
const BOUND = [...HISTORY.live.values()].filter(({ lease }) => lease !== 0n).length;
const SNAPSHOT = buildSnapshot({
  ...HISTORY,
  alarms: [
    { memberId: 5n, alarm: 1 },
    { memberId: 6n, alarm: 2 },
  ],
  authEnabled: true,
  users: [{ name: "root", roles: ["root"] }],
  roles: ["root"],
  storageVersion: "3.7.0",
  clusterVersion: "3.7.0",
});

type Changes = Pick<DatabaseRequest, "bumpRevision" | "targetVersion"> & { readonly policies?: Partial<typeof DEFAULT_POLICIES> };

async function sourceIn(directory: string, bytes: Uint8Array = SNAPSHOT): Promise<SnapshotSource> {
  await writeFile(join(directory, "source.db"), bytes);
  return snapshotFileSource(join(directory, "source.db"));
}

async function requestFor(source: SnapshotSource, { policies = {}, ...changes }: Changes): Promise<DatabaseRequest> {
  const chosen = { ...DEFAULT_POLICIES, ...policies };
  const leaseChanges = await leaseChangesOf(source, chosen.leases, options);
  return { source: source.facts, evidence: NO_EVIDENCE, skipHashCheck: false, policies: chosen, leaseChanges, ...changes };
}

/** The facts of the file that was written, as a plain snapshot and as a member's database, which hold the same. */
async function written(changes: Changes) {
  await using directory = await temporaryDirectory("keyspace");
  const source = await sourceIn(directory.path);
  const request = await requestFor(source, changes);
  const snapshot = join(directory.path, "plain.db");
  await writeSnapshotFile(source, snapshot, planDatabase(request), options);
  const cluster = [{ name: "a", peerUrls: ["http://127.0.0.1:2380"] }];
  const targets = [{ name: "a", dataDir: join(directory.path, "a") }];
  const plan = planRestore({ ...request, cluster, targets, newToken: "t", command: () => "", stageId: "s", tool: "1", plannedAt: "" });
  await applyRestore(plan, source, options);
  const facts = factsOf(join(directory.path, "a/member/snap/db"), BigInt(HISTORY.revision));
  const { alarms, authEnabled, users, leases, keys, tombstones, revision, storageVersion, clusterVersion, hashes } = facts;
  const same = { alarms, authEnabled, users, leases, keys, tombstones, revision, storageVersion, clusterVersion };
  expect(factsOf(snapshot, BigInt(HISTORY.revision))).toMatchObject(same);
  return { ...same, hashes, plan };
}

/** With HashKV at `revision`, as before any compaction that the restore has scheduled. */
function factsOf(path: string, revision: bigint) {
  const file = openFilePageSource(path);
  try {
    const report = checkSnapshot(file, { hashes: [{ revision }], compactionNotStarted: true });
    expect(report.findings).toEqual([]);
    return report.facts!;
  } finally {
    file.close();
  }
}

async function before() {
  await using directory = await temporaryDirectory("keyspace");
  await sourceIn(directory.path);
  return factsOf(join(directory.path, "source.db"), BigInt(HISTORY.revision));
}

test("keyspace: by default alarms go, and everything else stays", async () => {
  const source = await before();
  const { plan, ...facts } = await written({ bumpRevision: "none" });
  expect(facts).toMatchObject({ alarms: [], authEnabled: true, users: 1, leases: source.leases, keys: source.keys, storageVersion: "3.7.0" });
  expect(facts.revision).toBe(source.revision);
  expect(plan.keyspace.leases.boundKeys).toBeNull();
});

test("keyspace: alarms that are kept, and authentication that is switched off, with its users", async () => {
  const { plan, ...facts } = await written({ bumpRevision: "none", policies: { keepAlarms: true, disableAuth: true } });
  expect(facts.alarms.map(({ alarm }) => alarm).sort()).toEqual(["CORRUPT", "NOSPACE"]);
  expect(facts).toMatchObject({ authEnabled: false, users: 1 });
  expect(plan.keyspace.auth).toEqual({ before: "on", after: "off" });
  expect(plan.warnings.join("\n")).toMatch(/2 alarm\(s\) are kept[\s\S]*Authentication is switched off/);
});

test("keyspace: keys of expired leases are deleted in one revision behind the source's last; HashKV up to that is the source's", async () => {
  const source = await before();
  const { plan, ...facts } = await written({ bumpRevision: "none", policies: { leases: "expire" } });
  expect(BOUND).toBeGreaterThan(10);
  expect(facts).toMatchObject({ leases: 0, keys: source.keys - BOUND, tombstones: source.tombstones + BOUND, revision: source.revision + 1n });
  expect(facts.hashes).toEqual(source.hashes);
  expect(plan.warnings).toContain(`${BOUND} key(s) that are bound to leases are deleted (--expire-leases).`);
  expect(plan.keyspace.leases).toMatchObject({ policy: "expire", boundKeys: BOUND, count: source.leases });
  expect(plan.revision).toMatchObject({ before: String(source.revision), after: String(source.revision + 1n), markCompacted: false });
});

test("keyspace: detached keys stay, and the revision is moved from behind their new one", async () => {
  const source = await before();
  const { plan, ...facts } = await written({ bumpRevision: "1000", policies: { leases: "detach" } });
  // The row that moves the revision counts as a key (etcd-formats §4.6).
  expect(facts).toMatchObject({ leases: 0, keys: source.keys + 1, tombstones: source.tombstones, revision: source.revision + 1000n });
  expect(facts.hashes).toEqual(source.hashes);
  expect(plan.keyspace.leases.boundKeys).toBe(BOUND);
  expect(plan.bytes.databasePerMember).toBe(plan.source.databaseSizeBytes + plan.keyspace.leases.addedBytes);
  expect(plan.keyspace.leases.addedBytes).toBeGreaterThan(0);
});

test("keyspace: an older etcd gets neither storage nor cluster version", async () => {
  const { plan, ...facts } = await written({ bumpRevision: "none", targetVersion: "3.6" });
  expect(facts).toMatchObject({ storageVersion: undefined, clusterVersion: undefined });
  expect(plan).toMatchObject({ walDialect: "3.6", versions: { removesStorageVersion: true, target: "3.6" } });
});

test("keyspace: an amount that does not reach beyond the added revision is refused", async () => {
  await using directory = await temporaryDirectory("keyspace");
  const request = await requestFor(await sourceIn(directory.path), { bumpRevision: "1", policies: { leases: "expire" } });
  await expectThrown("USAGE", () => planDatabase(request), /leaves no room for the revision in which keys lose their leases/);
});

test("keyspace: a plan that says otherwise than the source is not carried out", async () => {
  await using directory = await temporaryDirectory("keyspace");
  const source = await sourceIn(directory.path);
  const plan = planDatabase(await requestFor(source, { bumpRevision: "none", policies: { leases: "expire" } }));
  const leases = { ...plan.keyspace.leases, boundKeys: BOUND - 1 };
  const altered = { ...plan, keyspace: { ...plan.keyspace, leases } };
  const write = () => writeSnapshotFile(source, join(directory.path, "plain.db"), altered, options);
  await expectThrown("SELF_CHECK_FAILED", write, new RegExp(`holds ${BOUND} keys that are bound to leases, but the plan says ${BOUND - 1}`));
});

test("keyspace: what was written is compared with each part of the plan", async () => {
  await using directory = await temporaryDirectory("keyspace");
  const source = await sourceIn(directory.path, withTrailer(SNAPSHOT.slice(0, -32)));
  const policies = { keepAlarms: true, disableAuth: true, leases: "expire" } as const;
  const plan = planDatabase(await requestFor(source, { bumpRevision: "none", policies, targetVersion: "3.6" }));
  const path = join(directory.path, "edited.db");
  await writeFile(path, SNAPSHOT.slice(0, -32));
  const edit = await editDatabaseFile({ path }, plan, undefined, options);
  const trailer = source.facts.databaseSha256 ?? undefined;
  const check = (altered: DatabasePlan) => checkWrittenDatabase({ path, plan: altered, edit, trailer, proof: "none" }, options);
  await check(plan);
  const { keyspace } = plan;
  const alarms = { ...plan, keyspace: { ...keyspace, alarms: { count: 2, policy: "drop" as const } } };
  await expectThrown("SELF_CHECK_FAILED", () => check(alarms), /alarms 2 instead of 0/);
  const auth = { ...plan, keyspace: { ...keyspace, auth: { before: "on" as const, after: "on" as const } } };
  await expectThrown("SELF_CHECK_FAILED", () => check(auth), /authentication off instead of on/);
  const withLeases = planDatabase(await requestFor(source, { bumpRevision: "none", policies: { keepAlarms: true, disableAuth: true } }));
  const file = { path: join(directory.path, "leased.db"), trailer, proof: "none" as const };
  await writeFile(file.path, SNAPSHOT.slice(0, -32));
  const leased = { ...file, edit: await editDatabaseFile(file, withLeases, undefined, options) };
  await checkWrittenDatabase({ ...leased, plan: withLeases }, options);
  const leases = { ...withLeases, keyspace: { ...withLeases.keyspace, leases: { ...withLeases.keyspace.leases, policy: "detach" as const } } };
  await expectThrown("SELF_CHECK_FAILED", () => checkWrittenDatabase({ ...leased, plan: leases }, options), /leases [1-9] instead of none/);
});

test("keyspace: the keys of a stored backup are counted in a local copy, and a damaged one says where", async () => {
  await using directory = await temporaryDirectory("keyspace");
  const source = await sourceIn(directory.path);
  const stored = (bytes: Uint8Array): SnapshotSource => ({ ...source, content: { read: () => streamOf(bytes) } });
  expect(await leaseChangesOf(stored(SNAPSHOT), "expire", options)).toMatchObject({ boundKeys: BOUND });
  const damaged = Uint8Array.from(SNAPSHOT);
  damaged.fill(0, 2 * 4096, SNAPSHOT.length - 32);
  await expectThrown("SNAPSHOT_DAMAGED", () => leaseChangesOf(stored(damaged), "expire", options), /source\.db is damaged: .* at byte \d+$/);
});

test("keyspace: counting is given up when that is asked for", async () => {
  await using directory = await temporaryDirectory("keyspace");
  const source = await sourceIn(directory.path);
  const abort = new AbortController();
  const counting = leaseChangesOf(source, "detach", { signal: abort.signal });
  abort.abort(new Error("enough"));
  await expect(counting).rejects.toThrow("enough");
});

test("keyspace: nothing is said of what is not there", () => {
  const facts = { alarms: 0, leases: 0, authEnabled: false } as SnapshotSource["facts"];
  expect(keyspaceWarnings(planKeyspace(facts, { keepAlarms: true, disableAuth: true, leases: "restart" }, undefined))).toEqual([]);
});
