// Which of other tools' backups an operator means: the last part of a key, a unique beginning of it, the whole key, `latest` or `oldest`.
import { EtcdsafeError, hasCode } from "../../errors.ts";
import { nearest, passedOverText } from "../resolve.ts";
import type { ForeignLocation } from "./location.ts";
import { type ForeignBackup, isDamage } from "./look.ts";
import { type ForeignReading, type ReadForeignOptions, readForeign } from "./read.ts";

export interface ResolveForeignOptions extends ReadForeignOptions {
  /** As for resolveBackup. */
  passedOver?(warning: string): void;
}

export interface ReadBackup {
  readonly backup: ForeignBackup;
  readonly reading: ForeignReading;
}

const LISTED_MAX = 10;

/**
 * Finds a backup and reads it. `latest` and `oldest` pass over those that are damaged or have no hash at their end. Throws BACKUP_NOT_FOUND with what there is
 * instead, BACKUP_AMBIGUOUS, and for a named one what readForeign throws.
 */
export async function resolveForeign(location: ForeignLocation, reference: string, options: ResolveForeignOptions): Promise<ReadBackup> {
  if (reference !== "latest" && reference !== "oldest") {
    const backup = namedForeign(location, reference);
    return { backup, reading: await readForeign(location, backup, options) };
  }
  const skipped: string[] = [];
  for (const backup of inOrder(location, reference)) {
    const found = await readOr(location, backup, options);
    if (typeof found === "string") skipped.push(`${backup.name} (${found})`);
    else {
      if (skipped.length > 0) options.passedOver?.(passedOverText(reference, backup.name, skipped));
      return { backup, reading: found };
    }
  }
  throw noneFit(location, reference, skipped);
}

/** The same without reading it, so that what is wrong with it is found by whoever does. `latest` and `oldest` pass over what a listing shows as damaged. */
export function chooseForeign(location: ForeignLocation, reference: string, { passedOver }: Pick<ResolveForeignOptions, "passedOver">): ForeignBackup {
  if (reference !== "latest" && reference !== "oldest") return namedForeign(location, reference);
  const backups = inOrder(location, reference);
  const found = backups.find(({ damage }) => damage === undefined);
  const skipped = backups.slice(0, found && backups.indexOf(found)).map(({ name, damage }) => `${name} (damaged: ${damage})`);
  if (found === undefined) throw noneFit(location, reference, skipped);
  if (skipped.length > 0) passedOver?.(passedOverText(reference, found.name, skipped));
  return found;
}

/** What is there after `revision` and is not applied; undefined where nothing is. */
export function newerDeltas({ deltas }: ForeignLocation, revision: bigint): { readonly count: number; readonly lastRevision: bigint } | undefined {
  const revisions = deltas.map(({ lastRevision }) => lastRevision).filter((last) => last > revision);
  if (revisions.length === 0) return undefined;
  return { count: revisions.length, lastRevision: revisions.reduce((most, each) => (each > most ? each : most)) };
}

function namedForeign({ backups, storage }: ForeignLocation, reference: string): ForeignBackup {
  const exact = backups.filter(({ name, key }) => name === reference || key === reference);
  const matching = exact.length > 0 ? exact : backups.filter(({ name }) => name.startsWith(reference));
  if (matching.length === 1) return matching[0]!;
  if (matching.length > 1)
    throw new EtcdsafeError("BACKUP_AMBIGUOUS", `"${reference}" may mean any of ${listed(matching.map(({ key }) => key))} in ${storage.location}`);
  const names = backups.map(({ name }) => name);
  throw new EtcdsafeError("BACKUP_NOT_FOUND", `there is no backup "${reference}" in ${storage.location}`, { hint: nearest(reference, names) });
}

function inOrder({ backups }: ForeignLocation, reference: "latest" | "oldest"): readonly ForeignBackup[] {
  return reference === "latest" ? backups : backups.toReversed();
}

/** Why it is passed over, or what it holds. */
async function readOr(location: ForeignLocation, backup: ForeignBackup, options: ReadForeignOptions): Promise<ForeignReading | string> {
  if (backup.damage !== undefined) return `damaged: ${backup.damage}`;
  try {
    const reading = await readForeign(location, backup, options);
    return reading.dataSha256 === undefined ? "no SHA-256 at its end, so nothing vouches for its bytes" : reading;
  } catch (error) {
    if (isDamage(error)) return `damaged: ${error.message}`;
    if (hasCode(error, "STORAGE_NOT_FOUND")) return "removed meanwhile";
    throw error;
  }
}

function noneFit({ storage }: ForeignLocation, reference: string, skipped: readonly string[]): EtcdsafeError {
  const hint = "Any of them can be named; `etcdsafe verify NAME` lists what is wrong.";
  if (skipped.length === 0)
    return new EtcdsafeError("BACKUP_NOT_FOUND", `there is no full backup in ${storage.location}: only deltas, which nothing can be applied to`);
  return new EtcdsafeError("BACKUP_NOT_FOUND", `no backup in ${storage.location} may be ${reference}: ${listed(skipped)}`, { hint });
}

function listed(texts: readonly string[]): string {
  return `${texts.slice(0, LISTED_MAX).join(", ")}${texts.length > LISTED_MAX ? `, … (${texts.length} in all)` : ""}`;
}
