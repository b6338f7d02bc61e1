// etcd's own tools as judges of the bbolt writers: `etcdutl snapshot status` runs bbolt's full check before it prints hash, revision and counts.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { crc32c } from "../../src/bytes/crc32c.ts";
import { editDatabase } from "../../src/etcd-files/bbolt/edit.ts";
import { openPageFile } from "../../src/etcd-files/bbolt/page-file.ts";
import { type Audit, auditDatabase } from "../support/bbolt-audit.ts";
import { etcdutl, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { MINORS_AT_HAND, type TestedMinor } from "../support/minors.ts";
import { plainRows, randomHistory } from "../support/random-history.ts";
import { memberRow, text } from "../support/rows.ts";
import { buildSnapshot, SNAPSHOT_MEMBER } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const OTHER_MEMBERS = [
  { ...SNAPSHOT_MEMBER, id: 3n, name: "a" },
  { ...SNAPSHOT_MEMBER, id: 0xfedc_ba98_7654_3210n, name: "b" },
];

/** Lets etcdutl judge a file, and compares what it prints with the rows an audit finds there. `liveKeys` is what 3.6 and newer count. */
async function judge(minor: TestedMinor, path: string, revision: number, liveKeys: number): Promise<Audit> {
  const audit = auditDatabase(await readFile(path));
  expect(audit.faults).toEqual([]);
  let hash = 0;
  let rows = 0;
  for (const [name, bucket] of audit.buckets) {
    hash = crc32c(Buffer.from(name, "latin1"), hash);
    for (const { key, value } of bucket.rows) hash = crc32c(value, crc32c(key, hash));
    rows += bucket.rows.length;
  }
  const status = JSON.parse(await etcdutl(minor, ["snapshot", "status", path, "-w", "json"]));
  const totalSize = audit.highWaterMark * audit.pageSizeBytes;
  expect(status).toMatchObject({ hash, revision, totalKey: minor === "3.4" || minor === "3.5" ? rows : liveKeys, totalSize });
  return audit;
}

for (const minor of MINORS_AT_HAND) {
  test.each([1024, 4096, 65536])(`etcdutl ${minor} accepts a database with pages of %i bytes, as written and as edited`, async (pageSizeBytes) => {
    await using directory = await temporaryDirectory("etcdutl");
    const path = join(directory.path, "snapshot.db");
    for (const [seed, compaction] of [
      [1, "none"],
      [2, "finished"],
    ] as const) {
      // Enough rows for several levels.
      const history = randomHistory(seed, { revisions: 3000, keys: 300, valueSizeBytesMax: 300, compaction });
      const cut = Math.floor(history.rows.length / 3);
      const { rows, revision, live } = history;
      await writeFile(path, buildSnapshot({ ...history, pageSizeBytes }));
      await judge(minor, path, revision, live.size);
      await writeFile(path, buildSnapshot({ ...history, rows: rows.slice(0, cut), pageSizeBytes }));
      edit(path, rows.slice(cut));
      const { buckets } = await judge(minor, path, revision, live.size);
      expect(buckets.get("key")?.rows.length).toBe(rows.length);
      expect(buckets.get("members")?.rows.map(({ key }) => Buffer.from(key).toString())).toEqual(["3", "fedcba9876543210"]);
      // And once more, on a file that has been edited before, with a row larger than any page.
      edit(path, [...plainRows(1, { firstRevision: revision + 1, valueSizeBytes: 300_000 })]);
      await judge(minor, path, revision + 1, live.size + 1);
    }
  });
}

test("a database that etcd wrote, with its free pages and half-filled leaves, is still good for etcdutl after rows were appended", async () => {
  await using cluster = await startCluster({ minor: "3.7" });
  const client = await cluster.client();
  const keys = Array.from({ length: 3000 }, (_, index) => ({ key: `/k/${index}`, value: Buffer.alloc(300, index % 251) }));
  await putMany(client, keys, 3);
  const path = join(cluster.directory, "snapshot.db");
  await cluster.etcdctl(["snapshot", "save", path]);
  const before = auditDatabase(await readFile(path));
  expect([before.buckets.get("key")?.rows.length, before.buckets.get("key")?.depth]).toEqual([3000, 3]);
  edit(path, plainRows(5000, { firstRevision: 1002 }));
  for (const minor of MINORS_AT_HAND) expect((await judge(minor, path, 6001, 8000)).buckets.get("key")?.rows.length).toBe(8000);
});

function edit(path: string, appendKeyRows: Iterable<{ key: Uint8Array; value: Uint8Array }>): void {
  const file = openPageFile(path);
  const replace = new Map([
    ["members", OTHER_MEMBERS.map(memberRow)],
    ["members_removed", [{ key: text("8e9e05c52164694d"), value: text("removed") }]],
    ["alarm", []],
  ]);
  editDatabase(file, { replace, appendKeyRows });
  file.close();
}
