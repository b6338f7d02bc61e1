// A member's database beside its log, as in a data directory: what a restore of the database alone would lose.
import { execFileSync } from "node:child_process";
import { copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { walFacts } from "../../src/etcd-files/wal/facts.ts";
import { bufferSegment, readWal } from "../../src/etcd-files/wal/read.ts";
import { parseWalSegmentName } from "../../src/etcd-files/wal/segment-name.ts";
import { databaseWarnings, planDatabase } from "../../src/restore/database-plan.ts";
import { NO_EVIDENCE } from "../../src/restore/evidence.ts";
import { snapshotFileSource } from "../../src/restore/file-source.ts";
import { findWalBeside } from "../../src/restore/find-wal.ts";
import { planLoss } from "../../src/restore/loss.ts";
import { requireWalApplied, type WalBeside, walEvidence } from "../../src/restore/wal-beside.ts";
import { KILLED_LOG, LIVE_IDS, liveSegment } from "../etcd-files/wal/live-log.ts";
import { expectThrown } from "../support/failures.ts";
import { buildSnapshot, SNAPSHOT_MEMBER } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const options = { signal: new AbortController().signal };
/** Entries 1 to 51. */
const LOG = liveSegment("killed-3.5", KILLED_LOG);
/** As etcd has it, but for the size. */
const WITH_ROOM = Buffer.concat([LOG, Buffer.alloc(4096)]);
/** A write that never completed, of which the length reached the disk. */
const TORN = Buffer.concat([LOG, Buffer.from([0xd0, 0x07, 0, 0, 0, 0, 0, 0]), Buffer.alloc(4096)]);

/** Index of the last entry before this place in LOG. */
function lastIndexBefore(offset: number): bigint {
  return walFacts([{ ...bufferSegment(KILLED_LOG, LOG.subarray(0, offset)), ...parseWalSegmentName(KILLED_LOG)! }]).lastIndex;
}

/** `database` with the log in `wal`, in a new directory. */
async function laidOut(
  directory: string,
  places: { readonly database: string; readonly wal?: string },
  consistentIndex: number,
  log: Uint8Array = WITH_ROOM,
  memberId = LIVE_IDS.memberId,
): Promise<string> {
  const path = join(directory, places.database);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, buildSnapshot({ consistentIndex, trailer: false, members: [{ ...SNAPSHOT_MEMBER, id: memberId }] }));
  if (places.wal === undefined) return path;
  await mkdir(join(directory, places.wal), { recursive: true });
  await writeFile(join(directory, places.wal, KILLED_LOG), log);
  return path;
}

test("log beside a database: it is found where a data directory has it, beside a copy, and from behind a link", async () => {
  const found = { consistentIndex: "40", lastIndex: "51", missingEntries: 11, endsWithoutRoom: false, damage: null, strangerId: null };
  for (const places of [
    { database: "member/snap/db", wal: "member/wal" },
    { database: "copy/db", wal: "copy/wal" },
  ]) {
    await using directory = await temporaryDirectory("wal-beside");
    const path = await laidOut(directory.path, places, 40);
    expect(await findWalBeside(path, options)).toEqual({ ...found, directory: join(directory.path, places.wal) });
    await symlink(path, join(directory.path, "link"));
    expect(await findWalBeside(join(directory.path, "link"), options)).toMatchObject(found);
  }
  await using directory = await temporaryDirectory("wal-beside");
  const alone = await laidOut(directory.path, { database: "alone/snap/db" }, 40);
  expect(await findWalBeside(alone, options)).toBeNull();
  await mkdir(join(directory.path, "alone/wal"));
  await copyFile(alone, join(directory.path, "alone/wal/no-segment"));
  expect(await findWalBeside(alone, options)).toBeNull();
});

test("log beside a database: one that goes on after it is refused with the number of entries, one that does not is not", async () => {
  await using directory = await temporaryDirectory("wal-beside");
  const found = async (consistentIndex: number) =>
    (await findWalBeside(await laidOut(directory.path, { database: "member/snap/db", wal: "member/wal" }, consistentIndex), options))!;
  const behind = await found(40);
  expect(behind.missingEntries).toBe(11);
  await expectThrown(
    "WAL_NOT_APPLIED",
    () => requireWalApplied("member/snap/db", behind),
    /ends with raft entry 40, but the log beside it, .*\/member\/wal, goes on to entry 51: 11 entries would be lost/,
  );
  const one = await found(50);
  await expectThrown("WAL_NOT_APPLIED", () => requireWalApplied("db", one), /: 1 entry would be lost/);
  requireWalApplied("db", await found(51));
});

