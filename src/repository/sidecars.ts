// Facts about backups that come after their manifests: written once, beside them. docs/repository-format.md.
import type { z } from "zod";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { createDocument, type DocumentKind, readDocument } from "./document.ts";
import { attemptKey, restoreKey, restoresPrefix, verificationKey } from "./names.ts";
import type { Author } from "./repository.ts";
import { attemptSchema } from "./schemas/attempt.ts";
import { FORMAT_VERSION } from "./schemas/common.ts";
import { restoreRecordSchema } from "./schemas/restore-record.ts";
import { verificationSchema } from "./schemas/verification.ts";

export type Verification = z.infer<typeof verificationSchema>;
export type VerificationLevel = Verification["level"];
export type Attempt = z.infer<typeof attemptSchema>;
export type RestoreRecord = z.infer<typeof restoreRecordSchema>;
/** A document without what its writer adds. */
type Facts<Document> = Omit<Document, "format" | "requires" | "tool" | "writer" | "cluster">;

/** From the cheapest to the deepest; each includes those before it. */
export const VERIFICATION_LEVELS = verificationSchema.shape.level.options;

const VERIFICATION: DocumentKind<typeof verificationSchema> = { schema: verificationSchema, label: "verification", invalid: "REPOSITORY_INVALID" };
const ATTEMPT: DocumentKind<typeof attemptSchema> = { schema: attemptSchema, label: "attempt", invalid: "REPOSITORY_INVALID" };
const RESTORE_RECORD: DocumentKind<typeof restoreRecordSchema> = { schema: restoreRecordSchema, label: "restore record", invalid: "REPOSITORY_INVALID" };
/** docs/repository-format.md, "Verifications". */
const FINDINGS_MAX = 1000;
/** More writers than this within as many milliseconds there are not. */
const KEY_TRIES_MAX = 100;

/** Stores the result of a verification and returns its key. Findings beyond 1,000 are counted only. */
export async function writeVerification(
  storage: Storage,
  cluster: string,
  author: Author,
  facts: Omit<Facts<Verification>, "findingsTotal">,
  options: CallOptions,
): Promise<string> {
  const document = { ...head(cluster, author), ...facts, findings: facts.findings.slice(0, FINDINGS_MAX), findingsTotal: facts.findings.length };
  const keyAt = (time: Date) => verificationKey(cluster, facts.backup, time, facts);
  return createInTime(storage, VERIFICATION, keyAt, facts.finishedAt, document, options);
}

export function readVerification(storage: Storage, key: string, options: CallOptions): Promise<Verification> {
  return readDocument(storage, VERIFICATION, key, options);
}

export function readAttempt(storage: Storage, key: string, options: CallOptions): Promise<Attempt> {
  return readDocument(storage, ATTEMPT, key, options);
}

/** Stores what failed and returns its key. */
export async function writeAttempt(
  storage: Storage,
  cluster: string,
  author: Author,
  facts: Facts<Attempt>,
  options: CallOptions & { readonly runtime: Pick<Runtime, "randomBytes"> },
): Promise<string> {
  const keyAt = (time: Date) => attemptKey(cluster, time, options.runtime.randomBytes);
  return createInTime(storage, ATTEMPT, keyAt, facts.finishedAt, { ...head(cluster, author), ...facts }, options);
}

/** Registers a restore and returns the record's key: `restores/<id>.json`, with the time where that id was restored before, or for a snapshot file. */
export async function writeRestoreRecord(
  storage: Storage,
  cluster: string,
  author: Author,
  facts: Facts<RestoreRecord>,
  options: CallOptions,
): Promise<string> {
  const document = { ...head(cluster, author), ...facts };
  const first = facts.clusterId === null ? undefined : restoreKey(cluster, facts.clusterId);
  if (first !== undefined && (await createDocument(storage, RESTORE_RECORD, first, document, options))) return first;
  return createInTime(storage, RESTORE_RECORD, (time) => restoreKey(cluster, facts.clusterId, time), facts.restoredAt, document, options);
}

/** All records of one restored cluster id, with their keys. */
export async function readRestoreRecords(
  storage: Storage,
  cluster: string,
  clusterId: string,
  { signal }: CallOptions,
): Promise<{ readonly key: string; readonly record: RestoreRecord }[]> {
  const records: { key: string; record: RestoreRecord }[] = [];
  for await (const { key } of storage.list(restoresPrefix(cluster, clusterId), { signal }))
    records.push({ key, record: await readRestoreRecord(storage, key, { signal }) });
  return records;
}

export function readRestoreRecord(storage: Storage, key: string, options: CallOptions): Promise<RestoreRecord> {
  return readDocument(storage, RESTORE_RECORD, key, options);
}

/** What every one of them begins with. */
export function head(cluster: string, { tool, writer }: Author) {
  return { format: FORMAT_VERSION as typeof FORMAT_VERSION, requires: [], tool, writer, cluster };
}

/** Creates the document with a time in its key, a millisecond later each time the key is taken; returns the key. */
export async function createInTime<Schema extends z.ZodType>(
  storage: Storage,
  kind: DocumentKind<Schema>,
  keyAt: (time: Date) => string,
  time: string,
  document: z.input<Schema>,
  { signal }: CallOptions,
): Promise<string> {
  for (let laterMs = 0; laterMs < KEY_TRIES_MAX; laterMs++) {
    const key = keyAt(new Date(Date.parse(time) + laterMs));
    if (await createDocument(storage, kind, key, document, { signal })) return key;
  }
  // Where a file is in the place of the directory, no key is free either; then this throws what is the matter.
  await storage.stat(keyAt(new Date(time)), { signal });
  throw new EtcdsafeError("STORAGE_CONFLICT", `${KEY_TRIES_MAX} keys from ${time} on are taken`);
}
