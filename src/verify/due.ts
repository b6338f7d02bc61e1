// Which stored backups are to be read back by now: each once, and again after some time. Pure.
import type { BriefCatalogueEntry } from "../repository/catalogue.ts";
import { isRestorable } from "../repository/catalogue-view.ts";
import { VERIFICATION_LEVELS, type VerificationLevel } from "../repository/sidecars.ts";
import type { VerifyLevel } from "./options.ts";

export interface DueRequest {
  readonly level: VerifyLevel;
  /** Without keys, of encrypted backups only the stored bytes can be read back. */
  readonly hasKeys: boolean;
  /** How long a verification that passed counts. */
  readonly againAfterMs: number;
  /** Somebody wants to know now: the newest one that a restore takes is read, whenever it was read before. */
  readonly isAsked: boolean;
  readonly now: Date;
}

/** `entries`: newest first. Ids, in the order given. One that failed, or cannot be read, is looked at each time: somebody has to do something about it. */
export function dueForVerification(entries: readonly BriefCatalogueEntry[], { level, hasKeys, againAfterMs, isAsked, now }: DueRequest): string[] {
  const wanted = isAsked ? entries.find(isRestorable) : undefined;
  return entries.flatMap((entry) => {
    if (entry.manifest === null || entry.state === "damaged" || entry === wanted) return [entry.id];
    const isClosed = !hasKeys && entry.manifest.objects.some(({ encryption }) => encryption !== null);
    const passedAt = newestPass(entry.verifications, isClosed ? "stored-bytes" : level);
    return passedAt === undefined || now.getTime() - passedAt >= againAfterMs ? [entry.id] : [];
  });
}

/** At that level, or a deeper one. */
function newestPass(verifications: Exclude<BriefCatalogueEntry, { manifest: null }>["verifications"], level: VerificationLevel): number | undefined {
  const deepEnough = VERIFICATION_LEVELS.slice(VERIFICATION_LEVELS.indexOf(level));
  const times = deepEnough.flatMap((each) => {
    const verification = verifications[each];
    return verification?.outcome === "passed" ? [Date.parse(verification.finishedAt)] : [];
  });
  return times.length === 0 ? undefined : Math.max(...times);
}
