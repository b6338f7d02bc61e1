// Damage in etcd's own files, as real members wrote them, that no command ends with: `inspect` tells of it, checks make findings of it, and the
// readers below both throw the code.
import { mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { readBuckets, rowsOf } from "../../src/etcd-files/bbolt/buckets.ts";
import { openDatabase } from "../../src/etcd-files/bbolt/database.ts";
import { bufferPageSource } from "../../src/etcd-files/bbolt/page-source.ts";
import { parseMemberJson } from "../../src/etcd-files/membership/member-json.ts";
import { readRaftSnapshot } from "../../src/etcd-files/raft-snapshot/read.ts";
import { fileSegments } from "../../src/etcd-files/wal/directory.ts";
import { readWal } from "../../src/etcd-files/wal/read.ts";
import { decodeLease } from "../../src/proto/leasepb.ts";
import { runCli } from "../support/cli.ts";
import { expectThrown } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const PAGE_SIZE_BYTES = 4096;
const MEBIBYTE = 1024 * 1024;
const FIRST = "0000000000000000-0000000000000000.wal";
const SECOND = "0000000000000001-0000000000000034.wal";
const SNAP = "0000000000000002-000000000000002a.snap";
const directory = await temporaryDirectory("errors-formats");
afterAll(() => directory.remove());

/** From test/golden, unpacked. */
async function golden(path: string): Promise<Buffer> {
  const bytes = await readFile(new URL(`../golden/${path}`, import.meta.url));
  return path.endsWith(".zst") ? zstdDecompressSync(bytes) : bytes;
}

/** A segment of a log of 3.7, without most of the zeros that etcd preallocates 64 MB of. */
async function walSegment(name: string): Promise<Buffer> {
  const segment = await golden(`wal/two-segments-3.7/${name}.zst`);
  return segment.subarray(0, usedBytes(segment) + PAGE_SIZE_BYTES);
}

/** A directory with both segments of that log; what is given replaces them. */
async function walDirectory(name: string, changed: Readonly<Record<string, Uint8Array>>): Promise<string> {
  const path = join(directory.path, name);
  await mkdir(path);
  for (const segment of [FIRST, SECOND]) await writeFile(join(path, segment), changed[segment] ?? (await walSegment(segment)));
  return path;
}

async function inspected(path: string): Promise<{ wal?: { fault: unknown }; raftSnapshot?: { fault: unknown } }> {
  const result = await runCli(["inspect", path, "-o", "json"]);
  expect(result.exitCode, result.stderr).toBe(0);
  return JSON.parse(result.stdout);
}

const recordsIn = (path: string) => () => [...readWal(fileSegments(path))];

test("a log whose last write did not reach the disk whole", async () => {
  const whole = await walSegment(SECOND);
  const path = await walDirectory("torn", { [SECOND]: whole.subarray(0, usedBytes(whole) - 20) });
  await expectThrown("WAL_TORN", recordsIn(path), /^0000000000000001-0000000000000034\.wal: the file ends inside a record at byte \d+$/);
  expect((await inspected(path)).wal?.fault).toMatchObject({ kind: "torn", segment: SECOND });
});

test("a log that was changed in the middle", async () => {
  const changed = await walSegment(FIRST);
  changed[Math.floor(usedBytes(changed) / 2)]! ^= 1;
  const path = await walDirectory("corrupt", { [FIRST]: changed });
  const { offset } = (await expectThrown("WAL_CORRUPT", recordsIn(path), /^0000000000000000-0000000000000000\.wal.*at byte \d+$/)) as { offset?: number };
  expect((await inspected(path)).wal?.fault).toMatchObject({ kind: "corrupt", segment: FIRST, offset });
});

test("a log with a length that cannot be", async () => {
  const changed = await walSegment(SECOND);
  changed.writeUInt32LE(65 * MEBIBYTE, 0);
  const path = await walDirectory("long", { [SECOND]: changed });
  await truncate(join(path, SECOND), 66 * MEBIBYTE); // Sparse: a longer record than the file is a torn one.
  await expectThrown("WAL_RECORD_TOO_LONG", recordsIn(path), /a length of 68157440 bytes, beyond the limit of 67108864, for the record at byte 0$/);
  expect((await inspected(path)).wal?.fault).toMatchObject({ kind: "corrupt", segment: SECOND, offset: 0 });
});

test("a raft snapshot file that was changed", async () => {
  const changed = await golden(`wal/killed-3.5/${SNAP}`);
  changed[Math.floor(changed.length / 2)]! ^= 1;
  const path = join(directory.path, SNAP);
  await writeFile(path, changed);
  await expectThrown(
    "RAFT_SNAPSHOT_INVALID",
    () => readRaftSnapshot(changed),
    /^the checksum of what follows is [0-9a-f]{8}, and not [0-9a-f]{8} as the file says: it was changed/,
  );
  expect((await inspected(path)).raftSnapshot?.fault).toMatchObject({ text: expect.stringContaining("it was changed") });
});

test("a database: its meta pages, a page of its tree, rows", async () => {
  const database = await golden("snapshots/3.7/uncompacted.db.zst");
  const open = (bytes: Uint8Array) => openDatabase(bufferPageSource(bytes));
  const { meta } = open(database);
  const headless = Buffer.from(database);
  for (const page of [0, 1]) headless[page * PAGE_SIZE_BYTES + 30]! ^= 1;
  await expectThrown("BBOLT_META_INVALID", () => open(headless), /^neither meta page is valid: both have a checksum that does not match/);
  const rootless = Buffer.from(database).fill(0, meta.rootPageId * PAGE_SIZE_BYTES, (meta.rootPageId + 1) * PAGE_SIZE_BYTES);
  await expectThrown("BBOLT_PAGE_INVALID", () => readBuckets(open(rootless)), /^page \d+ was never written or is lost: it begins with zeros at byte \d+$/);
  const [member] = rowsOf(open(database), "members");
  const row = Buffer.from(member?.value ?? []);
  row[row.indexOf('"peerURLs"')] = 0x20;
  await expectThrown("BBOLT_ROW_INVALID", () => parseMemberJson(row), /^a member's row is not a JSON object at byte 0$/);
  const [lease] = rowsOf(open(database), "lease");
  await expectThrown("PROTO_INVALID", () => decodeLease(lease?.value.subarray(0, -1) ?? new Uint8Array(0)), / at byte \d+$/);
});

/** Up to the zeros that a segment is preallocated with. */
function usedBytes(segment: Uint8Array): number {
  return segment.findLastIndex((byte) => byte !== 0) + 1;
}
