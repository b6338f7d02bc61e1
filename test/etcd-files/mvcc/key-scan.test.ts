import { expect, test } from "vitest";
import { type DatabaseCheck, openForCheck } from "../../../src/etcd-files/bbolt/check.ts";
import { Findings } from "../../../src/etcd-files/bbolt/finding.ts";
import { bufferPageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import type { TreeScan } from "../../../src/etcd-files/bbolt/scan.ts";
import { runWalk, type Walk } from "../../../src/etcd-files/bbolt/walk.ts";
import { planHashes } from "../../../src/etcd-files/mvcc/hash-kv.ts";
import { KeyRows } from "../../../src/etcd-files/mvcc/key-rows.ts";
import { scanKeys } from "../../../src/etcd-files/mvcc/key-scan.ts";
import { SupersededKeys } from "../../../src/etcd-files/mvcc/superseded-keys.ts";
import { runs, SEED } from "../../support/counts.ts";
import { randomHistory } from "../../support/random-history.ts";
import { buildSnapshot } from "../../support/snapshots.ts";

function* keyScan(check: DatabaseCheck): Walk<TreeScan> {
  for (const bucket of yield* check.buckets()) {
    const scan = yield* check.bucketScan(bucket);
    if (Buffer.from(bucket.name).toString() === "key" && scan !== undefined) return scan;
  }
  throw new Error("no bucket key");
}

/** All that a scan of `key` gives, with at most `budgetBytes` for superseded keys. */
function scanned(image: Uint8Array, seed: number, compaction: { finished: number; scheduled: number }, revision: number, budgetBytes?: number) {
  const source = bufferPageSource(image);
  const findings = new Findings();
  const check = openForCheck(source, findings) as DatabaseCheck;
  const scan = runWalk(keyScan(check), source);
  const middle = Math.max(compaction.scheduled, compaction.finished, 1 + (seed % revision));
  const requests = [{ revision: 0n }, { revision: 0n, compactRevision: BigInt(middle) }, { revision: BigInt(middle), compactRevision: BigInt(middle) }];
  const plan = planHashes(requests, revision, compaction);
  const superseded = new SupersededKeys(plan.revisions, budgetBytes);
  const rows = new KeyRows(plan, findings, superseded);
  const hashes = runWalk(scanKeys(scan, rows), source);
  expect(findings.list()).toEqual([]);
  const counts = [rows.rows, rows.tombstones, rows.live.count, rows.prefixes.top(50), rows.lineage.finish()];
  return { result: { tasks: hashes.tasks, all: hashes.all.crc, counts }, parts: superseded.parts };
}

test("key scan: a small budget for superseded keys takes more passes, and gives the same", () => {
  let parts = 0;
  for (let seed = SEED; seed < SEED + runs(6, 300); seed++) {
    const history = randomHistory(seed, { revisions: 1500, keys: 400, compaction: seed % 3 === 0 ? "none" : seed % 3 === 1 ? "finished" : "interrupted" });
    const image = buildSnapshot({ pageSizeBytes: 1024, ...history });
    const compaction = { finished: history.compactRevision ?? -1, scheduled: history.scheduledCompactRevision ?? history.compactRevision ?? -1 };
    const whole = scanned(image, seed, compaction, history.revision);
    const split = scanned(image, seed, compaction, history.revision, 4000);
    expect(split.result).toEqual(whole.result);
    expect(whole.parts).toBe(1);
    parts = Math.max(parts, split.parts);
  }
  expect(parts).toBeGreaterThan(4);
});
