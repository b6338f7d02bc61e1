// <cluster>/drills/<time>.json: a restore rehearsed on a real etcd.
import { z } from "zod";
import { backupId, clusterName, count, documentHead, failure, hashKv, hexId, randomId, revision, time, tool, writer } from "./common.ts";

const step = z.object({ name: z.string(), durationMs: count, outcome: z.enum(["passed", "failed", "skipped"]), detail: z.string().nullable() });

export const drillSchema = z.object({
  ...documentHead,
  tool,
  writer,
  cluster: clusterName,
  backup: backupId,
  timeline: randomId,
  revision,
  outcome: z.enum(["passed", "failed"]),
  startedAt: time,
  finishedAt: time,
  etcdVersion: z.string().nullable(),
  drillClusterId: hexId.nullable(),
  recoveryTimeMs: count.nullable(),
  expectedHashKv: hashKv.nullable(),
  actualHashKv: hashKv.nullable(),
  keysCompared: count.nullable(),
  steps: z.array(step),
  failure: failure.nullable(),
});
