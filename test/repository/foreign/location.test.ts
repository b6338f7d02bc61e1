// What a location is taken for that holds no repository, and which backup a name means there.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { streamOf } from "../../../src/bytes/stream.ts";
import { findForeign } from "../../../src/repository/foreign/location.ts";
import { parseEtcdbrName, timeInName } from "../../../src/repository/foreign/names.ts";
import { chooseForeign, newerDeltas, resolveForeign } from "../../../src/repository/foreign/resolve.ts";
import { openFileStorage } from "../../../src/storage/file.ts";
import { wrapped } from "../../../src/storage/wrapped.ts";
import { expectThrown } from "../../support/failures.ts";
import { encodeLzw } from "../../support/lzw.ts";
import { MemoryStorage } from "../../support/memory-storage.ts";
import { buildSnapshot } from "../../support/snapshots.ts";
import { testRuntime } from "../../support/test-runtime.ts";
import { zipOf } from "../../support/zip.ts";

const { signal } = new AbortController(); // Each test has its time-out.

async function storageWith(objects: Readonly<Record<string, Uint8Array | string>>): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  for (const [key, bytes] of Object.entries(objects)) await storage.put(key, streamOf(Buffer.from(bytes)), { signal });
  return storage;
}

async function find(objects: Readonly<Record<string, Uint8Array | string>>) {
  const location = await findForeign(await storageWith(objects), { signal });
  if (location === undefined) throw new Error("nothing was found");
  return location;
}

/** A snapshot at this revision. */
function snapshotAt(revision: number, trailer = true): Uint8Array {
  return buildSnapshot({ compactRevision: revision, trailer });
}

const GOOD = snapshotAt(302);
/** In what no page uses, so that only the hash tells. */
const damaged = GOOD.with(GOOD.length - 40, 1);
const options = () => ({ signal, runtime: testRuntime(), spoolDirectory: "/tmp" });

test("etcdbrctl: kinds, revisions, time, packing and .final are in the name", () => {
  const full = { kind: "full", firstRevision: 0n, lastRevision: 302n, createdAt: new Date(1795248092_000), isFinal: false };
  expect(parseEtcdbrName("Full-00000000-00000302-1795248092")).toEqual({ ...full, packing: "none" });
  expect(parseEtcdbrName("Full-00000000-00000302-1795248092.gz")).toEqual({ ...full, packing: "gzip" });
  expect(parseEtcdbrName("Full-00000000-00000302-1795248092.Z")).toEqual({ ...full, packing: "lzw" });
  expect(parseEtcdbrName("Full-00000000-00000302-1795248092.zlib.final")).toEqual({ ...full, packing: "zlib", isFinal: true });
  expect(parseEtcdbrName("Full-00000000-00000302-1795248092.final")).toEqual({ ...full, packing: "none", isFinal: true });
  expect(parseEtcdbrName("Full-00000000-00000302-1795248092.xz")).toEqual({ ...full, packing: undefined });
  expect(parseEtcdbrName("Incr-123456789012-123456789013-1.gz")).toMatchObject({ kind: "delta", firstRevision: 123456789012n, lastRevision: 123456789013n });
  for (const name of ["Full-302-1795248092.gz", "Full-00000303-00000302-1795248092", "Other-00000000-00000302-1", "Full-00000000-00000302-", "x"])
    expect(parseEtcdbrName(name)).toBeUndefined();
});

test("times are found in names however they are written, and no other digits are taken for one", () => {
  for (const name of [
    "etcd-20261121T093000Z.db",
    "snapshot-2026-11-21_09-30-00.db.gz",
    "s_2026-11-21T09:30:00Z",
    "b-20261121093000",
    "on-demand-node-1-1795253400.zip",
  ])
    expect(timeInName(name)?.toISOString(), name).toBe("2026-11-21T09:30:00.000Z");
  for (const name of ["snapshot.db", "backup-2026-11-21.db", "x-20261341T993000", "0123456789012345", "etcd-3.6.16"])
    expect(timeInName(name), name).toBeUndefined();
});

