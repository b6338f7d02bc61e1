// What vouches for a plan that was saved.
import { createHash } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";
import type { RestorePlan } from "./plan.ts";

/** Hexadecimal SHA-256 of the plan's canonical JSON. */
export function planSha256(plan: RestorePlan): string {
  return createHash("sha256").update(canonicalJson(plan)).digest("hex");
}
