// Is this snapshot good, and what is in it: structure, rows and hashes in one pass over its pages (etcd-formats §2.8, §5).
// Synchronous: it runs in a worker (check-worker.ts).
import { crc32c } from "../../bytes/crc32c.ts";
import { RunningCrc32c } from "../../bytes/crc32c-combine.ts";
import type { BucketRef } from "../bbolt/buckets.ts";
import { type DatabaseCheck, openForCheck } from "../bbolt/check.ts";
import { Findings } from "../bbolt/finding.ts";
import type { PageSource } from "../bbolt/page-source.ts";
import type { LeafVisitor } from "../bbolt/scan.ts";
import { runWalk, type Walk } from "../bbolt/walk.ts";
import { BUCKETS, isEtcdBucket } from "../mvcc/buckets.ts";
import { type HashKvRequest, type HashKvResult, type HashPlan, planHashes } from "../mvcc/hash-kv.ts";
import { KeyRows } from "../mvcc/key-rows.ts";
import { type KeyHashes, scanKeys } from "../mvcc/key-scan.ts";
import { hashLeaf, LeafHashes } from "../mvcc/leaf-hashes.ts";
import { parseRevisionKey } from "../mvcc/revision-key.ts";
import { BucketFacts } from "./bucket-facts.ts";
import type { SnapshotFacts, SnapshotReport } from "./facts.ts";

export interface CheckSnapshotOptions {
  /** HashKV values to compute. */
  readonly hashes: readonly HashKvRequest[];
  /** That a scheduled compaction has not removed a row yet: a restore has only just written it down. Hashes from before it can be computed then. */
  readonly compactionNotStarted?: boolean;
  /** Called now and then with how many bytes of the database have been checked. */
  progress?(doneBytes: number): void;
}

const PREFIXES_REPORTED = 50;
const PROGRESS_STEP_BYTES = 16 * 1024 * 1024;

/** Never throws for what the file holds: that is what findings are for. Reading the source may throw. */
export function checkSnapshot(source: PageSource, options: CheckSnapshotOptions): SnapshotReport {
  const findings = new Findings();
  const check = openForCheck(source, findings, progressCounter(options));
  const facts = check === undefined ? undefined : runWalk(walkSnapshot(check, options), source);
  return { findings: findings.list(), facts };
}

function progressCounter({ progress }: CheckSnapshotOptions): (sizeBytes: number) => void {
  let doneBytes = 0;
  let nextReport = PROGRESS_STEP_BYTES;
  return (sizeBytes) => {
    doneBytes += sizeBytes;
    if (doneBytes < nextReport) return;
    nextReport = doneBytes + PROGRESS_STEP_BYTES;
    progress?.(doneBytes);
  };
}

/** What a bucket contributes to the hash over all of them. */
interface BucketTotal {
  readonly name: Uint8Array;
  readonly rows: number;
  readonly all: RunningCrc32c;
}

function* walkSnapshot(check: DatabaseCheck, options: CheckSnapshotOptions): Walk<SnapshotFacts | undefined> {
  const { findings, database } = check;
  const facts = new BucketFacts(findings);
  const totals = new Map<string, BucketTotal>();
  const buckets = (yield* check.buckets()).map((bucket) => ({ bucket, name: Buffer.from(bucket.name).toString("latin1") }));
  // The small buckets first: `meta` says what was compacted.
  for (const { bucket, name } of buckets) if (name !== BUCKETS.key) totals.set(name, yield* scanSmallBucket(check, bucket, name, facts));
  const key = buckets.find(({ name }) => name === BUCKETS.key);
  if (key === undefined) {
    if (!check.bucketsDamaged) findings.error(database.meta.rootPageId * database.pageSizeBytes, noKeyText(buckets.map(({ name }) => name)));
    return undefined;
  }
  const keyspace = yield* scanKeyBucket(check, key.bucket, facts, options);
  yield* check.finish();
  if (findings.errors > 0 || keyspace === undefined) return undefined;
  const { rows, hashes, plan, revision } = keyspace;
  totals.set(BUCKETS.key, { name: key.bucket.name, rows: rows.rows, all: hashes.all });
  const inOrder = buckets.flatMap(({ name }) => totals.get(name) ?? []);
  return {
    pageSizeBytes: database.pageSizeBytes,
    sizeBytes: database.sizeBytes,
    revision: BigInt(revision),
    compactRevision: facts.finishedCompactRevision,
    scheduledCompactRevision: facts.scheduledCompactRevision,
    consistentIndex: facts.consistentIndex,
    term: facts.term,
    confState: facts.confState,
    storageVersion: facts.storageVersion,
    clusterVersion: facts.clusterVersion,
    downgrade: facts.downgrade,
    statusHash: statusHash(inOrder),
    totalKeys34: inOrder.reduce((sum, total) => sum + total.rows, 0),
    keys: rows.live.count,
    revisions: rows.rows,
    tombstones: rows.tombstones,
    leases: facts.leases,
    users: facts.users,
    roles: facts.roles,
    authEnabled: facts.authEnabled,
    alarms: facts.alarms,
    members: facts.members,
    keysByPrefix: rows.prefixes.top(PREFIXES_REPORTED),
    hashes: plan.answers.map((answer) => hashResult(answer, plan, hashes)),
    lineageSample: rows.lineage.finish(),
    kubernetes: rows.kubernetes.facts(),
  };
}

