// <cluster>/restores/<new cluster id>.json: a cluster that was restored from this name's backups, and whether it may write here.
// <cluster>/restores/snapshot-<time>.json: a snapshot file that was written for others to restore, who choose the new cluster's id.
import { z } from "zod";
import { backupId, clusterName, documentHead, hexId, randomId, revision, sha256, time, tool, writer } from "./common.ts";

const source = z.object({ backup: backupId.nullable(), rawSha256: sha256.nullable(), location: z.string() });

export const restoreRecordSchema = z
  .object({
    ...documentHead,
    tool,
    writer,
    cluster: clusterName,
    clusterId: hexId.nullable(),
    purpose: z.enum(["cluster", "drill", "snapshot-file"]),
    restoredAt: time,
    source,
    parent: z.object({ clusterId: hexId.nullable(), timeline: randomId.nullable(), revision }),
    revisionAfter: revision,
    markCompacted: z.boolean(),
    members: z.array(z.object({ id: hexId, name: z.string(), peerUrls: z.array(z.string()) })),
  })
  .refine(({ purpose, clusterId }) => (clusterId === null) === (purpose === "snapshot-file"), {
    path: ["clusterId"],
    error: "null for a snapshot file, and for that alone",
  })
  .refine(({ clusterId, members }) => (clusterId === null) === (members.length === 0), {
    path: ["members"],
    error: "empty for a snapshot file, and for that alone",
  });
