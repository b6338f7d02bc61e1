// Verifies another tool's backup where it is. The result is not stored: nothing is written there.
import { EtcdsafeError } from "../errors.ts";
import type { ForeignLocation } from "../repository/foreign/location.ts";
import type { ForeignBackup } from "../repository/foreign/look.ts";
import { spoolForeign } from "../repository/foreign/read.ts";
import { newerDeltas } from "../repository/foreign/resolve.ts";
import { unpack } from "../repository/foreign/unpack.ts";
import { Examination } from "./examination.ts";
import { examineFile, examineHash, type FileVerification } from "./file.ts";
import type { VerifyOptions } from "./options.ts";
import type { NotVerified } from "./verify.ts";

export interface ForeignVerification extends Omit<FileVerification, "file"> {
  readonly location: string;
  /** Its name. */
  readonly backup: string;
  readonly key: string;
  /** What is there after the revision that was found, or at the level `hash` after the one in its name; null where nothing is, or nothing tells. */
  readonly newerDeltas: { readonly count: number; readonly lastRevision: string } | null;
}

/** Another tool's backup that could not be read. */
export interface ForeignNotVerified extends Omit<NotVerified, "cluster"> {
  readonly location: string;
}

/** Throws USAGE for the level stored-bytes, SPOOL_NO_SPACE, and what keeps it from being read. */
export async function verifyForeign(location: ForeignLocation, backup: ForeignBackup, options: VerifyOptions): Promise<ForeignVerification> {
  const { level, runtime } = options;
  const { storage } = location;
  const { name, key } = backup;
  if (level === "stored-bytes")
    throw new EtcdsafeError("USAGE", `${name} has no manifest to compare its stored bytes with`, {
      hint: "For other tools' backups, --level is hash or structure.",
    });
  const examination = new Examination();
  const startedAt = runtime.now().toISOString();
  try {
    if (level === "hash") await examineHash(name, unpack(storage, backup, options), examination, options);
    else {
      await using spool = await spoolForeign(storage, backup, options);
      await examineFile({ path: spool.path, name }, examination, options);
    }
  } catch (error) {
    examination.failWith(error, key);
  }
  const { outcome, readSizeBytes, hashKv, failure, findings } = examination;
  const revision = hashKv === null ? backup.namedRevision : BigInt(hashKv.revision);
  const newer = revision === undefined ? undefined : newerDeltas(location, revision);
  return {
    location: storage.location,
    ...{ backup: name, key, level, outcome, startedAt, finishedAt: runtime.now().toISOString(), readSizeBytes, hashKv, failure },
    ...{ findings, findingsTotal: findings.length },
    newerDeltas: newer === undefined ? null : { count: newer.count, lastRevision: newer.lastRevision.toString() },
  };
}

/** All of them, going on after every one that fails or cannot be read. Throws USAGE, and when aborted. */
export async function verifyAllForeign(
  location: ForeignLocation,
  options: Omit<VerifyOptions, "stepPrefix">,
): Promise<(ForeignVerification | ForeignNotVerified)[]> {
  const { backups, storage } = location;
  const results: (ForeignVerification | ForeignNotVerified)[] = [];
  for (const [index, backup] of backups.entries()) {
    try {
      results.push(await verifyForeign(location, backup, { ...options, stepPrefix: `${index + 1}/${backups.length} ` }));
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof EtcdsafeError) || error.code === "INTERNAL" || error.code === "USAGE") throw error;
      const { code, message, hint } = error;
      results.push({ location: storage.location, backup: backup.name, level: options.level, outcome: "not-verified", failure: { code, message, hint } });
    }
  }
  return results;
}
