// All that a cluster's catalogue tells, read at once: backups, pins, what failed lately, and which points can be rebuilt.
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { type LateAttempts, readAttempts } from "./attempts.ts";
import { type BriefCatalogueEntry, type BriefEntry, listBriefly } from "./catalogue.ts";
import type { DocumentCache } from "./catalogue-cache.ts";
import { gapsPrefix, parseGapKey, parseSegmentKey, segmentsPrefix } from "./names.ts";
import { type Pin, readPins } from "./pins.ts";
import { type NamedGap, type NamedSegment, type RecoveryPoints, recoveryPoints } from "./recovery-windows.ts";
import type { Repository } from "./repository.ts";

export interface CatalogueView {
  readonly cluster: string;
  /** Newest first. */
  readonly entries: readonly BriefCatalogueEntry[];
  /** By backup id. */
  readonly pins: ReadonlyMap<string, Pin>;
  readonly failed: LateAttempts;
  readonly points: RecoveryPoints;
}

export async function viewCatalogue(
  repository: Repository,
  cluster: string,
  options: CallOptions & { readonly now: Date; readonly cache?: DocumentCache | undefined },
): Promise<CatalogueView> {
  const { storage } = repository;
  const [entries, pins, failed, segments, gaps] = await Promise.all([
    listBriefly(repository, cluster, options),
    readPins(storage, cluster, options),
    readAttempts(storage, cluster, options),
    segmentsOf(storage, cluster, options),
    gapsOf(storage, cluster, options),
  ]);
  return { cluster, entries, pins, failed, points: recoveryPoints(entries.flatMap(restorable), segments, gaps) };
}

/** As `latest` has it. */
export function isRestorable(entry: BriefCatalogueEntry): entry is BriefEntry {
  return entry.manifest !== null && (entry.state === "proven" || entry.state === "unconfirmed");
}

function restorable(entry: BriefCatalogueEntry) {
  if (!isRestorable(entry)) return [];
  const { id, timeline, revision, createdAt } = entry.manifest;
  return [{ id, timeline, revision: BigInt(revision), createdAt }];
}

async function segmentsOf(storage: Storage, cluster: string, { signal }: CallOptions): Promise<NamedSegment[]> {
  const segments: NamedSegment[] = [];
  for await (const { key, modifiedAt } of storage.list(segmentsPrefix(cluster), { signal })) {
    const name = parseSegmentKey(cluster, key);
    if (name !== undefined) segments.push({ ...name, modifiedAt });
  }
  return segments;
}

async function gapsOf(storage: Storage, cluster: string, { signal }: CallOptions): Promise<NamedGap[]> {
  const gaps: NamedGap[] = [];
  for await (const { key } of storage.list(gapsPrefix(cluster), { signal })) {
    const name = parseGapKey(cluster, key);
    if (name !== undefined) gaps.push(name);
  }
  return gaps;
}