test("log beside a database: a damaged one is refused, since nobody can tell what it held", async () => {
  await using directory = await temporaryDirectory("wal-beside");
  const damaged = Uint8Array.from(LOG);
  damaged[Math.floor(LOG.length / 2)]! ^= 1;
  const wal = (await findWalBeside(await laidOut(directory.path, { database: "member/snap/db", wal: "member/wal" }, 51, damaged), options))!;
  expect(wal.damage).toMatch(/^0000000000000000-0000000000000000\.wal: /);
  await expectThrown("WAL_NOT_APPLIED", () => requireWalApplied("db", wal), /is damaged after entry \d+ .*nobody can tell/);
});

test("log beside a database: a torn last write, as after a power loss, counts as what etcd makes of it", async () => {
  await using directory = await temporaryDirectory("wal-beside");
  const path = await laidOut(directory.path, { database: "member/snap/db", wal: "member/wal" }, 40, TORN);
  expect(await findWalBeside(path, options)).toMatchObject({ damage: null, lastIndex: "51", endsWithoutRoom: false });
});

test("log beside a database: one that was cut off inside a record is refused, wherever the database ends", async () => {
  await using directory = await temporaryDirectory("wal-beside");
  for (const consistentIndex of [40, 50]) {
    const path = await laidOut(directory.path, { database: "member/snap/db", wal: "member/wal" }, consistentIndex, LOG.subarray(0, -1));
    const walBeside = (await findWalBeside(path, options))!;
    await expectThrown(
      "WAL_NOT_APPLIED",
      () => requireWalApplied("db", walBeside),
      /is damaged after entry \d+ \(0{16}-0{16}\.wal: the file ends inside a record, .*cut off\): .*nobody can tell/,
    );
  }
});

test("log beside a database: one without room behind its last record may have been cut off there, and one may be a stranger's, and the plan says so", async () => {
  await using directory = await temporaryDirectory("wal-beside");
  const warnings = async (consistentIndex: number, log: Uint8Array, memberId?: bigint) => {
    const path = await laidOut(directory.path, { database: "member/snap/db", wal: "member/wal" }, consistentIndex, log, memberId);
    const walBeside = await findWalBeside(path, options);
    const request = { source: snapshotFileSource(path).facts, bumpRevision: "none", evidence: NO_EVIDENCE, skipHashCheck: true, walBeside } as const;
    return databaseWarnings(planDatabase(request), NO_EVIDENCE).join("\n");
  };
  expect(await warnings(51, LOG)).toMatch(/\/member\/wal may have been cut off while it was copied: its last file ends with a record/);
  expect(await warnings(51, WITH_ROOM)).not.toMatch(/cut off|not among/);
  // As in the directory of a member that was removed: all that came later is elsewhere.
  expect(await warnings(51, WITH_ROOM, 7n)).toMatch(
    /The log in \S+\/member\/wal is that of member adb1d8106038d2b8, which is not among the members in the database/,
  );
  await expectThrown("WAL_NOT_APPLIED", () => warnings(40, LOG), /goes on to entry 51: at least 11 entries would be lost/);
});

test("log beside a database: one that ends before the database does has lost its end, and is refused", async () => {
  await using directory = await temporaryDirectory("wal-beside");
  const preallocated = Buffer.concat([LOG, Buffer.alloc(100_000)]);
  const { offset } = [...readWal([bufferSegment(KILLED_LOG, LOG)])][15]!;
  const overwritten = (by: number) => Buffer.from(preallocated).fill(by, offset, offset + 8);
  const cases: [string, Uint8Array, number, RegExp][] = [
    [
      "a length that goes beyond the file",
      overwritten(0xff),
      13,
      /damaged after entry \d+ \(it ends before entry 13, .*the file ends inside a record\)\).*nobody can tell/,
    ],
    ["a length of zero", overwritten(0), 13, /it ends before entry 13, which the database holds/],
    ["another member's log", LOG, 60, /damaged after entry 51 \(it ends before entry 60/],
    ["an emptied file", Buffer.alloc(0), 13, /damaged after entry 0 \(0{16}-0{16}\.wal: it holds no record\)/],
    ["a zeroed file", Buffer.alloc(100_000), 0, /it holds no record/],
    ["a file that ends in its first record", LOG.subarray(0, 12), 0, /the file ends inside a record/],
  ];
  for (const [what, log, consistentIndex, message] of cases) {
    const path = await laidOut(directory.path, { database: "member/snap/db", wal: "member/wal" }, consistentIndex, log);
    const walBeside = (await findWalBeside(path, options))!;
    expect(walBeside.missingEntries, what).toBe(0);
    await expectThrown("WAL_NOT_APPLIED", () => requireWalApplied("db", walBeside), message);
  }
});