/** What a database without the bucket `key` is, by the names of the buckets that it has. */
function noKeyText(names: readonly string[]): string {
  if (names.length === 0) return "there are no buckets: an empty bbolt database";
  if (names.some(isEtcdBucket)) return "the bucket `key`, which holds the keyspace, is missing";
  return "there is no bucket `key`: a bbolt database, but not one of etcd's";
}

function* scanSmallBucket(check: DatabaseCheck, bucket: BucketRef, name: string, facts: BucketFacts): Walk<BucketTotal> {
  const hashes = new LeafHashes();
  let rows = 0;
  const scan = yield* check.bucketScan(bucket);
  const visitor: LeafVisitor = {
    leaf(page, slot, packed) {
      hashLeaf(hashes, page, slot, packed);
      rows += page.count;
      for (let index = 0; index < page.count; index++) {
        facts.row(name, page.key(index), page.value(index), page.offsetOf(page.keyStart(index)), page.offsetOf(page.valueStart(index)));
      }
    },
    batchEnd: (slots) => hashes.fold(slots),
  };
  if (scan !== undefined) yield* scan.scan(visitor);
  return { name: bucket.name, rows, all: hashes.total };
}

interface Keyspace {
  readonly rows: KeyRows;
  readonly hashes: KeyHashes;
  readonly plan: HashPlan;
  readonly revision: number;
}

function* scanKeyBucket(check: DatabaseCheck, bucket: BucketRef, facts: BucketFacts, options: CheckSnapshotOptions): Walk<Keyspace | undefined> {
  const scan = yield* check.bucketScan(bucket);
  if (scan === undefined) return undefined;
  const lastKey = yield* scan.lastKey();
  const lastMain = Number((lastKey && parseRevisionKey(lastKey)?.main) ?? 0n);
  const compaction = { finished: Number(facts.finishedCompactRevision), scheduled: Number(facts.scheduledCompactRevision) };
  // kvstore.go restore: a compaction may have removed the last row, a tombstone; and the first revision is 1.
  const revision = Math.max(1, lastMain, compaction.finished, compaction.scheduled);
  const plan = planHashes(options.hashes, revision, options.compactionNotStarted ? { ...compaction, scheduled: compaction.finished } : compaction);
  const rows = new KeyRows(plan, check.findings);
  return { rows, plan, revision, hashes: yield* scanKeys(scan, rows) };
}

/** etcdutl/snapshot/v3_snapshot.go Status: each bucket's name, then its keys and values. */
function statusHash(buckets: readonly BucketTotal[]): number {
  const total = new RunningCrc32c();
  for (const { name, all } of buckets) {
    total.append(crc32c(name), name.length);
    total.append(all.crc, all.lengthBytes);
  }
  return total.crc;
}

function hashResult({ revision, compactRevision, task }: HashPlan["answers"][number], plan: HashPlan, { tasks }: KeyHashes): HashKvResult {
  if (typeof task === "string") return { revision, compactRevision, notComparable: task };
  const hash = tasks[plan.tasks.indexOf(task)] as number | string;
  return typeof hash === "string" ? { revision, compactRevision, notComparable: hash } : { revision, compactRevision, hash };
}
