// <cluster>/prunes/<time>.json: what one run of retention removed and what it left alone.
import { z } from "zod";
import { backupId, clusterName, count, documentHead, failure, randomId, revision, sizeBytes, time, tool, writer } from "./common.ts";
import { retentionPolicySchema } from "./policy.ts";

export const pruneSchema = z.object({
  ...documentHead,
  tool,
  writer,
  cluster: clusterName,
  startedAt: time,
  finishedAt: time,
  now: time,
  nowFrom: z.enum(["store", "host"]),
  policy: retentionPolicySchema,
  policyFrom: z.enum(["options", "repository"]),
  outcome: z.enum(["done", "partly"]),
  backupsKept: count,
  backupsRemoved: z.array(z.object({ backup: backupId, reasons: z.array(z.string()), storedSizeBytes: sizeBytes, isHidden: z.boolean() })),
  segmentsRemoved: z.array(z.object({ timeline: randomId, firstRevision: revision, lastRevision: revision, storedSizeBytes: sizeBytes })),
  left: z.array(z.object({ key: z.string(), reason: z.string() })),
  failures: z.array(failure),
});