test("etcdbrctl: fulls newest first, deltas counted, chunks and what else lies there passed over", async () => {
  const location = await find({
    "v2/Full-00000000-00000100-1795240000.Z": encodeLzw(snapshotAt(100)),
    "v2/Full-00000000-00000302-1795248092.gz": gzipSync(GOOD),
    "v2/Full-00000000-00000290-1795247000.zlib": deflateSync(snapshotAt(300)),
    "v2/Full-00000000-00000302-1795249000.final": GOOD,
    "v2/Full-00000000-00000302-1795248092.gz/0000000001": "a chunk",
    "v2/Full-00000000-00000200-1795245000.xz": "packed in a way that nobody knows",
    "v2/Full-00000000-00000250-1795246000.gz": "",
    "v2/Full-00000000-00000240-1795245500.gz": "<html>no such key</html>",
    "v2/Incr-00000303-00000354-1795248104.gz": "not read",
    "v2/Incr-00000355-00000417-1795248110.gz": "not read",
    "v2/README": "not ours",
    "v1/Backup-1/Full-00000000-00000001-1": GOOD,
  });
  expect(location.layout).toBe("etcdbrctl");
  expect(location.backups.map(({ name, packing, damage, isFinal, revision }) => [name, packing, damage, isFinal, revision])).toEqual([
    ["Full-00000000-00000302-1795249000.final", "none", undefined, true, 302n],
    ["Full-00000000-00000302-1795248092.gz", "gzip", undefined, false, undefined],
    ["Full-00000000-00000290-1795247000.zlib", "zlib", undefined, false, undefined],
    ["Full-00000000-00000250-1795246000.gz", "gzip", expect.stringMatching(/is an empty file$/), false, undefined],
    ["Full-00000000-00000240-1795245500.gz", "gzip", expect.stringMatching(/cannot be unpacked/), false, undefined],
    ["Full-00000000-00000200-1795245000.xz", "none", expect.stringMatching(/is a text file/), false, undefined],
    ["Full-00000000-00000100-1795240000.Z", "lzw", undefined, false, undefined],
  ]);
  expect(newerDeltas(location, 302n)).toEqual({ count: 2, lastRevision: 417n });
  expect(newerDeltas(location, 354n)).toEqual({ count: 1, lastRevision: 417n });
  expect(newerDeltas(location, 417n)).toBeUndefined();
});

test("etcdbrctl: the revision is what the file says, whatever its name does", async () => {
  const location = await find({ "v2/Full-00000000-00000290-1795247000.zlib": deflateSync(snapshotAt(300)), "v2/Incr-00000291-00000300-1795247100": "x" });
  const { reading } = await resolveForeign(location, "latest", options());
  expect(reading.peek.revision).toBe(300n);
  expect(newerDeltas(location, reading.peek.revision)).toBeUndefined();
});

test("etcdbrctl: the directory v2 itself may be named; one above it is refused with what to name", async () => {
  expect((await find({ "Full-00000000-00000302-1795248092": GOOD })).layout).toBe("etcdbrctl");
  const above = await storageWith({ "shoot--a/etcd-main/v2/Full-00000000-00000302-1795248092": GOOD, "shoot--a/etcd-events/v2/Incr-00000001-00000002-1": "x" });
  const error = await expectThrown("REPOSITORY_NOT_FOUND", () => findForeign(above, { signal }), /below it, in shoot--a\/etcd-events, shoot--a\/etcd-main$/);
  expect(error.hint).toContain("shoot--a/etcd-events");
});

test("etcdbrctl: deltas alone are no backup", async () => {
  const location = await find({ "v2/Incr-00000001-00000002-1795248104": "x" });
  await expectThrown("BACKUP_NOT_FOUND", () => resolveForeign(location, "latest", options()), /only deltas/);
});

test("snapshot files: known by their content, under any name; what is none is named only where it is called so", async () => {
  const location = await find({
    "2026-11-21T09:00:00Z ü'\"$(x).bin": snapshotAt(3),
    "deep/down/etcd-20261121T080000Z.db": snapshotAt(2),
    "on-demand-node-1795253400.zip": zipOf({ name: "on-demand-node-1795253400", bytes: snapshotAt(4) }),
    "plain-1795250000.db.gz": gzipSync(snapshotAt(1)),
    "snapshot-1795240000.db": "",
    "snapshot-1795240001.db": "<!doctype html><title>Access denied</title>",
    "etcd-snapshot-node-1795240002.zip": zipOf({ name: "a", bytes: Buffer.from("no database\n".repeat(50)) }),
    "cut-1795240003": GOOD.subarray(0, 5000),
    "cut-1795240004.db": GOOD.subarray(0, 100),
    ".metadata/on-demand-node-1795253400.zip": "{}",
    "README.md": "not a snapshot",
    "backup.log.gz": gzipSync("nor this"),
    "photos.zip": zipOf({ name: "1.jpg", bytes: Buffer.alloc(9000, 7) }),
    empty: "",
    "member/snap/db": snapshotAt(9, false),
  });
  expect(location.layout).toBe("snapshot-files");
  expect(location.backups.map(({ key, revision, packing, damage }) => [key, revision ?? packing, damage])).toEqual([
    ["on-demand-node-1795253400.zip", "zip", undefined],
    ["2026-11-21T09:00:00Z ü'\"$(x).bin", 3n, undefined],
    ["plain-1795250000.db.gz", "gzip", undefined],
    ["deep/down/etcd-20261121T080000Z.db", 2n, undefined],
    ["cut-1795240004.db", "none", expect.stringMatching(/cut short|no etcd database/)],
    ["cut-1795240003", "none", expect.stringMatching(/is cut short: it ends after 5000 of \d+ bytes$/)],
    ["etcd-snapshot-node-1795240002.zip", "zip", expect.stringMatching(/is a text file that begins “no database”$/)],
    ["snapshot-1795240001.db", "none", expect.stringMatching(/is an HTML page titled “Access denied”$/)],
    ["snapshot-1795240000.db", "none", expect.stringMatching(/is an empty file$/)],
  ]);
});

