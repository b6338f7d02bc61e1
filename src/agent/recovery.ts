// What can be rebuilt, by what the repository held when it was read last. Pure.
import { recoverySpan } from "../repository/recovery-windows.ts";
import type { AgentStatus, CatalogueStatus } from "./status.ts";

/** By more than that, clocks do not differ that are right. */
const AHEAD_MS = 5 * 60 * 1000;

/** A backup of a clock that was ahead does not make what was written until then recoverable: `to` is still to come only where nothing else can be rebuilt. */
export function recoveryStatus(catalogue: CatalogueStatus | null, now: Date): AgentStatus["recovery"] {
  const span = catalogue === null ? null : recoverySpan(catalogue.points);
  if (catalogue === null || span === null) return null;
  const restorable = catalogue.backups.filter(({ state }) => state === "proven" || state === "unconfirmed").map(({ createdAt }) => createdAt);
  const times = [span.to, ...restorable, ...catalogue.points.windows.map(({ to }) => to)].flatMap((time) => (time === null ? [] : Date.parse(time)));
  const past = times.filter((timeMs) => !isAhead(timeMs, now.getTime()));
  const toMs = past.length === 0 ? Date.parse(span.to) : past.reduce((a, b) => Math.max(a, b));
  return { from: span.from, to: new Date(toMs).toISOString(), lagSeconds: Math.max(0, Math.round((now.getTime() - toMs) / 1000)) };
}

export function isAhead(timeMs: number, nowMs: number): boolean {
  return timeMs - nowMs > AHEAD_MS;
}
