// etcdsafe-repository.json: what makes a storage location a repository.
import { z } from "zod";
import { documentHead, randomId, time, tool } from "./common.ts";
import { retentionPolicySchema } from "./policy.ts";

const encryptionPolicy = z.object({ required: z.boolean(), recipients: z.array(z.string()) });

/** Loose: an older etcdsafe that rewrites the file must not drop what a newer one put there. */
export const repositoryFileSchema = z.looseObject({
  ...documentHead,
  id: randomId,
  createdAt: time,
  createdBy: tool,
  ignoresConditions: z.boolean().optional(),
  stateStore: z.looseObject({ location: z.string(), ignoresConditions: z.boolean().optional() }).optional(),
  policy: z.looseObject({ retention: retentionPolicySchema.optional(), encryption: encryptionPolicy.optional() }),
});
