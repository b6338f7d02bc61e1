import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { writeDatabase } from "../../src/etcd-files/bbolt/writer.ts";
import { inspectPath } from "../../src/inspect/inspect.ts";
import type { Inspection } from "../../src/inspect/inspection.ts";
import { REPOSITORY_KEY } from "../../src/repository/names.ts";
import { restoreGoldens } from "../etcd-files/restore-goldens.ts";
import { KILLED_LOG, LIVE_IDS, liveSegment, TWO_SEGMENTS } from "../etcd-files/wal/live-log.ts";
import { memoryPageFile } from "../support/memory-page-file.ts";
import { randomHistory } from "../support/random-history.ts";
import { text } from "../support/rows.ts";
import { buildSnapshot, SNAPSHOT_MEMBER } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { AUTHOR, alteredSnapshot, factsOf, newRepository, recordingRuntime, signal, snapshotKey, storeBackup } from "../verify/stored-backup.ts";

const history = randomHistory(4, { revisions: 150, compaction: "finished" });
const snapshot = buildSnapshot({
  ...history,
  alarms: [{ memberId: SNAPSHOT_MEMBER.id, alarm: 1 }],
  authEnabled: true,
  users: [{ name: "root", roles: ["root"] }],
});
const image = snapshot.subarray(0, -32);
const LIVE_MEMBER = LIVE_IDS.memberId.toString(16);

function inspect(path: string): Promise<Inspection> {
  return inspectPath(path, { signal, runtime: recordingRuntime() });
}

async function inspectBytes(name: string, bytes: Uint8Array): Promise<Inspection> {
  await using directory = await temporaryDirectory("inspect");
  const path = join(directory.path, name);
  await writeFile(path, bytes);
  return await inspect(path);
}

describe("databases", () => {
  test("a snapshot: all its facts, as plain JSON", async () => {
    const facts = factsOf(snapshot);
    const inspection = await inspectBytes("snapshot.db", snapshot);
    expect(inspection).toMatchObject({
      kind: "snapshot",
      what: "an etcd snapshot",
      sizeBytes: snapshot.length,
      inUse: { locked: false, processId: null },
      snapshot: {
        hash: "matches",
        findings: [],
        databaseSizeBytes: image.length,
        pageSizeBytes: 4096,
        revision: String(history.revision),
        compactRevision: String(history.compactRevision),
        hashKv: { revision: String(history.revision), compactRevision: String(history.compactRevision), hash: (facts.hashes[0] as { hash: number }).hash },
        statusHash: facts.statusHash,
        consistentIndex: "1000",
        term: "2",
        confState: { voters: ["8e9e05c52164694d"], learners: [] },
        storageVersion: "3.6.0",
        keys: history.live.size,
        revisions: history.rows.length,
        authEnabled: true,
        users: 1,
        alarms: [{ memberId: "8e9e05c52164694d", alarm: "NOSPACE" }],
        members: [{ id: "8e9e05c52164694d", name: "default", peerUrls: ["http://localhost:2380"], clientUrls: ["http://localhost:2379"], isLearner: false }],
      },
    });
    expect(JSON.parse(JSON.stringify(inspection))).toEqual(inspection);
  });

  test("a copied database has no hash", async () => {
    expect(await inspectBytes("db", image)).toMatchObject({ kind: "database", snapshot: { hash: "absent", revision: String(history.revision) } });
  });

  test("an etcd 3.5 writes no storage version, and other page sizes are told", async () => {
    const old = buildSnapshot({ ...history, storageVersion: null, pageSizeBytes: 16384 });
    expect(await inspectBytes("old.db", old)).toMatchObject({ snapshot: { storageVersion: null, pageSizeBytes: 16384, clusterVersion: "3.6.0" } });
  });

  test("changed bytes: the hash differs, and the facts are there", async () => {
    const inspection = await inspectBytes("snapshot.db", snapshot.with(-1, snapshot.at(-1)! ^ 1));
    expect(inspection).toMatchObject({
      kind: "snapshot",
      what: "an etcd snapshot, damaged",
      snapshot: { hash: "differs", revision: String(history.revision) },
    });
  });

  test("a page of zeros: findings with offsets instead of facts", async () => {
    const { snapshot: section, what } = await inspectBytes(
      "snapshot.db",
      alteredSnapshot(snapshot, (bytes) => bytes.fill(0, 12288, 16384)),
    );
    expect(what).toBe("an etcd snapshot, damaged");
    expect(section).toMatchObject({ hash: "matches", findings: expect.arrayContaining([expect.objectContaining({ severity: "error", offset: 12288 })]) });
    expect(section).not.toHaveProperty("revision");
  });

  test("half of one, and an unfinished download, with sizes", async () => {
    expect(await inspectBytes("half.db", snapshot.subarray(0, 9000))).toMatchObject({
      kind: "truncated-snapshot",
      what: `cut short: it ends after 9000 of ${image.length} bytes`,
    });
    expect(await inspectBytes("snapshot.db.part", snapshot.subarray(0, 9000))).toMatchObject({
      kind: "truncated-snapshot",
      what: `the .part file of an unfinished download: it ends after 9000 of ${image.length} bytes`,
    });
  });

  test("a bbolt database of another program is none of etcd's", async () => {
    const file = memoryPageFile();
    writeDatabase(
      file,
      [
        { name: text("conf"), rows: [] },
        { name: text("logs"), rows: [{ key: text("a"), value: text("b") }] },
      ],
      { pageSizeBytes: 4096 },
    );
    expect(await inspectBytes("raft.db", file.bytes())).toMatchObject({
      kind: "other",
      what: "a bbolt database, but not one of etcd's: its buckets are conf, logs",
    });
    const empty = memoryPageFile();
    writeDatabase(empty, [], { pageSizeBytes: 4096 });
    expect(await inspectBytes("raft.db", empty.bytes())).toMatchObject({ kind: "other", what: "an empty bbolt database: it has no buckets" });
  });

  test("one of etcd's that lost the bucket of its keys is damaged, and none of another program", async () => {
    expect(await inspectBytes("a.db", buildSnapshot({ buckets: { key: null, meta: null } }))).toMatchObject({
      kind: "snapshot",
      what: "an etcd snapshot, damaged",
      snapshot: { findings: [{ text: "the bucket `key`, which holds the keyspace, is missing" }] },
    });
  });

  test("damage in both meta pages: a database all the same; in one: said, and read", async () => {
    const metas = (...pages: number[]) => pages.reduce((bytes, page) => bytes.with(page * 4096 + 30, 0xee), Uint8Array.from(snapshot));
    expect(await inspectBytes("a.db", metas(0, 1))).toMatchObject({
      kind: "other",
      what: "a bbolt database that cannot be opened: neither meta page is valid: both have a checksum that does not match",
      hint: "Use another backup.",
    });
    expect(await inspectBytes("a.db", metas(1))).toMatchObject({ kind: "snapshot", snapshot: { revision: String(history.revision) } });
    const zeroed = alteredSnapshot(snapshot, (bytes) => bytes.fill(0, 0, 4096));
    expect(await inspectBytes("a.db", zeroed)).toMatchObject({ kind: "snapshot", snapshot: { revision: String(history.revision), findings: [{ offset: 0 }] } });
  });
});

