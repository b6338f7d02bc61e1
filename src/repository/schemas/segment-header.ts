// The JSON header inside a segment. The binary rest of it is in docs/repository-format.md, "Segments".
import { z } from "zod";
import { clusterName, documentHead, hexId, randomId, revision, sha256, time, tool } from "./common.ts";

export const segmentHeaderSchema = z.object({
  ...documentHead,
  tool,
  cluster: clusterName,
  clusterId: hexId,
  timeline: randomId,
  firstRevision: revision,
  previousSha256: sha256.nullable(),
  createdAt: time,
});
