// <cluster>/uploads/<backup id>.json: a backup being written. Keeps `repo gc` away from objects that have no manifest yet.
import { z } from "zod";
import { backupId, clusterName, count, documentHead, time, tool, writer } from "./common.ts";

export const uploadSchema = z.object({
  ...documentHead,
  tool,
  writer,
  cluster: clusterName,
  backup: backupId,
  action: z.enum(["save", "copy", "compact", "rekey"]),
  startedAt: time,
  heartbeatAt: time,
  heartbeatSeconds: count,
});