describe("logs and raft snapshots", () => {
  for (const { minor, name, wal, snap, member, cluster } of restoreGoldens().filter((golden) => golden.name === "three")) {
    test(`etcdutl ${minor} restored ${name}: its log and its raft snapshot`, async () => {
      const memberId = member.id.toString(16).padStart(16, "0");
      const members = cluster.members.length;
      expect(await inspectBytes("copied", wal)).toMatchObject({
        kind: "wal-file",
        wal: { memberId, entries: { firstIndex: "1", lastIndex: String(members) }, snapshot: { index: String(members), term: "1" }, fault: null },
      });
      const inspection = await inspectBytes("copied", snap);
      expect(inspection).toMatchObject({ kind: "raft-snapshot", raftSnapshot: { index: String(members), term: "1", fault: null } });
      expect(inspection.raftSnapshot?.members?.map(({ id }) => id).sort()).toEqual(cluster.members.map(({ id }) => id.toString(16).padStart(16, "0")).sort());
    });
  }

  test("a later file of a log, whatever its name", async () => {
    expect(await inspectBytes("copied", liveSegment("two-segments-3.7", TWO_SEGMENTS[1]))).toMatchObject({
      kind: "wal-file",
      wal: { memberId: LIVE_MEMBER, entries: { firstIndex: "52", lastIndex: "53" }, fault: null },
    });
  });

  test("a log as a whole: both files, and where it ends", async () => {
    await using directory = await temporaryDirectory("inspect");
    for (const name of TWO_SEGMENTS) await writeFile(join(directory.path, name), liveSegment("two-segments-3.7", name));
    expect(await inspect(directory.path)).toMatchObject({
      kind: "wal-directory",
      wal: {
        memberId: LIVE_MEMBER,
        clusterId: LIVE_IDS.clusterId.toString(16),
        entries: { firstIndex: "1", lastIndex: "53" },
        fault: null,
        segments: [{ name: TWO_SEGMENTS[0] }, {}],
      },
    });
  });

  test("a log without room behind its last record may have been cut off there", async () => {
    await using directory = await temporaryDirectory("inspect");
    const [path, log] = [join(directory.path, KILLED_LOG), liveSegment("killed-3.5", KILLED_LOG)];
    await writeFile(path, Buffer.concat([log, Buffer.alloc(4096)]));
    expect((await inspect(directory.path)).hint).toBeUndefined();
    await writeFile(path, log);
    expect(await inspect(directory.path)).toMatchObject({
      kind: "wal-directory",
      hint: expect.stringMatching(/^It may have been cut off while it was copied/),
    });
  });

  test("a torn and a corrupt log, with the place", async () => {
    const whole = liveSegment("killed-3.5", KILLED_LOG);
    expect(await inspectBytes(KILLED_LOG, whole.subarray(0, -9))).toMatchObject({ kind: "wal-file", wal: { fault: { kind: "torn", segment: KILLED_LOG } } });
    const { wal } = await inspectBytes(KILLED_LOG, whole.with(1000, whole[1000]! ^ 1));
    expect(wal?.fault).toMatchObject({ kind: "corrupt" });
    expect(wal?.fault?.offset).toBeLessThanOrEqual(1000);
    expect(wal?.fault?.offset).toBeGreaterThan(500);
  });

  test("a damaged .snap is one by its name, and says what is wrong", async () => {
    const [{ snap } = { snap: new Uint8Array(0) }] = restoreGoldens();
    const damaged = snap.with(100, snap[100]! ^ 1);
    expect(await inspectBytes("0000000000000001-0000000000000001.snap", damaged)).toMatchObject({
      kind: "raft-snapshot",
      raftSnapshot: { fault: { text: expect.stringContaining("checksum") } },
    });
    expect(await inspectBytes("copied", damaged)).toMatchObject({ kind: "other", what: "an etcd raft snapshot file" });
  });

  test("what has the name of a log's file or of a raft snapshot, and is something else: both are said", async () => {
    const name = "0000000000000001-0000000000000001";
    const wal = "By its name it would be a file of an etcd write-ahead log.";
    expect(await inspectBytes(`${name}.wal`, gzipSync(snapshot))).toMatchObject({ kind: "packed", hint: `${wal} Unpack it first, with \`gunzip\`.` });
    expect(await inspectBytes(`${name}.wal`, new Uint8Array(0))).toMatchObject({ kind: "empty", hint: expect.stringContaining(wal) });
    const note = await inspectBytes(`${name}.wal`, Buffer.from("gone\n"));
    expect(note).toMatchObject({ kind: "other", what: "a text file that begins “gone”", hint: expect.stringContaining(wal) });
    const answer = expect.stringMatching(/^If it was to be a snapshot, whatever fetched it stored an answer/);
    expect(await inspectBytes("etcd.db", Buffer.from("404 page not found"))).toMatchObject({ hint: answer });
    expect(await inspectBytes("page", Buffer.from("<html></html>"))).toMatchObject({ hint: answer });
    expect((await inspectBytes("README.md", Buffer.from("# Title"))).hint).toMatch(/^etcdsafe inspects /);
    expect(note.hint).not.toContain("fetched");
    expect(await inspectBytes(`${name}.wal`, new Uint8Array(64_000))).toMatchObject({ kind: "wal-file", wal: { segments: [{ records: 0 }] } });
    expect(await inspectBytes(`${name}.snap`, new Uint8Array(0))).toMatchObject({
      kind: "empty",
      hint: expect.stringMatching(/^By its name .* raft snapshot\./),
    });
  });
});

