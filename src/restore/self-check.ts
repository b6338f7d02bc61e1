// Reads back what was written, once, after it was edited: structure, rows and HashKV in a worker, and meanwhile the SHA-256 that etcd put at the
// snapshot's end, over the file as it was before the edit. The edit only wrote behind the original pages and into the first two, so with the
// original two put in their place the hash covers every byte that was copied.
// Pages that are yet to be copied are copied by whoever hashes them, which is what tells that they arrived; the worker reads them where they come from.
import { open } from "node:fs/promises";
import { allOrNothing } from "../bytes/all-or-nothing.ts";
import { copyAndHash, notAsWritten } from "../bytes/copy-and-hash.ts";
import { hashFile } from "../bytes/hash-file.ts";
import { runInWorker } from "../bytes/worker.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CheckWorkerInput } from "../etcd-files/check/check-worker.ts";
import type { SnapshotFacts, SnapshotReport } from "../etcd-files/check/facts.ts";
import type { HashKvRequest, HashKvResult } from "../etcd-files/mvcc/hash-kv.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { type EditedFile, findingsFault, hashFault, summary } from "./at-fault.ts";
import type { DatabasePlan } from "./database-plan.ts";

/** What a member started from the written file answers to HashKV at `revision`; revisions are decimal strings, "-1" for no compaction. */
export interface HashKvValue {
  readonly revision: string;
  readonly compactRevision: string;
  readonly hash: number;
}

/**
 * Checks the file at `path`, and completes it where pages are yet to be copied. Throws SNAPSHOT_HASH_MISMATCH or SNAPSHOT_DAMAGED for a bad source, and
 * SELF_CHECK_FAILED when what was written is not what was read, or not what the source's manifest said or the plan computed.
 */
export async function checkWrittenDatabase(written: EditedFile, options: CallOptions & { readonly runtime: Runtime }): Promise<HashKvValue> {
  const { path, plan, copyFrom } = written;
  const { source } = plan;
  const input: CheckWorkerInput = {
    path,
    ...(copyFrom === undefined ? {} : { missing: { ...originalPages(written), path: copyFrom, head: written.edit.metaPages } }),
    hashes: hashesOf(plan),
    compactionNotStarted: plan.revision.markCompacted,
  };
  const totalBytes = source.databaseSizeBytes;
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const walking = runInWorker<CheckWorkerInput, SnapshotReport>(new URL("../etcd-files/check/check-worker", import.meta.url), input, {
    signal,
    onProgress: (doneBytes) => options.runtime.progress({ step: "check", doneBytes: Math.min(doneBytes, totalBytes), totalBytes }),
  });
  const hashing = copyFrom === undefined ? hashOriginal(written, signal) : copyOriginal(copyFrom, written, { ...options, signal });
  // When one fails the other is given up, and with it what both reject with: the first failure. Both are waited for.
  for (const work of [walking, hashing]) work.catch((error: unknown) => stop.abort(error));
  const [report, sha256] = await allOrNothing(walking, hashing);
  // A wrong hash explains whatever else is wrong, so it is told first.
  if (sha256 !== written.trailer) throw await hashFault(written, sha256 ?? "none", options);
  const errors = report.findings.filter(({ severity }) => severity === "error");
  if (errors.length > 0 || report.facts === undefined) throw await findingsFault(written, errors, options);
  const hashKv = judge(report.facts, plan);
  await (copyFrom === undefined ? requireMetaPages(written) : writeMetaPages(written));
  options.runtime.progress({ step: "check", doneBytes: totalBytes, totalBytes, done: true });
  return hashKv;
}

/**
 * What a member answers whose restored database is at `path`, as long as none has started with it; null where one has. Throws SNAPSHOT_DAMAGED for one that
 * changed on the disk.
 */
export async function restoredHashKv(path: string, plan: DatabasePlan, { signal }: CallOptions): Promise<HashKvValue | null> {
  const [request] = hashesOf(plan);
  const input: CheckWorkerInput = { path, hashes: [request!], compactionNotStarted: plan.revision.markCompacted };
  const report = await runInWorker<CheckWorkerInput, SnapshotReport>(new URL("../etcd-files/check/check-worker", import.meta.url), input, { signal });
  const errors = report.findings.filter(({ severity }) => severity === "error");
  if (errors.length > 0 || report.facts === undefined) {
    throw new EtcdsafeError("SNAPSHOT_DAMAGED", `${path} is damaged: ${summary(errors)}`, {
      hint: "This is what was restored, not what it was restored from. The disk or the memory of this host is not to be trusted: restore on another one.",
    });
  }
  const [answer] = report.facts.hashes;
  return answer !== undefined && "hash" in answer ? hashKvValue(answer) : null;
}