test("snapshot files: what etcdctl saved of each minor, packed with zstd, is found and holds what etcd said", async () => {
  const golden = fileURLToPath(new URL("../../golden/snapshots/", import.meta.url));
  const location = (await findForeign(openFileStorage(golden, testRuntime()), { signal }))!;
  const expected: { minor: string; name: string; revision: number }[] = JSON.parse(readFileSync(join(golden, "expected.json"), "utf8"));
  expect(location.backups).toHaveLength(expected.length);
  for (const { minor, name, revision } of expected) {
    const { backup, reading } = await resolveForeign(location, `${minor}/${name}.db.zst`, options());
    expect([backup.packing, reading.peek.revision, reading.dataSha256], backup.key).toEqual([
      "zstd",
      BigInt(revision),
      expect.stringMatching(/^[0-9a-f]{64}$/),
    ]);
  }
});

test("where nothing looks like a snapshot, nothing is found; nor in a repository that has lost its file", async () => {
  expect(await findForeign(await storageWith({}), { signal })).toBeUndefined();
  expect(await findForeign(await storageWith({ "README.md": "x", "a/b": GOOD.subarray(0, 10) }), { signal })).toBeUndefined();
  const ours = await storageWith({
    "default/backups/20261121T093000Z-0000000000000002000-aaaaaa/manifest.json": "{}",
    "default/backups/20261121T093000Z-0000000000000002000-aaaaaa/snapshot.db": GOOD,
  });
  expect(await findForeign(ours, { signal })).toBeUndefined();
});

const ID = "20261121T093000Z-0000000000000002000-aaaaaa";
const backupIn = (prefix: string) => ({ [`${prefix}${ID}/manifest.json`]: "{}", [`${prefix}${ID}/snapshot.db.zst`]: GOOD });

test.each([
  ["above two", { "prod/etcdsafe-repository.json": "{}", ...backupIn("prod/default/backups/"), "dev/etcdsafe-repository.json": "{}" }, "dev, prod"],
  ["above one that holds nothing good", { "a/b/etcdsafe-repository.json": "{}", "a/b/default/restores/snapshot-20261121T093000.000Z.json": "{}" }, "a/b"],
  ["above one that has lost its file", backupIn("up/prod/default/backups/"), "up/prod"],
])("repositories of etcdsafe are not other tools' backups: %s", async (_, objects, below) => {
  const above = await storageWith(objects);
  const error = await expectThrown(
    "REPOSITORY_NOT_FOUND",
    () => findForeign(above, { signal }),
    new RegExp(`repositories of etcdsafe are below it, in ${below}$`),
  );
  expect(error.hint).toContain(`/${below.split(", ")[0]}`);
});