describe("what is mistaken for a snapshot", () => {
  const packed = [
    ["a gzip file", gzipSync(snapshot), "gunzip"],
    ["a zstd file", zstdCompressSync(snapshot), "zstd -d"],
    ["a zip archive", Buffer.concat([Buffer.from("PK\x03\x04"), image]), "unzip"],
    ["an age-encrypted file", Buffer.from("age-encryption.org/v1\n-> X25519 abc\n"), "age -d"],
  ] as const;
  for (const [what, bytes, command] of packed) {
    test(what, async () => {
      expect(await inspectBytes("snapshot.db", bytes)).toMatchObject({ kind: "packed", what, hint: expect.stringContaining(command), sizeBytes: bytes.length });
    });
  }

  const others = [
    ["an empty file", new Uint8Array(0), "empty"],
    ["an HTML page titled “502 Bad Gateway”", Buffer.from("<!DOCTYPE html><html><title>502 Bad Gateway</title>"), "other"],
    ['a JSON document that begins “{"error":"not found"}”', Buffer.from('{"error":"not found"}'), "other"],
    ["a text file that begins “# Title”", Buffer.from("\n# Title\r\n\r\ntext"), "other"],
    ["a file that begins with zeros only", new Uint8Array(64_000), "other"],
    ["nothing that etcdsafe knows", Uint8Array.from({ length: 9000 }, (_, index) => (index * 167 + 3) % 256), "other"],
  ] as const;
  for (const [what, bytes, kind] of others) {
    test(what, async () => {
      expect(await inspectBytes("snapshot.db", bytes)).toMatchObject({ kind, what });
    });
  }

  test("of what is none of it: how it begins, and what can be inspected", async () => {
    const known = /etcdsafe inspects snapshots, databases \(member\/snap\/db\), write-ahead logs/;
    expect((await inspectBytes("README.md", Buffer.from("# Title\n"))).hint).toMatch(known);
    const { hint } = await inspectBytes("program", Buffer.concat([Buffer.from("\x7fELF\x02\x01\x01\x00"), Buffer.alloc(9000)]));
    expect(hint).toMatch(/^It begins with the bytes 7f 45 4c 46 02 01 01 00\. As a database it fails: neither meta page is valid: both have no bbolt magic\. /);
    expect(hint).toMatch(known);
  });

  test("every byte of a small file may be anything: never anything but an answer", async () => {
    await using directory = await temporaryDirectory("inspect");
    const path = join(directory.path, "any");
    const [{ wal } = { wal: new Uint8Array(0) }] = restoreGoldens();
    for (let first = 0; first < 256; first += 5) {
      await writeFile(path, wal.with(0, first));
      expect(await inspect(path)).toHaveProperty("kind");
    }
  });
});

