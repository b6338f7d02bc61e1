// What --since comes down to.
import type { Config } from "../config/config.ts";
import { parseDuration } from "../config/duration.ts";

/** Undefined where it is not given. */
export function sinceOf(config: Config, now: Date): Date | undefined {
  const since = config.get("since");
  if (since === undefined) return undefined;
  const spanMs = parseDuration(since);
  return spanMs === undefined ? new Date(since) : new Date(now.getTime() - spanMs);
}
