import { beforeEach, expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { scanBackups } from "../../src/repository/backup-scan.ts";
import { type BackupEntry, listBackups, listClusters } from "../../src/repository/catalogue.ts";
import { encodeManifest, type Manifest } from "../../src/repository/manifest.ts";
import { backupObjectKey, deletionKey, manifestKey } from "../../src/repository/names.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { resolveBackup } from "../../src/repository/resolve.ts";
import { writeVerification } from "../../src/repository/sidecars.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { failingStorage } from "../faults/kit/storages.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { sampleManifest } from "./sample-manifest.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const author = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
let storage: MemoryStorage;
let repository: Repository;

beforeEach(() => {
  storage = new MemoryStorage();
  repository = { storage, file: {} as Repository["file"] };
});

async function store(day: number, changes: Partial<Manifest> = {}): Promise<string> {
  const manifest = sampleManifest({ createdAt: `2026-11-${String(day).padStart(2, "0")}T09:30:00.000Z`, ...changes });
  for (const { name, storedSizeBytes } of manifest.objects) await put(backupObjectKey("default", manifest.id, name), new Uint8Array(storedSizeBytes));
  await put(manifestKey("default", manifest.id), encodeManifest(manifest));
  return manifest.id;
}

function put(key: string, bytes: Uint8Array) {
  return storage.put(key, streamOf(bytes), { signal });
}

function verify(backup: string, level: "stored-bytes" | "hash" | "structure", outcome: "passed" | "failed", finishedAt: string) {
  const failure = outcome === "passed" ? null : { code: "OBJECT_CORRUPT", message: "frame 3 is broken", hint: "h" };
  const facts = { backup, level, outcome, startedAt: finishedAt, finishedAt, readSizeBytes: 1, hashKv: null, failure, findings: [] };
  return writeVerification(storage, "default", author, facts, { signal });
}

function minute(count: number): string {
  return new Date(Date.UTC(2026, 10, 21, 0, count)).toISOString();
}

/** As verifications were once called. */
async function nameByTimeAlone(id: string): Promise<void> {
  for (const { key } of await Array.fromAsync(storage.list(`default/verifications/${id}/`, { signal }))) {
    const old = key.replace(/Z-[a-z-]+\.json$/, "Z.json");
    if (old === key) continue;
    await put(old, storage.bytesOf(key)!);
    await storage.remove(key, { signal });
  }
}

/** The store, and how many verifications were read from it since that was last asked. */
function countingReads(): { counting: Storage; readSince: () => number } {
  let reads = 0;
  const read: Storage["read"] = (key, options) => {
    if (key.includes("/verifications/")) reads++;
    return storage.read(key, options);
  };
  const readSince = () => {
    const count = reads;
    reads = 0;
    return count;
  };
  return { counting: wrapped(storage, { read }), readSince };
}

const list = () => listBackups(repository, "default", { signal });
const resolve = (reference: string) => resolveBackup(repository, "default", reference, { signal });

test("catalogue: lists backups newest first, with their sizes", async () => {
  const ids = [await store(20), await store(22), await store(21)];
  const entries = await list();
  expect(entries.map(({ id }) => id)).toEqual([ids[1], ids[2], ids[0]]);
  expect(entries[0]).toMatchObject({ state: "proven", damage: [], verifications: {}, storedSizeBytes: 100 });
});

test("catalogue: within one second, in which ids are sorted by revision, the manifests tell which backup is newer", async () => {
  const at = (ms: number, revision: number, state: Manifest["state"] = "proven") =>
    store(20, { createdAt: `2026-11-20T09:30:00.${String(ms).padStart(3, "0")}Z`, revision: String(revision), state });
  const [before, higher, rolledBack, after] = [await store(19), await at(100, 900), await at(600, 50), await store(21, { state: "suspect" })];
  expect((await list()).map(({ id }) => id)).toEqual([after, rolledBack, higher, before]);
  expect((await resolve("latest")).id).toBe(rolledBack);
  await at(900, 40, "suspect");
  expect((await resolve("latest")).id).toBe(rolledBack);
  // What cannot be read may be the newest of its second.
  await put(manifestKey("default", higher), Buffer.from("{"));
  expect((await list()).map(({ id }) => id).slice(1, 3)).toEqual([higher, expect.stringContaining("40-")]);
  expect((await resolve("latest")).id).toBe(rolledBack);
});

test("catalogue: reads no manifest to put backups in order unless two began within one second; then a failing store costs the order, an abort all", async () => {
  const [first, second] = [await store(20), await store(21)];
  await put(backupObjectKey("default", sampleManifest({ createdAt: "2026-11-22T09:30:00.000Z" }).id, "snapshot.db.zst"), new Uint8Array(1));
  const abort = new AbortController();
  let reads = 0;
  const fail = (what: () => void) => {
    const error = () => {
      what();
      return new EtcdsafeError("STORAGE_UNREACHABLE", "gone");
    };
    return failingStorage(storage, { operations: ["read"], error });
  };
  const unread = fail(() => reads++);
  const ids = async (inner: Storage) => (await scanBackups(inner, "default", { signal: abort.signal })).map(({ id }) => id);
  expect(await ids(unread)).toEqual([second, first]);
  expect(reads).toBe(0);
  const third = await store(21, { revision: "99999" });
  expect(await ids(unread)).toEqual([third, second, first]);
  expect(reads).toBe(2);
  await expect(ids(fail(() => abort.abort()))).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
});

test("catalogue: takes nothing for a backup that has no manifest, or no backup's name; one whose manifest is still there is whole, though its deletion was begun", async () => {
  const id = await store(20);
  const deleted = await store(21);
  await put(deletionKey("default", deleted), new Uint8Array(1));
  await put(backupObjectKey("default", sampleManifest({ createdAt: "2026-11-22T09:30:00.000Z" }).id, "snapshot.db.zst"), new Uint8Array(1));
  await put("default/backups/notes/manifest.json", new Uint8Array(1));
  await put("default/backups/notes.txt", new Uint8Array(1));
  await put("other/backups/20261122T093000Z-0000000000000012345-aaaaaa/manifest.json", new Uint8Array(1));
  expect((await list()).map((entry) => entry.id)).toEqual([deleted, id]);
});

test("catalogue: marks a manifest that cannot be read, and lists the others", async () => {
  const good = await store(20);
  const broken = await store(21);
  await put(manifestKey("default", broken), Buffer.from("{"));
  const newer = await store(22);
  await put(manifestKey("default", newer), Buffer.from('{"format":7}'));
  expect(await list()).toEqual([
    expect.objectContaining({ id: newer, manifest: null, error: expect.objectContaining({ code: "REPOSITORY_UNSUPPORTED" }) }),
    expect.objectContaining({ id: broken, manifest: null, error: expect.objectContaining({ code: "MANIFEST_INVALID" }) }),
    expect.objectContaining({ id: good, state: "proven" }),
  ]);
});

test("catalogue: a store that fails for one manifest costs one row, one that fails to list costs the list", async () => {
  const [good, denied] = [await store(20), await store(21)];
  const one = failingStorage(storage, { operations: ["read"], key: new RegExp(denied) });
  expect(await listBackups({ ...repository, storage: one }, "default", { signal })).toEqual([
    expect.objectContaining({ id: denied, error: expect.objectContaining({ code: "STORAGE_UNREACHABLE" }) }),
    expect.objectContaining({ id: good }),
  ]);
  const all = failingStorage(storage, { operations: ["list"] });
  await expect(listBackups({ ...repository, storage: all }, "default", { signal })).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
});

test("catalogue: a backup whose object is missing or has another size is damaged", async () => {
  const [missing, short] = [await store(20), await store(21)];
  await storage.remove(backupObjectKey("default", missing, "snapshot.db.zst"), { signal });
  await put(backupObjectKey("default", short, "snapshot.db.zst"), new Uint8Array(99));
  expect(await list()).toEqual([
    expect.objectContaining({ id: short, state: "damaged", damage: ["snapshot.db.zst holds 99 bytes instead of 100"], storedSizeBytes: 99 }),
    expect.objectContaining({ id: missing, state: "damaged", damage: ["snapshot.db.zst is missing"], storedSizeBytes: 0 }),
  ]);
});

test("catalogue: knows the newest verification of each level", async () => {
  const id = await store(20);
  await verify(id, "hash", "passed", "2026-11-21T00:00:00.000Z");
  await verify(id, "structure", "passed", "2026-11-22T00:00:00.000Z");
  await verify(id, "hash", "passed", "2026-11-23T00:00:00.000Z");
  const [entry] = (await list()) as [BackupEntry];
  expect(entry.verifications).toMatchObject({ hash: { finishedAt: "2026-11-23T00:00:00.000Z" }, structure: { finishedAt: "2026-11-22T00:00:00.000Z" } });
  expect(entry.state).toBe("proven");
});

test.each([
  ["a failed verification", [["hash", "failed"]], "damaged"],
  [
    "one that a later one of the same level refutes",
    [
      ["hash", "failed"],
      ["hash", "passed"],
    ],
    "proven",
  ],
  [
    "one that a later, deeper one refutes",
    [
      ["hash", "failed"],
      ["structure", "passed"],
    ],
    "proven",
  ],
  [
    "one after which only a shallower one passed",
    [
      ["structure", "failed"],
      ["stored-bytes", "passed"],
    ],
    "damaged",
  ],
  [
    "one that failed after one that passed",
    [
      ["structure", "passed"],
      ["hash", "failed"],
    ],
    "damaged",
  ],
] as const)("catalogue: after %s the backup is what it should be", async (_, results, state) => {
  const id = await store(20);
  for (const [index, [level, outcome]] of results.entries()) await verify(id, level, outcome, `2026-11-2${index}T12:00:00.000Z`);
  const [entry] = (await list()) as [BackupEntry];
  expect(entry.state).toBe(state);
  if (state === "damaged") expect(entry.damage[0]).toContain("frame 3 is broken");
});

test("catalogue: of two verifications that ended in the same millisecond, the one that failed counts", async () => {
  const id = await store(20);
  for (const outcome of ["failed", "passed"] as const) await verify(id, "hash", outcome, "2026-11-22T12:00:00.000Z");
  expect(await list()).toMatchObject([{ state: "damaged" }]);
  await verify(id, "hash", "passed", "2026-11-22T12:00:00.001Z");
  expect(await list()).toMatchObject([{ state: "proven" }]);
});

test("catalogue: a reason that several verifications found is said once, as the newest says it, unless that was refuted", async () => {
  const id = await store(20);
  for (const [index, level] of (["structure", "hash", "stored-bytes"] as const).entries()) await verify(id, level, "failed", `2026-11-2${index}T12:00:00.000Z`);
  const damage = async () => ((await list())[0] as BackupEntry).damage;
  expect(await damage()).toEqual(["verification at level stored-bytes failed at 2026-11-22T12:00:00.000Z: frame 3 is broken"]);
  await verify(id, "hash", "passed", "2026-11-23T12:00:00.000Z");
  const lessSince = "; only less of it was read since: `etcdsafe verify --level structure` tells whether it still is so";
  expect(await damage()).toEqual([`verification at level structure failed at 2026-11-20T12:00:00.000Z: frame 3 is broken${lessSince}`]);
});

test("catalogue: of a verification that cannot be read, its name still tells what was found; one that has the time alone says nothing", async () => {
  const id = await store(20);
  await put(`default/verifications/${id}/20261122T000000.000Z.json`, Buffer.from("{"));
  await put(`default/verifications/${id}/20261122T000000.001Z-hash-passed.json`, Buffer.from("{"));
  expect(await list()).toEqual([expect.objectContaining({ state: "proven", verifications: {} })]);
  await put(`default/verifications/${id}/20261122T000000.002Z-hash-failed.json`, Buffer.from("{"));
  const damage = ["verification at level hash failed at 20261122T000000.002Z: its record cannot be read"];
  expect(await list()).toEqual([expect.objectContaining({ state: "damaged", damage, verifications: {} })]);
});

test.each(["named as they are", "named by their time alone"])(
  "catalogue: a damaged backup stays damaged, however often less of it passed since, until as much of it has; verifications %s",
  async (names) => {
    const id = await store(20);
    const isOld = names.includes("time alone");
    const { counting, readSince } = countingReads();
    const entry = async () => (await listBackups({ ...repository, storage: counting }, "default", { signal }))[0] as BackupEntry;
    await verify(id, "structure", "failed", minute(0));
    for (let each = 1; each <= 100; each++) await verify(id, each % 2 === 0 ? "stored-bytes" : "hash", "passed", minute(each));
    if (isOld) await nameByTimeAlone(id);
    expect(await entry()).toMatchObject({
      state: "damaged",
      damage: [expect.stringMatching(/^verification at level structure failed at .*: frame 3 is broken; only less of it was read since: .* still is so$/)],
      verifications: { "stored-bytes": { finishedAt: minute(100) }, hash: { finishedAt: minute(99) }, structure: { finishedAt: minute(0) } },
    });
    expect(readSince()).toBe(isOld ? 101 : 3);
    await verify(id, "structure", "passed", minute(101));
    if (isOld) await nameByTimeAlone(id);
    expect(await entry()).toMatchObject({ state: "proven", damage: [], verifications: { structure: { finishedAt: minute(101) } } });
    expect(readSince()).toBe(isOld ? 32 : 3); // What was refuted is not looked for.
  },
);

test("catalogue: a fault that every night finds again is read from the newest of its records only", async () => {
  const id = await store(20);
  for (let each = 0; each < 100; each++) await verify(id, "hash", "failed", minute(each));
  const { counting, readSince } = countingReads();
  const [entry] = (await listBackups({ ...repository, storage: counting }, "default", { signal })) as [BackupEntry];
  expect(entry).toMatchObject({ state: "damaged", damage: [`verification at level hash failed at ${minute(99)}: frame 3 is broken`] });
  expect(readSince()).toBe(32);
});

test("catalogue: names the clusters that were bound, or have backups", async () => {
  const id = "20261121T093000Z-0000000000000012345-aaaaaa";
  const ours = ["b/cluster.json", "a/cluster.json", "a/uploads/x.json", `c/backups/${id}/manifest.json`, `b/backups/${id}/manifest.json`];
  const none = ["d/backups/x/manifest.json", `e/backups/${id}/snapshot.db.zst`, "etcdsafe-repository.json", "a/x/cluster.json", "Not a name/cluster.json"];
  for (const key of [...ours, ...none]) await put(key, new Uint8Array(1));
  expect(await listClusters(repository, { signal })).toEqual(["a", "b", "c"]);
});

test("catalogue: stops when it is told to", async () => {
  await store(20);
  await expect(listBackups(repository, "default", { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
});

test("resolve: latest and oldest skip what is suspect, partial, damaged or unreadable", async () => {
  const states = ["suspect", "proven", "unconfirmed", "proven", "partial", "suspect"] as const;
  const ids = await Promise.all(states.map((state, index) => store(10 + index, { state })));
  await put(manifestKey("default", ids[3]!), Buffer.from("{"));
  expect((await resolve("latest")).id).toBe(ids[2]);
  expect((await resolve("oldest")).id).toBe(ids[1]);
  await verify(ids[2]!, "hash", "failed", "2026-11-22T00:00:00.000Z");
  expect((await resolve("latest")).id).toBe(ids[1]);
  // By its id, anything is found.
  expect(await resolve(ids[5]!)).toMatchObject({ state: "suspect" });
  expect(await resolve(ids[2]!)).toMatchObject({ state: "damaged" });
  await expect(resolve(ids[3]!)).rejects.toMatchObject({ code: "MANIFEST_INVALID" });
});

test("resolve: says what there is when nothing may be latest", async () => {
  await expect(resolve("latest")).rejects.toMatchObject({ code: "BACKUP_NOT_FOUND" });
  const id = await store(20, { state: "partial" });
  await expect(resolve("latest")).rejects.toMatchObject({ code: "BACKUP_NOT_FOUND", message: expect.stringContaining(`${id} (partial: `) });
});

test("resolve: of latest and oldest, the backups that are passed over are named, with why", async () => {
  const warned = async (reference: string) => {
    const warnings: string[] = [];
    await resolveBackup(repository, "default", reference, { signal, passedOver: (warning) => void warnings.push(warning) });
    return warnings;
  };
  const older = await store(10, { state: "suspect", stateWhy: "0 of 3 members agree" });
  const good = await store(11);
  expect(await warned("latest")).toEqual([]);
  const suspect = await store(12, { state: "suspect", stateWhy: "1 of 3 members agrees" });
  expect(await warned("latest")).toEqual([`latest is ${good}; a newer backup is passed over: ${suspect} (suspect: 1 of 3 members agrees)`]);
  const [unreadable, damaged] = [await store(13), await store(14)];
  await put(manifestKey("default", unreadable), Buffer.from("{"));
  await verify(damaged, "hash", "failed", "2026-11-22T00:00:00.000Z");
  const [three] = await warned("latest");
  expect(three).toContain(`latest is ${good}; 3 newer backups are passed over: ${damaged} (damaged: verification at level hash failed `);
  expect(three).toMatch(new RegExp(`, ${unreadable} \\(unreadable: .*\\), ${suspect} \\(suspect: 1 of 3 members agrees\\)$`));
  const [partial] = [await store(16, { state: "partial" }), await store(17, { state: "partial" })];
  const [five] = await warned("latest");
  expect(five).toMatch(new RegExp(`; 5 newer backups are passed over: .*${partial} \\(partial: .*, ${damaged} \\(damaged: .* and 2 more$`));
  for (const left of [unreadable, suspect]) expect(five).not.toContain(left);
  expect(await warned(good)).toEqual([]);
  expect(await warned("oldest")).toEqual([`oldest is ${good}; an older backup is passed over: ${older} (suspect: 0 of 3 members agree)`]);
});

test("resolve: takes a unique prefix, and names the candidates of one that is not", async () => {
  const [a, b] = [await store(20), await store(21)];
  expect((await resolve("20261120")).id).toBe(a);
  expect((await resolve(b)).id).toBe(b);
  await expect(resolve("202611")).rejects.toMatchObject({ code: "BACKUP_AMBIGUOUS", message: expect.stringContaining(`${b}, ${a}`) });
  await expect(resolve("2027")).rejects.toMatchObject({
    code: "BACKUP_NOT_FOUND",
    message: expect.stringContaining("2027"),
    hint: `What is there: ${b}, ${a}.`,
  });
  for (let day = 1; day <= 15; day++) await store(day);
  await expect(resolve("2026")).rejects.toMatchObject({ message: expect.stringContaining("(17 in all)") });
  await expect(resolve(`${a.slice(0, -1)}z`)).rejects.toMatchObject({
    code: "BACKUP_NOT_FOUND",
    hint: expect.stringMatching(new RegExp(`^The nearest are ${a}, .*; .* shows all 17\\.$`)),
  });
});

test("resolve: where a cluster has no backups, the others are named", async () => {
  await expect(resolve("latest")).rejects.toMatchObject({ hint: expect.stringMatching(/^There is no other cluster either/) });
  await put("prod/cluster.json", Buffer.from("{}"));
  await expect(resolve("2026")).rejects.toMatchObject({ code: "BACKUP_NOT_FOUND", hint: "Other clusters there are prod: name one with --cluster." });
});