describe("directories", () => {
  test("a repository: its clusters and how many backups each has", async () => {
    await using directory = await temporaryDirectory("inspect");
    const repository = await newRepository();
    const id = await storeBackup(repository, snapshot);
    const manifest = snapshotKey(id).replace("snapshot.db.zst", "manifest.json");
    const cluster = { ...JSON.parse(Buffer.from(repository.storage.bytesOf(manifest)!).toString()), tool: AUTHOR.tool };
    for (const [key, bytes] of [
      [REPOSITORY_KEY, repository.storage.bytesOf(REPOSITORY_KEY)!],
      [manifest, repository.storage.bytesOf(manifest)!],
      ["default/cluster.json", Buffer.from(JSON.stringify(cluster))],
    ] as const) {
      await mkdir(join(directory.path, key, ".."), { recursive: true });
      await writeFile(join(directory.path, key), bytes);
    }
    expect(await inspect(directory.path)).toMatchObject({
      kind: "repository",
      hint: expect.stringContaining(`etcdsafe list --repository ${directory.path}`),
      repository: { id: repository.file.id, clusters: [{ name: "default", backups: 1 }] },
    });
    await writeFile(join(directory.path, REPOSITORY_KEY), JSON.stringify({ format: 2, requires: [] }));
    const newer = await inspect(directory.path);
    expect(newer).toMatchObject({ kind: "repository", what: expect.stringContaining("cannot read"), hint: expect.stringContaining("format 2") });
  });

  test("an empty one, one with other things, and the directory of a database", async () => {
    await using directory = await temporaryDirectory("inspect");
    expect(await inspect(directory.path)).toMatchObject({ kind: "directory", what: "an empty directory" });
    await writeFile(join(directory.path, "notes.txt"), "x");
    expect(await inspect(directory.path)).toMatchObject({ kind: "directory", hint: expect.stringContaining("one by one") });
    await writeFile(join(directory.path, "member"), "a file");
    expect(await inspect(directory.path)).toMatchObject({ kind: "directory" });
    await writeFile(join(directory.path, "0000000000000002-000000000000002a.snap"), "");
    expect(await inspect(directory.path)).toMatchObject({
      kind: "directory",
      what: expect.stringContaining("snap"),
      hint: expect.stringContaining(".snap files"),
    });
    await writeFile(join(directory.path, "db"), image);
    expect(await inspect(directory.path)).toMatchObject({ kind: "directory", hint: expect.stringContaining("data directory") });
  });

  test("what is neither, is not there, or may not be read", async () => {
    await using directory = await temporaryDirectory("inspect");
    expect(await inspect("/dev/null")).toMatchObject({ kind: "other" });
    await symlink(join(directory.path, "nowhere"), join(directory.path, "link"));
    await expect(inspect(join(directory.path, "link"))).rejects.toMatchObject({ code: "FILE_FAILED" });
  });
});