/** What a member will answer at its first revision, once it has compacted all before where that is marked; then what the source's manifest says. */
function hashesOf({ source, revision }: DatabasePlan): HashKvRequest[] {
  const first = { revision: BigInt(revision.after), compactRevision: BigInt(revision.markCompacted ? revision.after : source.compactRevision) };
  if (source.hashKv === null) return [first];
  return [first, { revision: BigInt(source.hashKv.revision), compactRevision: BigInt(source.hashKv.compactRevision) }];
}

function judge(facts: SnapshotFacts, plan: DatabasePlan): HashKvValue {
  if (facts.revision.toString() !== plan.revision.after) throw differs(plan, "revision", facts.revision, plan.revision.after);
  requirePolicies(facts, plan);
  const [first, own] = facts.hashes.map((hash) => comparable(plan, hash));
  if (first === undefined) throw differs(plan, "HashKV", "missing", "a value");
  const expected = plan.source.hashKv?.hash;
  if (own !== undefined && own.hash !== expected) throw differs(plan, `HashKV at revision ${own.revision}`, own.hash, expected);
  return first;
}

function comparable(plan: DatabasePlan, result: HashKvResult): HashKvValue {
  if (!("hash" in result)) throw differs(plan, `HashKV at revision ${result.revision}`, result.notComparable, "a value");
  return hashKvValue(result);
}

function hashKvValue({ revision, compactRevision, hash }: HashKvResult & { readonly hash: number }): HashKvValue {
  return { revision: revision.toString(), compactRevision: compactRevision.toString(), hash };
}

/** How many keys the lease policy changed was compared when they were written. */
function requirePolicies({ alarms, authEnabled, leases, storageVersion }: SnapshotFacts, plan: DatabasePlan): void {
  const { keyspace, versions } = plan;
  const keptAlarms = keyspace.alarms.policy === "keep" ? keyspace.alarms.count : 0;
  const auth = authEnabled ? "on" : "off";
  if (alarms.length !== keptAlarms) throw differs(plan, "alarms", alarms.length, keptAlarms);
  if (auth !== keyspace.auth.after) throw differs(plan, "authentication", auth, keyspace.auth.after);
  if (keyspace.leases.policy !== "restart" && leases > 0) throw differs(plan, "leases", leases, "none");
  if (versions.removesStorageVersion && storageVersion !== undefined) throw differs(plan, "storage version", storageVersion, "none");
}

/** What the edit left as it was: bytes into the file. */
function originalPages({ plan, edit }: EditedFile): { readonly from: number; readonly to: number } {
  return { from: edit.originalMetaPages.length, to: plan.source.databaseSizeBytes };
}

/** SHA-256 of the database before the edit, hexadecimal; undefined where there is nothing to compare it with. */
async function hashOriginal(written: EditedFile, signal: AbortSignal): Promise<string | undefined> {
  const { path, edit, trailer } = written;
  if (trailer === undefined) return undefined;
  return hashFile({ path, prefix: edit.originalMetaPages, ...originalPages(written) }, { signal });
}

/** What makes the file a database, once everything else in it is on the disk: neither a kill nor a power failure leaves one that only looks whole. */
async function writeMetaPages(written: EditedFile): Promise<void> {
  const { metaPages } = written.edit;
  await using file = await open(written.path, "r+");
  await file.sync();
  await file.write(metaPages, 0, metaPages.length, 0);
  await requireMetaPages(written);
}

/** The check reads over one of them that is bad, as etcd does. */
async function requireMetaPages({ path, edit: { metaPages } }: EditedFile): Promise<void> {
  await using file = await open(path);
  const { buffer } = await file.read(Buffer.alloc(metaPages.length), 0, metaPages.length, 0);
  if (!buffer.equals(metaPages)) throw notAsWritten(`${path} does not hold what was written to it, below byte ${metaPages.length}`);
}

/** The same, of pages that it copies first. */
async function copyOriginal(path: string, written: EditedFile, { signal, runtime }: CallOptions & { readonly runtime: Runtime }): Promise<string> {
  const { path: toPath, edit, plan } = written;
  const { databaseSizeBytes: totalBytes } = plan.source;
  const onProgress = (doneBytes: number) => runtime.progress({ step: "write", doneBytes, totalBytes });
  const sha256 = await copyAndHash({ path, toPath, prefix: edit.originalMetaPages, ...originalPages(written) }, { signal, onProgress });
  runtime.progress({ step: "write", doneBytes: totalBytes, totalBytes, done: true });
  return sha256;
}

function differs({ source }: DatabasePlan, what: string, found: unknown, expected: unknown): EtcdsafeError {
  return new EtcdsafeError("SELF_CHECK_FAILED", `the database written from ${source.location} has the ${what} ${found} instead of ${expected}`);
}
