// <cluster>/restores/<new cluster id>.json: a cluster that was restored from this name's backups, and whether it may write here.
import { z } from "zod";
import { backupId, clusterName, documentHead, hexId, randomId, revision, sha256, time, tool, writer } from "./common.ts";

const source = z.object({ backup: backupId.nullable(), rawSha256: sha256.nullable(), location: z.string() });

export const restoreRecordSchema = z.object({
  ...documentHead,
  tool,
  writer,
  cluster: clusterName,
  clusterId: hexId,
  purpose: z.enum(["cluster", "drill"]),
  restoredAt: time,
  source,
  parent: z.object({ clusterId: hexId.nullable(), timeline: randomId.nullable(), revision }),
  revisionAfter: revision,
  markCompacted: z.boolean(),
  members: z.array(z.object({ id: hexId, name: z.string(), peerUrls: z.array(z.string()) })).min(1),
});
