// <cluster>/attempts/<time>-<6 base32>.json: something that was tried and failed.
import { z } from "zod";
import { backupId, clusterName, documentHead, failure, time, tool, writer } from "./common.ts";

export const attemptSchema = z.object({
  ...documentHead,
  tool,
  writer,
  cluster: clusterName,
  action: z.enum(["save", "record", "verify", "prune", "compact", "copy", "drill"]),
  phase: z.string(),
  backup: backupId.nullable(),
  startedAt: time,
  finishedAt: time,
  failure,
});
