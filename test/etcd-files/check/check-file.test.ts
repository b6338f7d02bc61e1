import { createHash } from "node:crypto";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EtcdsafeError } from "../../../src/errors.ts";
import { checkSnapshotFile, type SnapshotFileCheck } from "../../../src/etcd-files/check/check-file.ts";
import { runs, SEED } from "../../support/counts.ts";
import { plainRows, randomNumbers } from "../../support/random-history.ts";
import { buildSnapshot } from "../../support/snapshots.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../support/temporary-directory.ts";
import { liveSegment, TWO_SEGMENTS } from "../wal/live-log.ts";

const golden = zstdDecompressSync(readFileSync(new URL("../../golden/snapshots/3.7/compacted.db.zst", import.meta.url)));
const database = golden.subarray(0, golden.length - 32);
const RAFT_SNAPSHOT = readFileSync(new URL("../../golden/wal/killed-3.5/0000000000000002-000000000000002a.snap", import.meta.url));
const { signal } = new AbortController();
let directory: TemporaryDirectory;

beforeAll(async () => {
  directory = await temporaryDirectory();
});
afterAll(() => directory.remove());

function file(name: string, bytes: Uint8Array): string {
  const path = join(directory.path, name);
  writeFileSync(path, bytes);
  return path;
}

const check = (bytes: Uint8Array, name = "snapshot.db"): Promise<SnapshotFileCheck> =>
  checkSnapshotFile(file(name, bytes), { signal, hashes: [{ revision: 0n }] });

test("check of a file: a snapshot from etcd is good", async () => {
  const progress: number[] = [];
  const path = file("good.db", golden);
  const { report, ...rest } = await checkSnapshotFile(path, { signal, hashes: [{ revision: 0n }], onProgress: (doneBytes) => progress.push(doneBytes) });
  expect(rest).toEqual({ sha256: "matches", computedSha256: createHash("sha256").update(database).digest("hex"), rawSizeBytes: golden.length });
  expect(report.findings).toEqual([]);
  expect(report.facts?.hashes).toEqual([{ revision: 73n, compactRevision: 44n, hash: 3404893121 }]);
  expect(progress).toEqual([golden.length]);
});

test("check of a file: a copied database has no hash, and may be longer than its pages", async () => {
  expect(await check(database)).toMatchObject({
    sha256: "absent",
    computedSha256: createHash("sha256").update(database).digest("hex"),
    report: { findings: [] },
  });
  const longer = await check(Buffer.concat([database, Buffer.alloc(16_384)]));
  expect(longer).toMatchObject({ sha256: "absent", report: { findings: [] } });
  expect(longer.report.facts?.sizeBytes).toBe(database.length);
});

test("check of a file: progress goes on with the hash where there is nothing left to walk", async () => {
  const path = file("sparse.db", database);
  truncateSync(path, 384 * 1024 * 1024);
  const progress: number[] = [];
  await checkSnapshotFile(path, { signal, onProgress: (doneBytes) => progress.push(doneBytes) });
  expect(progress.length).toBeGreaterThan(2);
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));
});

test("check of a file: bytes between database and hash, or after a database, are odd", async () => {
  const longer = Buffer.concat([database, Buffer.alloc(512)]);
  const hashed = await check(Buffer.concat([longer, createHash("sha256").update(longer).digest()]));
  expect(hashed).toMatchObject({
    sha256: "matches",
    report: { findings: [{ severity: "warning", offset: database.length, text: "512 bytes follow the database, before the hash" }] },
  });
  const odd = await check(Buffer.concat([database, Buffer.alloc(100)]));
  expect(odd).toMatchObject({ sha256: "absent", report: { findings: [{ severity: "warning", text: "100 bytes follow the database" }] } });
});

test("check of a file: any flipped byte of a snapshot is found", async () => {
  const random = randomNumbers(SEED);
  const places = [
    0,
    100,
    golden.length - 33,
    golden.length - 32,
    golden.length - 1,
    ...Array.from({ length: runs(3, 300) }, () => random.integer(0, golden.length - 1)),
  ];
  for (const place of places) {
    const bytes = Buffer.from(golden);
    bytes[place] = (bytes[place] as number) ^ random.integer(1, 255);
    const outcome = await check(bytes).catch((error: unknown) => error);
    // A meta page that names a larger database makes the file a truncated one.
    if (!(outcome instanceof EtcdsafeError)) expect(outcome).toMatchObject({ sha256: "differs" });
  }
});

