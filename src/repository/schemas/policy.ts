// Retention rules: part of the repository's defaults, and recorded by every prune that used them.
import { z } from "zod";
import { count, sizeBytes } from "./common.ts";

/** Years, months, days and hours, in that order, each at most once: "7d12h", "1y6m". */
const duration = z.string().regex(/^(?=\d)(\d+y)?(\d+m)?(\d+d)?(\d+h)?$/, "not a duration like 7d12h");
const howMany = z.union([count, z.literal("unlimited")]);

export const retentionPolicySchema = z.object({
  keepLast: howMany.optional(),
  keepHourly: howMany.optional(),
  keepDaily: howMany.optional(),
  keepWeekly: howMany.optional(),
  keepMonthly: howMany.optional(),
  keepYearly: howMany.optional(),
  keepWithin: duration.optional(),
  keepWithinHourly: duration.optional(),
  keepWithinDaily: duration.optional(),
  keepWithinWeekly: duration.optional(),
  keepWithinMonthly: duration.optional(),
  keepWithinYearly: duration.optional(),
  keepTags: z.array(z.string()).optional(),
  keepPointsWithin: duration.optional(),
  minimum: count.optional(),
  maxAge: duration.optional(),
  maxSizeBytes: sizeBytes.optional(),
  timezone: z.string().optional(),
});
