// <cluster>/uploads/<backup id>.json: a backup being written. Keeps `repo gc` away from objects that have no manifest yet.
import { z } from "zod";
import { backupId, clusterName, count, documentHead, randomId, time, tool, writer } from "./common.ts";

/** What tells a process from every other one that this kernel, or another, ever ran. Absent where the operating system does not say. */
const processIdentity = z.object({ bootId: z.string(), pidNamespace: z.string(), startTicks: z.string() });

export const uploadSchema = z.object({
  ...documentHead,
  tool,
  writer: writer.extend({ process: processIdentity.optional() }),
  cluster: clusterName,
  backup: backupId,
  action: z.enum(["save", "copy", "compact", "rekey", "gc", "prune"]),
  holder: randomId.optional(),
  startedAt: time,
  heartbeatAt: time,
  heartbeatSeconds: count,
});