test.each([8, 512])("log beside a database: records that lie behind %d zeros, which etcd takes for the log's end, are damage", async (sizeBytes) => {
  await using directory = await temporaryDirectory("wal-beside");
  const preallocated = Buffer.concat([LOG, Buffer.alloc(100_000)]);
  const { offset } = [...readWal([bufferSegment(KILLED_LOG, LOG)])].find(({ type, endOffset }) => type === 2 && endOffset > LOG.length / 2)!;
  const lastIndex = lastIndexBefore(offset);
  const zeroed = Buffer.from(preallocated).fill(0, offset, offset + sizeBytes);
  const path = await laidOut(directory.path, { database: "member/snap/db", wal: "member/wal" }, Number(lastIndex), zeroed);
  const wal = (await findWalBeside(path, options))!;
  expect(wal).toMatchObject({ lastIndex: String(lastIndex), missingEntries: 0 });
  expect(wal.damage).toMatch(/^0{16}-0{16}\.wal: data follows the end of its records, at byte \d+$/);
  await expectThrown("WAL_NOT_APPLIED", () => requireWalApplied("db", wal), /is damaged after entry \d+ .*nobody can tell/);
});

test("log beside a database: an emptied file after others is damage, although its name is that of the database's end", async () => {
  await using directory = await temporaryDirectory("wal-beside");
  const path = await laidOut(directory.path, { database: "member/snap/db", wal: "member/wal" }, 51);
  await writeFile(join(directory.path, "member/wal/0000000000000001-0000000000000034.wal"), "");
  expect((await findWalBeside(path, options))?.damage).toMatch(/^0000000000000001-.*: it holds no record$/);
});

test("log beside a database: a torn last write at the database's own end loses nothing, and one before it does", async () => {
  await using directory = await temporaryDirectory("wal-beside");
  const damage = async (consistentIndex: number) =>
    (await findWalBeside(await laidOut(directory.path, { database: "member/snap/db", wal: "member/wal" }, consistentIndex, TORN), options))?.damage;
  expect(await damage(51)).toBeNull();
  expect(await damage(52)).toMatch(/it ends before entry 52/);
});

test("log beside a database: what is called like a segment and is none is refused, not waited for", async () => {
  await using directory = await temporaryDirectory("wal-beside");
  const path = await laidOut(directory.path, { database: "member/snap/db", wal: "member/wal" }, 51);
  execFileSync("mkfifo", [join(directory.path, "member/wal/0000000000000001-0000000000000034.wal")]);
  const walBeside = (await findWalBeside(path, options))!;
  await expectThrown("WAL_NOT_APPLIED", () => requireWalApplied("db", walBeside), /0034\.wal is no regular file, .*nobody can tell/);
});

test("log beside a database: --ignore-wal restores without it, and the plan says what is lost", async () => {
  await using directory = await temporaryDirectory("wal-beside");
  const path = await laidOut(directory.path, { database: "member/snap/db", wal: "member/wal" }, 40);
  const walBeside = (await findWalBeside(path, options)) as WalBeside;
  const request = { source: snapshotFileSource(path).facts, bumpRevision: "none", evidence: NO_EVIDENCE, skipHashCheck: true, walBeside };
  await expectThrown("WAL_NOT_APPLIED", () => planDatabase(request), /11 entries would be lost/);
  const plan = planDatabase({ ...request, ignoreWal: true });
  expect(plan.walBeside).toEqual(walBeside);
  expect(databaseWarnings(plan, NO_EVIDENCE).join("\n")).toMatch(/holds 11 more entries, which are lost/);
  const evidence = walEvidence(request.source, walBeside);
  const revision = String(BigInt(request.source.revision) + 11n);
  expect(evidence.found).toEqual([{ kind: "data-directory", where: walBeside.directory, revision, isUpperBound: true, at: null }]);
  expect(planLoss(request.source, evidence.found, [])).toMatchObject({ revisions: "11", upperBound: true });
  for (const nothingMissing of [null, { ...walBeside, missingEntries: 0 }]) expect(walEvidence(request.source, nothingMissing)).toEqual(NO_EVIDENCE);
  expect(databaseWarnings(planDatabase({ ...request, walBeside: null }), NO_EVIDENCE).join("\n")).toMatch(/No log \(wal\) lies beside the source/);
});
