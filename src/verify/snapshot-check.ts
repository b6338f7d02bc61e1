// What the check of a snapshot file means for a verification: every finding, and which of them makes it fail. For stored backups and plain files.
import { EtcdsafeError } from "../errors.ts";
import { checkSnapshotFile, type SnapshotFileCheck } from "../etcd-files/check/check-file.ts";
import { UnusableFileError } from "../etcd-files/check/snapshot-kind.ts";
import type { HashKvRequest } from "../etcd-files/mvcc/hash-kv.ts";
import type { Examination } from "./examination.ts";
import type { VerifyOptions } from "./options.ts";

export interface SnapshotPlace {
  readonly path: string;
  /** What to call it: the object's name, or the file as it was given. */
  readonly name: string;
}

/** The first of `hashes` is the one the snapshot as a whole is known by. Undefined, and `examination` has failed, when there is no whole database. */
export async function examineSnapshot(
  { path, name }: SnapshotPlace,
  hashes: readonly HashKvRequest[],
  examination: Examination,
  { signal, runtime, stepPrefix }: VerifyOptions,
): Promise<SnapshotFileCheck | undefined> {
  const step = `${stepPrefix}check`;
  let check: SnapshotFileCheck;
  runtime.progress({ step, doneBytes: 0 });
  try {
    check = await checkSnapshotFile(path, { hashes, signal, onProgress: (doneBytes, totalBytes) => runtime.progress({ step, doneBytes, totalBytes }) });
  } catch (error) {
    examination.failWith(named(error, path, name), name);
    return undefined;
  }
  runtime.progress({ step, doneBytes: check.rawSizeBytes, totalBytes: check.rawSizeBytes, done: true });
  if (check.sha256 === "differs") {
    examination.fail("SNAPSHOT_HASH_MISMATCH", name, `${name}: the SHA-256 at its end is not that of the bytes before it, ${check.computedSha256}`);
  }
  for (const { severity, offset, text } of check.report.findings) examination.findings.push({ severity, object: name, offset, text });
  const errors = check.report.findings.filter(({ severity }) => severity === "error");
  const [first] = errors;
  if (first !== undefined) {
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more errors)` : "";
    examination.blame("SNAPSHOT_DAMAGED", `${name} is damaged: ${first.text}, at byte ${first.offset}${more}`, "Use another backup.");
  }
  const own = check.report.facts?.hashes[0];
  if (own !== undefined && "hash" in own) {
    examination.hashKv = { revision: own.revision.toString(), compactRevision: own.compactRevision.toString(), hash: own.hash };
  }
  return check;
}

/** The spool has a path that says nothing to anybody. */
function named(error: unknown, path: string, name: string): unknown {
  if (error instanceof UnusableFileError) return error.renamed(name);
  if (!(error instanceof EtcdsafeError)) return error;
  return new EtcdsafeError(error.code, error.message.replaceAll(path, name), { hint: error.hint, cause: error.cause });
}
