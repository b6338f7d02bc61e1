// <cluster>/gaps/<timeline>/<first missing revision>.json: revisions that no segment holds and none ever will.
import { z } from "zod";
import { clusterName, documentHead, randomId, revision, time, tool, writer } from "./common.ts";

export const gapSchema = z.object({
  ...documentHead,
  tool,
  writer,
  cluster: clusterName,
  timeline: randomId,
  firstRevision: revision,
  lastRevision: revision.nullable(),
  reason: z.enum(["compacted", "recorder-stopped", "segment-lost"]),
  detail: z.string(),
  noticedAt: time,
});
