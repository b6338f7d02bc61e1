// <cluster>/deleting/<backup id>.json: a deletion that has begun; whoever finds it finishes it.
import { z } from "zod";
import { backupId, clusterName, documentHead, time, tool, writer } from "./common.ts";

export const deletionSchema = z.object({
  ...documentHead,
  tool,
  writer,
  cluster: clusterName,
  backup: backupId,
  startedAt: time,
  reasons: z.array(z.string()).min(1),
  keys: z.array(z.string()).min(1),
});
