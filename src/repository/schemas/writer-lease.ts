// <cluster>/writer.json: the one process that may record, prune and compact.
import { z } from "zod";
import { clusterName, count, documentHead, randomId, revision, time, tool, writer } from "./common.ts";

export const writerLeaseSchema = z.object({
  ...documentHead,
  tool,
  cluster: clusterName,
  holder: writer.extend({ id: randomId, purpose: z.string() }),
  epoch: revision,
  acquiredAt: time,
  heartbeatAt: time,
  expiresAfterSeconds: count,
  releasedAt: time.nullable(),
});
