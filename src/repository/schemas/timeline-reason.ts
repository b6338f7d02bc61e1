// Why a timeline began: recorded in cluster.json and in the timeline's first manifest.
import { z } from "zod";

export const timelineReason = z.enum([
  "first-backup",
  "cluster-id-changed",
  "raft-term-went-back",
  "raft-index-went-back",
  "revision-went-back",
  "lineage-disagrees",
  "compacted-beyond-reach",
]);
