// Whose fault it is that a written file is not good: the source's, or that of the disk or the memory of this host. Asked only when something is wrong, so that
// it may read everything once more. A good backup that is called damaged is thrown away in a disaster.
import { notAsWritten } from "../bytes/copy-and-hash.ts";
import { hashFile } from "../bytes/hash-file.ts";
import { runInWorker } from "../bytes/worker.ts";
import { EtcdsafeError, FormatError } from "../errors.ts";
import type { Finding } from "../etcd-files/bbolt/finding.ts";
import type { CheckWorkerInput } from "../etcd-files/check/check-worker.ts";
import type { SnapshotReport } from "../etcd-files/check/facts.ts";
import type { CallOptions } from "../runtime.ts";
import type { DatabaseEdit } from "./database.ts";
import type { DatabasePlan } from "./database-plan.ts";
import type { WrittenFile } from "./write.ts";

/** A written file that was not edited yet. */
export interface PlannedFile extends WrittenFile {
  readonly plan: DatabasePlan;
}

export interface EditedFile extends PlannedFile {
  readonly edit: DatabaseEdit;
}

/** What the SHA-256 `found` of a file's bytes means that is not the one at the source's end. */
export async function hashFault(written: PlannedFile, found: string, options: CallOptions): Promise<EtcdsafeError> {
  const { path, proof, trailer, plan } = written;
  if (proof === "none" && (await hashOfSource(written, options)) !== trailer) return hashMismatch(plan.source.location, trailer, found);
  return notAsWritten(`${path} does not hold what was written to it: its bytes give the SHA-256 ${found} instead of ${trailer}`);
}

/** What it means that the edit could not read the file as a database. Other failures are what they are. */
export async function editFault(error: unknown, written: PlannedFile, options: CallOptions): Promise<unknown> {
  const { path, copyFrom, trailer, plan } = written;
  // What is yet to be copied is read from the source.
  if (!(error instanceof FormatError) || copyFrom !== undefined || trailer === undefined) return error;
  // The metas are the last that an edit writes: until then all is as it came.
  const found = await hashFile({ path, from: 0, to: plan.source.databaseSizeBytes }, options);
  return found === trailer ? error : await hashFault(written, found, options);
}

/** What errors in an edited file mean whose SHA-256 is right, or that has none. What is wrong without the edit as well is the source's. */
export async function findingsFault(written: EditedFile, errors: readonly Finding[], options: CallOptions): Promise<EtcdsafeError> {
  const { path, proof, copyOf, trailer, plan } = written;
  const original = proof === "checked" ? [] : await errorsOfSource(written, options);
  if (original.length === 0 || (await hasChanged(written, options))) return notAsWritten(`${path} is not what was written to it: ${summary(errors)}`);
  const found = summary(original);
  if (trailer !== undefined || copyOf !== undefined) return new EtcdsafeError("SNAPSHOT_DAMAGED", `${plan.source.location} is damaged: ${found}`);
  return new EtcdsafeError("SNAPSHOT_DAMAGED", `${plan.source.location} is damaged, or what was read back of its copy ${path} is: ${found}`, {
    hint: "Try it on another host: where that restores it, the disk or the memory of this one is not to be trusted, else use another backup.",
  });
}

export function hashMismatch(location: string, trailer: string | undefined, found: string | undefined): EtcdsafeError {
  return new EtcdsafeError("SNAPSHOT_HASH_MISMATCH", `${location}: the SHA-256 at its end is ${trailer}, but its bytes give ${found}`);
}

export function summary([first, ...others]: readonly Finding[]): string {
  const more = others.length > 0 ? ` (and ${others.length} more findings)` : "";
  return `${first === undefined ? "its rows cannot be read" : `${first.text}, at byte ${first.offset}`}${more}`;
}

/** Whether a file of a stream is no longer what came: its hash was right, but bytes may go bad after they were hashed and before they are walked. */
async function hasChanged({ path, copyOf, edit, trailer, plan }: EditedFile, options: CallOptions): Promise<boolean> {
  if (copyOf !== undefined || trailer === undefined) return false;
  const head = edit.originalMetaPages;
  return (await hashFile({ path, prefix: head, from: head.length, to: plan.source.databaseSizeBytes }, options)) !== trailer;
}

/** Undefined where it is no file: one that is written from a stream is all there is of it. */
async function hashOfSource({ copyOf, plan }: PlannedFile, options: CallOptions): Promise<string | undefined> {
  return copyOf === undefined ? undefined : hashFile({ path: copyOf, from: 0, to: plan.source.databaseSizeBytes }, options);
}

async function errorsOfSource({ path, copyOf, edit, plan }: EditedFile, { signal }: CallOptions): Promise<Finding[]> {
  const head = edit.originalMetaPages;
  const unedited = { path, missing: { path, from: head.length, to: plan.source.databaseSizeBytes, head } };
  const input: CheckWorkerInput = { ...(copyOf === undefined ? unedited : { path: copyOf }), hashes: [] };
  const report = await runInWorker<CheckWorkerInput, SnapshotReport>(new URL("../etcd-files/check/check-worker", import.meta.url), input, { signal });
  return report.findings.filter(({ severity }) => severity === "error");
}
