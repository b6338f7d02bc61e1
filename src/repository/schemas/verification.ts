// <cluster>/verifications/<backup id>/<time>-<level>-<outcome>.json: what reading a backup back from its store found.
import { z } from "zod";
import { backupId, clusterName, count, documentHead, failure, finding, hashKv, sizeBytes, time, tool, writer } from "./common.ts";

/** From the cheapest to the deepest; each includes those before it. */
const verificationLevel = z.enum(["stored-bytes", "hash", "structure", "points"]);

export const verificationSchema = z.object({
  ...documentHead,
  tool,
  writer,
  cluster: clusterName,
  backup: backupId,
  level: verificationLevel,
  outcome: z.enum(["passed", "failed"]),
  startedAt: time,
  finishedAt: time,
  readSizeBytes: sizeBytes,
  hashKv: hashKv.nullable(),
  failure: failure.nullable(),
  findings: z.array(finding),
  findingsTotal: count,
});
