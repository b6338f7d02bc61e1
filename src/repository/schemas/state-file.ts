// etcdsafe-state.json: whose state a store holds that is not the one of the backups.
import { z } from "zod";
import { documentHead, randomId, tool } from "./common.ts";

export const stateFileSchema = z.object({ ...documentHead, tool, repository: z.object({ id: randomId, location: z.string() }) });
