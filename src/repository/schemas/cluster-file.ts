// <cluster>/cluster.json: which etcd cluster may write under this name.
import { z } from "zod";
import { backupId, clusterName, documentHead, hexId, member, randomId, time } from "./common.ts";
import { timelineReason } from "./timeline-reason.ts";

const bindingSchema = z.object({
  clusterId: hexId,
  boundAt: time,
  by: z.enum(["first-save", "restore", "adopt"]),
  restore: z.string().nullable(),
});

/** Loose: an older etcdsafe that rewrites the file must not drop what a newer one put there. */
export const clusterFileSchema = z.looseObject({
  ...documentHead,
  cluster: clusterName,
  clusterId: hexId,
  members: z.array(member),
  kubeSystemUid: z.string().nullable(),
  updatedAt: time,
  bindings: z.array(bindingSchema).min(1),
  adoptionPending: z.boolean(),
  timeline: z.object({ id: randomId, reason: timelineReason, after: backupId.nullable(), beganAt: time }).nullable(),
});
