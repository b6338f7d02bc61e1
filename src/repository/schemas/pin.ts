// <cluster>/pins/<backup id>.json: a backup that retention must keep until the pin is removed.
import { z } from "zod";
import { backupId, clusterName, documentHead, time, tool, writer } from "./common.ts";

export const pinSchema = z.object({ ...documentHead, tool, writer, cluster: clusterName, backup: backupId, reason: z.string(), pinnedAt: time });
