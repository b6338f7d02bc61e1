import { readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { inspectPath } from "../../src/inspect/inspect.ts";
import type { DataDirectorySection, Inspection } from "../../src/inspect/inspection.ts";
import { KILLED_LOG, LIVE_IDS, liveSegment } from "../etcd-files/wal/live-log.ts";
import { randomHistory } from "../support/random-history.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { recordingRuntime, signal } from "../verify/stored-backup.ts";

const LIVE_SNAP = "0000000000000002-000000000000002a.snap";
const MEMBER = LIVE_IDS.memberId.toString(16);
/** What the log of killed-3.5 ends with. */
const LAST_INDEX = 51;

function database(consistentIndex: number, id: bigint = LIVE_IDS.memberId): Uint8Array {
  const members = [{ id, name: "live", peerURLs: ["http://127.0.0.1:23800"] }];
  return buildSnapshot({ ...randomHistory(1, { revisions: 40, compaction: "none" }), consistentIndex, members, storageVersion: null, trailer: false });
}

const LOG = liveSegment("killed-3.5", KILLED_LOG);

function files(consistentIndex = LAST_INDEX): Record<string, Uint8Array> {
  return {
    "member/snap/db": database(consistentIndex),
    [`member/snap/${LIVE_SNAP}`]: readFileSync(new URL(`../golden/wal/killed-3.5/${LIVE_SNAP}`, import.meta.url)),
    // With room for more, as etcd leaves it.
    [`member/wal/${KILLED_LOG}`]: Buffer.concat([LOG, Buffer.alloc(4096)]),
  };
}

async function inspectFiles(contents: Record<string, Uint8Array | null>): Promise<Inspection & { readonly dataDirectory: DataDirectorySection }> {
  await using directory = await temporaryDirectory("inspect");
  for (const [name, bytes] of Object.entries(contents)) {
    const path = join(directory.path, name);
    await mkdir(bytes === null ? path : dirname(path), { recursive: true });
    if (bytes !== null) await writeFile(path, bytes);
  }
  const inspection = await inspectPath(directory.path, { signal, runtime: recordingRuntime() });
  return inspection as Inspection & { readonly dataDirectory: DataDirectorySection };
}

async function findingsOf(contents: Record<string, Uint8Array | null>): Promise<string[]> {
  return (await inspectFiles(contents)).dataDirectory.findings.map(({ severity, text }) => `${severity}: ${text}`);
}

test("a data directory in order: database, log and raft snapshot, whose they are, and that they fit", async () => {
  expect(await inspectFiles(files())).toMatchObject({
    kind: "data-directory",
    what: "an etcd data directory",
    inUse: { locked: false },
    snapshot: { hash: "absent", consistentIndex: "51" },
    wal: { entries: { lastIndex: "51" }, snapshot: { index: "42", term: "2" }, fault: null },
    dataDirectory: {
      memberId: MEMBER,
      memberName: "live",
      clusterId: LIVE_IDS.clusterId.toString(16),
      unappliedEntries: "0",
      raftSnapshots: [{ name: LIVE_SNAP, index: "42", term: "2", fault: null }],
      leftovers: [],
      findings: [],
    },
  });
});

test("the directory member by itself is understood too", async () => {
  await using directory = await temporaryDirectory("inspect");
  for (const [name, bytes] of Object.entries(files())) {
    await mkdir(dirname(join(directory.path, name)), { recursive: true });
    await writeFile(join(directory.path, name), bytes);
  }
  const inspection = await inspectPath(join(directory.path, "member"), { signal, runtime: recordingRuntime() });
  expect(inspection).toMatchObject({ kind: "data-directory", dataDirectory: { memberId: MEMBER, findings: [] } });
});

test("entries that the database lacks are counted: a copy of it alone would lose them", async () => {
  expect((await inspectFiles(files(44))).dataDirectory).toMatchObject({ unappliedEntries: "7", findings: [] });
});

test("parts that are missing, cut short or torn are said to be", async () => {
  const good = files();
  const { [`member/wal/${KILLED_LOG}`]: _wal, ...withoutWal } = good;
  const { "member/snap/db": _, ...withoutDatabase } = good;
  expect(await findingsOf(withoutWal)).toEqual([expect.stringMatching(/^warning: there is no log/)]);
  expect(await findingsOf(withoutDatabase)).toEqual([expect.stringMatching(/^error: there is no database/)]);
  const cut = database(51);
  expect(await findingsOf({ ...good, "member/snap/db": cut.subarray(0, 5000) })).toEqual([
    `error: snap/db is cut short: it ends after 5000 of ${cut.length} bytes`,
  ]);
  expect(await findingsOf({ ...good, "member/snap/db": cut.fill(0, 8192, 12288) })).toEqual(["error: snap/db is damaged: 1 error, listed below"]);
  expect(await findingsOf({ ...withoutDatabase, "member/snap/db": null })).toEqual(["error: snap/db is a directory, where the database should be"]);
  // Room for a record whose bytes never came.
  const torn = { ...good, [`member/wal/${KILLED_LOG}`]: Buffer.concat([LOG, Buffer.from([0xb8, 0x0b, 0, 0, 0, 0, 0, 0]), Buffer.alloc(4096)]) };
  expect(await findingsOf(torn)).toContainEqual(expect.stringMatching(/^warning: the log's last write is torn/));
  const received = { ...good, "member/snap/db": database(20), "member/snap/000000000000002a.snap.db": database(42) };
  expect(await findingsOf(received)).toEqual([expect.stringMatching(/^warning: .* received from the leader when it starts/)]);
});

test("a log without room behind its last record may have been cut off there", async () => {
  expect(await findingsOf({ ...files(), [`member/wal/${KILLED_LOG}`]: LOG })).toEqual([
    expect.stringMatching(/^warning: the log may have been cut off while it was copied: its last file ends with a record/),
  ]);
});

test("a corrupt log: where, and nothing that follows only from how far it could be read", async () => {
  const good = files();
  const { dataDirectory, ...inspection } = await inspectFiles({ ...good, [`member/wal/${KILLED_LOG}`]: LOG.with(1000, 1) });
  const { offset, text } = inspection.wal?.fault ?? {};
  expect(dataDirectory).toMatchObject({ unappliedEntries: null, findings: [{ severity: "error" }] });
  expect(dataDirectory.findings[0]?.text).toBe(`the log is corrupt, and etcd will refuse to start: ${KILLED_LOG}, byte ${offset}: ${text}`);
  expect(text).not.toContain(KILLED_LOG);
});

test("a log that is empty, or that etcd would not find", async () => {
  const { [`member/wal/${KILLED_LOG}`]: wal = new Uint8Array(0), ...good } = files();
  expect(await findingsOf({ ...good, [`member/wal/${KILLED_LOG}`]: new Uint8Array(0) })).toEqual([
    "error: the log holds no records: etcd will refuse to start",
  ]);
  expect(await findingsOf({ ...good, "member/wal/old.wal": wal })).toEqual([expect.stringMatching(/^error: .*\(old\.wal\): etcd will refuse to start$/)]);
});

test("files left over are listed, and what they are", async () => {
  const leftovers = {
    "member.before-restore-20261121T070000Z": null,
    "member.etcdsafe-abc": null,
    proxy: null,
    "member/wal.tmp": null,
    "member/snap/db.tmp.123": database(1),
    "member/snap/000000000000002a.snap.db": database(42),
    "member/snap/tmp555": new Uint8Array(10),
    "member/snap/0000000000000001-0000000000000009.snap.broken": new Uint8Array(3),
    [`member/wal/${KILLED_LOG}.broken`]: new Uint8Array(99),
    "member/wal/0.tmp": new Uint8Array(100),
  };
  const { dataDirectory } = await inspectFiles({ ...files(), ...leftovers });
  expect(dataDirectory.leftovers.map(({ path, what, sizeBytes }) => [path, what.split(/[ ,;]/).slice(0, 3).join(" "), sizeBytes])).toEqual([
    ["member.before-restore-20261121T070000Z", "the member that", null],
    ["member.etcdsafe-abc", "staged by a", null],
    ["proxy", "keeps etcd from", null],
    ["member/wal.tmp", "a log whose", null],
    ["member/snap/0000000000000001-0000000000000009.snap.broken", "set aside by", 3],
    ["member/snap/000000000000002a.snap.db", "a database received", database(42).length],
    ["member/snap/db.tmp.123", "a defragmentation that", database(1).length],
    ["member/snap/tmp555", "a database from", 10],
    [`member/wal/${KILLED_LOG}.broken`, "the copy that", 99],
  ]);
  expect(dataDirectory.findings).toEqual([]);
});

test("only a staging directory: a restore did not finish", async () => {
  const inspection = await inspectFiles({ "member.etcdsafe-abc/snap/db": database(1) });
  expect(inspection).toMatchObject({
    kind: "data-directory",
    what: expect.stringContaining("a restore did not finish"),
    dataDirectory: { memberDirectory: null, findings: [] },
  });
});

test("a directory that vanishes while it is looked at is an error that names it", async () => {
  await using directory = await temporaryDirectory("inspect");
  await rm(directory.path, { recursive: true });
  await expect(inspectPath(directory.path, { signal, runtime: recordingRuntime() })).rejects.toMatchObject({
    code: "FILE_FAILED",
    message: expect.stringContaining(directory.path),
  });
});

test("a log that was cut off inside a record, or has data behind its end, is not called harmless, as a restore of the database is refused", async () => {
  const name = `member/wal/${KILLED_LOG}`;
  const goneOn = (why: string) =>
    `warning: the log may have gone on after its end (${KILLED_LOG}: ${why}): etcd starts from it without a word, and how much is lost nobody can tell`;
  const cut = LOG.subarray(0, LOG.length - 3);
  const inside = `the file ends inside a record, at ${cut.length} of the 64000000 bytes that etcd allocates, as a copy that was cut off`;
  expect(await findingsOf({ ...files(45), [name]: cut })).toEqual([goneOn(inside)]);
  const behind = Buffer.concat([LOG, Buffer.alloc(64), Buffer.from("lost")]);
  expect(await findingsOf({ ...files(), [name]: behind })).toEqual([goneOn(`data follows the end of its records, at byte ${LOG.length + 64}`)]);
  expect((await inspectFiles({ [KILLED_LOG]: behind })).wal).toMatchObject({ fault: null, behindEnd: expect.stringMatching(/^data follows/) });
});
