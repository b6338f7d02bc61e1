// Reads backups back from their store and says whether they are good: docs/repository-format.md, "Verifications".
// That a backup is bad is a result, and is stored beside it just as one that passed; that it cannot be read (the store does not answer, its
// format is too new) is an error, since nothing is known about the backup then.
import { EtcdsafeError, hasCode } from "../errors.ts";
import { type BackupState, type Manifest, readManifest } from "../repository/manifest.ts";
import { manifestKey } from "../repository/names.ts";
import { encryptedTo } from "../repository/object-decoder.ts";
import type { Author, Repository } from "../repository/repository.ts";
import { type Verification, writeVerification } from "../repository/sidecars.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { Examination, type Failure, type ObjectFinding } from "./examination.ts";
import type { VerifyLevel, VerifyOptions } from "./options.ts";
import { examineObject, MANIFEST_OBJECT } from "./stored-object.ts";

/** As the sidecar stores it, but for `origin`. */
export interface BackupVerification extends Omit<Verification, "format" | "requires" | "tool" | "writer"> {
  /** `signed`: somebody who is trusted vouches for the manifest. Else whoever can write to the store may have made the backup. */
  readonly origin: "signed" | "not-proven";
  /** What it was when it was saved, which a verification of its bytes does not change; null where the manifest cannot be read. */
  readonly state: BackupState | null;
}

/** A backup that could not be read. */
export interface NotVerified {
  readonly cluster: string;
  readonly backup: string;
  readonly level: VerifyLevel;
  readonly outcome: "not-verified";
  readonly failure: Failure;
}

export interface BackupName {
  readonly cluster: string;
  readonly id: string;
}

/** Verifies one backup and stores the result. Throws what keeps it from being read; BACKUP_NOT_FOUND when it is removed meanwhile. */
export async function verifyBackup(repository: Repository, name: BackupName, author: Author, options: VerifyOptions): Promise<BackupVerification> {
  const { cluster, id } = name;
  const { storage } = repository;
  const startedAt = options.runtime.now().toISOString();
  const first = await examineBackup(storage, name, options);
  const { depth, examination, state } = first.examination.outcome === "passed" ? first : await examineAgain(storage, name, first, options);
  if (examination.failure?.code === "STORAGE_NOT_FOUND" && (await storage.stat(manifestKey(cluster, id), options)) === undefined) {
    throw new EtcdsafeError("BACKUP_NOT_FOUND", `${id} of cluster ${cluster} was removed from ${storage.location} while it was verified`);
  }
  const { outcome, failure, hashKv, readSizeBytes } = examination;
  const about = { backup: id, level: depth.level, outcome, startedAt, finishedAt: options.runtime.now().toISOString() };
  const facts = { ...about, readSizeBytes, hashKv, failure, findings: examination.findings };
  // Whom this reader trusts says nothing of what the store holds: others may trust somebody else.
  const isUntrusted = failure?.code === "MANIFEST_UNTRUSTED";
  if (!isUntrusted) await keepResult(() => writeVerification(storage, cluster, author, facts, options), id, options);
  const findings = [...facts.findings, ...depth.lessened]; // Nor what this reader lacked.
  const origin = options.provesOrigin === true && !isUntrusted ? "signed" : "not-proven";
  return { cluster, ...facts, findings, findingsTotal: findings.length, state, origin };
}

interface Depth {
  readonly level: VerifyLevel;
  /** Why it is not the one that is usual. */
  readonly lessened: readonly ObjectFinding[];
}

interface Examined {
  readonly depth: Depth;
  readonly examination: Examination;
  readonly state: BackupState | null;
}

async function examineBackup(storage: Storage, name: BackupName, options: VerifyOptions, knownDepth?: Depth): Promise<Examined> {
  const examination = new Examination();
  const manifest = await readTrusted(storage, name, examination, options);
  const depth = knownDepth ?? (manifest === undefined ? { level: options.level, lessened: [] } : depthFor(manifest, options));
  for (const object of manifest?.objects ?? []) await examineObject(storage, { manifest: manifest!, object }, examination, { ...options, level: depth.level });
  return { depth, examination, state: manifest?.state ?? null };
}

