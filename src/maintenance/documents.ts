// Reads any JSON document of a repository, to see whether it is one: what its key stands for tells which.
import type { z } from "zod";
import { EtcdsafeError } from "../errors.ts";
import { readDocument } from "../repository/document.ts";
import type { Recognised } from "../repository/recognise.ts";
import { attemptSchema } from "../repository/schemas/attempt.ts";
import { deletionSchema } from "../repository/schemas/deletion.ts";
import { drillSchema } from "../repository/schemas/drill.ts";
import { gapSchema } from "../repository/schemas/gap.ts";
import { pinSchema } from "../repository/schemas/pin.ts";
import { pruneSchema } from "../repository/schemas/prune.ts";
import { restoreRecordSchema } from "../repository/schemas/restore-record.ts";
import { uploadSchema } from "../repository/schemas/upload.ts";
import { verificationSchema } from "../repository/schemas/verification.ts";
import { writerLeaseSchema } from "../repository/schemas/writer-lease.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";

type DocumentSchema = z.ZodType<{ readonly cluster: string; readonly backup?: string | null }>;

/** Manifests, cluster files, the repository file and that of its state are read where more is asked of them; segments and objects are no documents. */
const KINDS: { readonly [Kind in Recognised["kind"]]?: { readonly label: string; readonly schema: DocumentSchema } } = {
  "writer-lease": { label: "writer lease", schema: writerLeaseSchema },
  upload: { label: "upload marker", schema: uploadSchema },
  deletion: { label: "deletion", schema: deletionSchema },
  pin: { label: "pin", schema: pinSchema },
  verification: { label: "verification", schema: verificationSchema },
  drill: { label: "drill", schema: drillSchema },
  "restore-record": { label: "restore record", schema: restoreRecordSchema },
  gap: { label: "gap", schema: gapSchema },
  prune: { label: "prune", schema: pruneSchema },
  attempt: { label: "attempt", schema: attemptSchema },
};

/** Throws REPOSITORY_INVALID for one that is damaged or not where it belongs, REPOSITORY_UNSUPPORTED for one that is too new. */
export async function requireDocument(storage: Storage, key: string, what: Recognised, options: CallOptions): Promise<void> {
  const kind = KINDS[what.kind];
  if (kind === undefined || !("cluster" in what)) return;
  const { cluster, backup } = await readDocument(storage, { ...kind, invalid: "REPOSITORY_INVALID" }, key, options);
  const belongsTo = "backup" in what && backup !== what.backup ? backup : cluster === what.cluster ? undefined : cluster;
  if (belongsTo !== undefined) throw new EtcdsafeError("REPOSITORY_INVALID", `${key} is not a valid ${kind.label}: it belongs to ${belongsTo}`);
}