test("check of a file: a walk that fails does not wait for the hash", { timeout: 20_000 }, async () => {
  const path = file("holes.db", database);
  truncateSync(path, 2 ** 42); // Hours to hash.
  const unclonable = (() => undefined) as unknown as bigint;
  await expect(checkSnapshotFile(path, { signal, hashes: [{ revision: unclonable }] })).rejects.toThrow(/could not be cloned/);
});

test("check of a file: one that becomes shorter meanwhile is an error, also when its pages have been walked", { timeout: 20_000 }, async () => {
  const path = file("shrinking.db", database);
  truncateSync(path, 2 ** 42);
  const options = {
    signal,
    // Asked for when the file's size is known.
    get hashes() {
      setTimeout(() => truncateSync(path, database.length), 300);
      return [];
    },
  };
  await expect(checkSnapshotFile(path, options)).rejects.toMatchObject({
    code: "FILE_FAILED",
    message: expect.stringContaining("it became shorter meanwhile"),
  });
});

const refused: [string, string, Uint8Array, string, RegExp, RegExp][] = [
  ["an empty file", "empty.db", Buffer.alloc(0), "SNAPSHOT_EMPTY", /empty\.db is an empty file/, /Fetch the file again/],
  ["a gzip file", "packed.db", gzipSync(golden), "SNAPSHOT_PACKED", /packed\.db is a gzip file/, /`gunzip`/],
  ["a zstd file", "packed.zst", zstdCompressSync(golden), "SNAPSHOT_PACKED", /is a zstd file/, /`zstd -d`/],
  ["a zip archive", "packed.zip", Buffer.from("PK\x03\x04 and so on"), "SNAPSHOT_PACKED", /is a zip archive/, /`unzip`/],
  ["an age file", "s.age", Buffer.from("age-encryption.org/v1\n-> X25519 abc\n"), "SNAPSHOT_PACKED", /is an age-encrypted file/, /`age -d`/],
  [
    "an HTML page",
    "page.db",
    Buffer.from("\n<!DOCTYPE html><html><head><title>403 Forbidden</title>"),
    "SNAPSHOT_NOT_A_DATABASE",
    /is an HTML page titled “403 Forbidden”/,
    /stored an answer/,
  ],
  [
    "an S3 error",
    "error.db",
    Buffer.from("<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>"),
    "SNAPSHOT_NOT_A_DATABASE",
    /is an XML document/,
    /stored an answer/,
  ],
  [
    "a JSON answer",
    "answer.db",
    Buffer.from('{"error":"etcdserver: no leader"}'),
    "SNAPSHOT_NOT_A_DATABASE",
    /is a JSON document that begins “\{"error":"etcdserver: no leader"\}”$/,
    /stored an answer/,
  ],
  [
    "a text",
    "text.db",
    Buffer.from("context deadline exceeded\n"),
    "SNAPSHOT_NOT_A_DATABASE",
    /is a text file that begins “context deadline exceeded”$/,
    /stored an answer/,
  ],
  [
    "a text of another language",
    "text.db",
    Buffer.from(`äöü ${"漢".repeat(2000)}\n`),
    "SNAPSHOT_NOT_A_DATABASE",
    /is a text file that begins “äöü 漢{56}…”$/,
    /stored an answer/,
  ],
  ["nothing but line breaks", "text.db", Buffer.from("\n\n"), "SNAPSHOT_NOT_A_DATABASE", /is a text file of nothing but white space$/, /stored an answer/],
  ["zeros", "zeros.db", Buffer.alloc(100_000), "SNAPSHOT_NOT_A_DATABASE", /begins with zeros only/, /never written, or is lost/],
  ["random bytes", "random.db", Buffer.from(randomNumbers(7).bytes(70_000)), "SNAPSHOT_NOT_A_DATABASE", /is no etcd database/, /inspect/],
  [
    "a truncated snapshot",
    "cut.db",
    golden.subarray(0, 50_000),
    "SNAPSHOT_TRUNCATED",
    /cut\.db is cut short: it ends after 50000 of 102400 bytes$/,
    /Fetch the file again/,
  ],
  [
    "an unfinished download",
    "s.db.part",
    golden.subarray(0, 50_000),
    "SNAPSHOT_TRUNCATED",
    /is the \.part file of an unfinished download: it ends after 50000 of 102400 bytes$/,
    /renames it when the download is complete/,
  ],
  [
    "a snapshot cut in its hash",
    "tail.db",
    golden.subarray(0, golden.length - 5),
    "SNAPSHOT_TRUNCATED",
    /is cut short: it ends after 102427 of 102432 bytes$/,
    /Fetch the file again/,
  ],
  [
    "one with damage in both meta pages",
    "metas.db",
    Buffer.from(golden).fill(1, 30, 31).fill(1, 4126, 4127),
    "SNAPSHOT_DAMAGED",
    /is a bbolt database that cannot be opened: neither meta page is valid: both have a checksum that does not match$/,
    /Use another backup/,
  ],
  [
    "a few bytes",
    "few.db",
    Buffer.of(0, 1, 2),
    "SNAPSHOT_NOT_A_DATABASE",
    /is no etcd database: neither meta page is valid: the file is too short to have one$/,
    /inspect/,
  ],
  [
    "bytes of ones",
    "ones.db",
    Buffer.alloc(9000, 0xff),
    "SNAPSHOT_NOT_A_DATABASE",
    /is no etcd database: neither meta page is valid: both have no bbolt magic$/,
    /inspect/,
  ],
  ["a snapshot in base64", "base64.db", Buffer.from(golden.toString("base64")), "SNAPSHOT_PACKED", /is a database in base64/, /`base64 -d`/],
  ["a snapshot copied as text", "text.db", Buffer.from(golden.toString()), "SNAPSHOT_NOT_A_DATABASE", /copied as text, which destroys it/, /byte by byte/],
  ["UTF-16", "utf16.db", Buffer.from("\ufeffdatabase", "utf16le"), "SNAPSHOT_NOT_A_DATABASE", /a file of UTF-16 text/, /PowerShell/],
  ["a log", "0.wal", liveSegment("two-segments-3.7", TWO_SEGMENTS[1]), "SNAPSHOT_NOT_A_DATABASE", /is a file of an etcd write-ahead log$/, /member\/snap\/db/],
  ["a .snap file", "1.snap", RAFT_SNAPSHOT, "SNAPSHOT_NOT_A_DATABASE", /is an etcd raft snapshot file$/, /member\/snap\/db/],
];