/** What is damaged in the store is so twice; what was changed on the way here, or in this host's memory, condemns no backup. */
async function examineAgain(storage: Storage, name: BackupName, first: Examined, options: VerifyOptions): Promise<Examined> {
  const again = await examineBackup(storage, name, { ...options, stepPrefix: `${options.stepPrefix}again: ` }, first.depth);
  const { examination } = again;
  examination.readSizeBytes += first.examination.readSizeBytes;
  if (examination.outcome === "failed") return again;
  const text = `only the first of two readings found that ${first.examination.failure!.message}: something between the store and here changes bytes`;
  examination.findings.push({ severity: "warning", object: MANIFEST_OBJECT, offset: null, text });
  options.runtime.log({ level: "warn", message: `${name.id}: ${text}` });
  return again;
}

/** The deepest that the keys allow, unless one was asked for; and says so where it is not the usual one. */
function depthFor({ id, objects }: Manifest, { level, keys, atDefaultLevel, runtime }: VerifyOptions): Depth {
  const encrypted = objects.find(({ encryption }) => encryption !== null);
  if (encrypted === undefined || keys !== undefined || atDefaultLevel !== true) return { level, lessened: [] };
  const text = `encrypted ${encryptedTo(encrypted)}, and no key was given (--identity-file, --passphrase-file): only its stored bytes are verified`;
  runtime.log({ level: "warn", message: `${id} is ${text}` });
  return { level: "stored-bytes", lessened: [{ severity: "warning", object: encrypted.name, offset: null, text }] };
}

/** Verifies all of `backups`, going on after every one that fails or cannot be read. Throws only when aborted. */
export async function verifyBackups(
  repository: Repository,
  backups: readonly BackupName[],
  author: Author,
  options: Omit<VerifyOptions, "stepPrefix">,
): Promise<(BackupVerification | NotVerified)[]> {
  const results: (BackupVerification | NotVerified)[] = [];
  for (const [index, backup] of backups.entries()) {
    try {
      results.push(await verifyBackup(repository, backup, author, { ...options, stepPrefix: `${index + 1}/${backups.length} ` }));
    } catch (error) {
      options.signal.throwIfAborted();
      const { code, message, hint } = expected(error);
      results.push({ cluster: backup.cluster, backup: backup.id, level: options.level, outcome: "not-verified", failure: { code, message, hint } });
    }
  }
  return results;
}

async function readTrusted(storage: Storage, { cluster, id }: BackupName, examination: Examination, options: CallOptions): Promise<Manifest | undefined> {
  try {
    return await readManifest(storage, cluster, id, options);
  } catch (error) {
    if (hasCode(error, "STORAGE_NOT_FOUND")) {
      throw new EtcdsafeError("BACKUP_NOT_FOUND", `there is no backup ${id} of cluster ${cluster} in ${storage.location}`, { cause: error });
    }
    examination.failWith(error, MANIFEST_OBJECT);
    return undefined;
  }
}

/** A result is worth more than its record: what lies in a repository that cannot be written to is verified all the same. */
async function keepResult(write: () => Promise<unknown>, id: string, { runtime, signal }: VerifyOptions): Promise<void> {
  try {
    await write();
  } catch (error) {
    signal.throwIfAborted();
    if (expected(error).code === "STORAGE_READ_ONLY") return; // Whoever looks at the past, asks for no record.
    runtime.log({ level: "warn", message: `the result of verifying ${id} was not stored: ${expected(error).message}` });
  }
}

/** An error of the store or the format. Throws any other again: it is a fault of etcdsafe's. */
function expected(error: unknown): EtcdsafeError {
  if (error instanceof EtcdsafeError && error.code !== "INTERNAL") return error;
  throw error;
}