test.each([
  ["in a cluster", { "cluster.json": "{}", ...backupIn("backups/") }],
  ["in its backups", backupIn("")],
  ["in a backup", { "manifest.json": "{}", "snapshot.db.zst.age": GOOD }],
])("repositories of etcdsafe are not other tools' backups: %s", async (_, objects) => {
  const inside = await storageWith(objects);
  await expectThrown("REPOSITORY_NOT_FOUND", () => findForeign(inside, { signal }), /but lies within one of etcdsafe's$/);
});

test("snapshot files beside a repository are found, and nothing of the repository is taken for one", async () => {
  const location = await find({ "etcd-20261121T080000Z.db": snapshotAt(2), "safe/etcdsafe-repository.json": "{}", ...backupIn("safe/default/backups/") });
  expect(location.backups.map(({ key }) => key)).toEqual(["etcd-20261121T080000Z.db"]);
});

test("too many files are a place above the one that was meant", async () => {
  const storage = await storageWith(Object.fromEntries(Array.from({ length: 2001 }, (_, index) => [`f${index}`, "x"])));
  await expectThrown("REPOSITORY_NOT_FOUND", () => findForeign(storage, { signal }), /holds more than 2000 objects$/);
});

test("names: a whole one, a unique beginning, a whole key; several, or none, are refused with what there is", async () => {
  const location = await find({
    "a/snap-1795250000.db": snapshotAt(1),
    "b/snap-1795250000.db": snapshotAt(2),
    "b/other-1795250001.db": snapshotAt(3),
    "b/other": snapshotAt(4),
  });
  expect(chooseForeign(location, "other-", {}).key).toBe("b/other-1795250001.db");
  expect(chooseForeign(location, "other", {}).key).toBe("b/other");
  expect(chooseForeign(location, "a/snap-1795250000.db", {}).key).toBe("a/snap-1795250000.db");
  await expectThrown("BACKUP_AMBIGUOUS", () => chooseForeign(location, "snap-1795250000.db", {}), /may mean any of .*a\/snap-1795250000\.db/);
  const error = await expectThrown("BACKUP_NOT_FOUND", () => chooseForeign(location, "snip", {}), /there is no backup "snip" in memory:/);
  expect(error.hint).toContain("snap-1795250000.db");
});

test("latest and oldest: by the time in the name; damaged ones and those without a hash are passed over, with the reason", async () => {
  const location = await find({
    "d-1795250005.db": snapshotAt(5).subarray(0, -1000),
    "d-1795250004.gz": gzipSync(damaged).subarray(0, -20),
    "d-1795250003.db": damaged,
    "d-1795250002.db": snapshotAt(7, false),
    "d-1795250001.db": GOOD,
    "d-1795250000.db": damaged,
  });
  const warnings: string[] = [];
  const passedOver = (warning: string) => void warnings.push(warning);
  expect((await resolveForeign(location, "latest", { ...options(), passedOver })).backup.name).toBe("d-1795250001.db");
  expect((await resolveForeign(location, "oldest", { ...options(), passedOver })).backup.name).toBe("d-1795250001.db");
  expect(warnings[0]).toMatch(/^latest is d-1795250001\.db; 4 newer backups are passed over: d-1795250005\.db \(damaged: .*cut short.* and 1 more$/);
  expect(warnings[0]).toMatch(/d-1795250004\.gz \(damaged: .*cut short: it ends within the packed data\)/);
  expect(warnings[0]).toMatch(/d-1795250003\.db \(damaged: .*the SHA-256 at its end is/);
  expect(warnings[1]).toMatch(/^oldest is d-1795250001\.db; an older backup is passed over: d-1795250000\.db \(damaged/);
  await expectThrown("SNAPSHOT_HASH_MISMATCH", () => resolveForeign(location, "d-1795250003", options()), /^d-1795250003\.db: the SHA-256/);
  expect((await resolveForeign(location, "d-1795250002", options())).reading).toMatchObject({ dataSha256: undefined, peek: { revision: 7n } });
  const bad = await find({ "d-1795250005.db": damaged });
  await expectThrown("BACKUP_NOT_FOUND", () => resolveForeign(bad, "latest", options()), /no backup in memory: may be latest: d-1795250005\.db \(damaged/);
});

test("looking at what is there never asks for all of it", async () => {
  const noise = Buffer.concat([GOOD.subarray(0, 4096), Buffer.from(Array.from({ length: 600_000 }, (_, index) => (index * index) >>> 9))]);
  const inner = await storageWith({
    "v2/Full-00000000-00000001-1795240001.gz": gzipSync(noise),
    "v2/Full-00000000-00000001-1795240002.Z": encodeLzw(noise),
    "v2/Full-00000000-00000001-1795240003": zipOf({ name: "a", bytes: noise }),
    "v2/Full-00000000-00000001-1795240004": zstdCompressSync(noise),
    "v2/Full-00000000-00000001-1795240005": GOOD,
  });
  const asked: number[] = [];
  const read: MemoryStorage["read"] = (key, rest) => {
    asked.push(rest.range === undefined ? Number.POSITIVE_INFINITY : rest.range.end - rest.range.start);
    return inner.read(key, rest);
  };
  const { backups } = (await findForeign(wrapped(inner, { read }), { signal }))!;
  expect(backups.map(({ packing, damage }) => [packing, damage])).toEqual(["none", "zstd", "zip", "lzw", "gzip"].map((packing) => [packing, undefined]));
  expect(Math.max(...asked)).toBeLessThanOrEqual(256 * 1024);
});

test("reading reports how far it is, and nothing is ever written", async () => {
  const storage = await storageWith({ "d-1795250001.db.gz": gzipSync(GOOD) });
  const location = (await findForeign(storage, { signal }))!;
  const { runtime, ...rest } = options();
  await resolveForeign(location, "latest", { ...rest, runtime });
  expect(runtime.reported.at(-1)).toEqual({ step: "read", doneBytes: GOOD.length, done: true });
  await expectThrown("STORAGE_READ_ONLY", () => location.storage.put("x", streamOf(GOOD), { signal }), /was not changed/);
});