test.each(refused)("check of a file: %s is refused in words", async (_, name, bytes, code, message, hint) => {
  const error = await check(bytes, name).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(EtcdsafeError);
  expect(error).toMatchObject({ code, message: expect.stringMatching(message), hint: expect.stringMatching(hint) });
});

test("check of a file: a first page of zeros is one of a database where the second meta page is good", async () => {
  const { sha256, report } = await check(Buffer.from(golden).fill(0, 0, 4096));
  expect(sha256).toBe("differs");
  expect(report).toMatchObject({
    findings: [{ severity: "warning", offset: 0, text: "meta page 0 has no bbolt magic; the other one is used" }],
    facts: { revision: 73n },
  });
});

test("check of a file: one that is not there is FILE_FAILED", async () => {
  await expect(checkSnapshotFile(join(directory.path, "none"), { signal })).rejects.toMatchObject({
    code: "FILE_FAILED",
    message: expect.stringMatching(/none.*ENOENT|ENOENT.*none/),
  });
});

test("check of a file: aborting it ends both the hash and the walk", async () => {
  const path = file("large.db", buildSnapshot({ rows: plainRows(9000, { valueSizeBytes: 3000 }) }));
  const controller = new AbortController();
  const checking = checkSnapshotFile(path, { signal: controller.signal, onProgress: () => controller.abort(new Error("enough")) });
  await expect(checking).rejects.toThrow("enough");
});
