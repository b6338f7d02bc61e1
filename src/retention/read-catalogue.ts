// What retention goes by, as the repository has it now: backups with what keeps them, segments, and what lies among them that is none of ours.
import { listBriefly } from "../repository/catalogue.ts";
import { parseSegmentKey, segmentsPrefix } from "../repository/names.ts";
import { readPins } from "../repository/pins.ts";
import { recognise } from "../repository/recognise.ts";
import type { Repository } from "../repository/repository.ts";
import { isLive, readUploadMarker } from "../repository/upload-marker.ts";
import type { CallOptions } from "../runtime.ts";
import type { ObjectInfo, Storage } from "../storage/storage.ts";
import type { ClockFacts } from "./clock.ts";
import type { RetentionBackup, RetentionCatalogue, RetentionSegment } from "./plan.ts";

export interface ReadCatalogue extends RetentionCatalogue {
  /** Of the backups whose manifests can be read, newest first. */
  readonly clocks: ClockFacts["backups"];
  /** Below the cluster's name, and not written by etcdsafe. */
  readonly unrecognised: readonly string[];
}

/** `now` as the store counts time: by it uploads count as live. Nothing is locked in it yet: that is asked of few. */
export async function readCatalogue(repository: Repository, cluster: string, now: Date, options: CallOptions): Promise<ReadCatalogue> {
  // One after the other: what is listed last may be newer than what it is about, never older.
  const { storage } = repository;
  const entries = await listBriefly(repository, cluster, options);
  const pins = await readPins(storage, cluster, options);
  const objects = await Array.fromAsync(storage.list(`${cluster}/`, options));
  const writing = await beingWritten(storage, objects, now, options);
  const backups = entries.map((entry): RetentionBackup => {
    const { id } = entry;
    const known = { id, pin: pins.get(id)?.reason ?? null, lock: null, isBeingWritten: writing.has(id), storedSizeBytes: entry.storedSizeBytes };
    if (entry.manifest === null)
      return { ...known, createdAt: new Date(0).toISOString(), timeline: null, revision: null, state: "unreadable", fault: entry.error.message, tags: {} };
    const { createdAt, timeline, revision, tags } = entry.manifest;
    return { ...known, createdAt, timeline, revision, state: entry.state, fault: null, tags };
  });
  return {
    backups,
    segments: objects.flatMap((object) => segmentOf(cluster, object)),
    clocks: entries.flatMap(({ manifest }) => (manifest === null ? [] : [{ createdAt: manifest.createdAt, memberOffsetMs: manifest.clockOffsets.memberMs }])),
    unrecognised: objects.map(({ key }) => key).filter((key) => recognise(key) === undefined),
  };
}

/** Ids of backups whose upload somebody is still at: they were published a moment ago, or are copied over what was left of them. */
async function beingWritten(storage: Storage, objects: readonly ObjectInfo[], now: Date, options: CallOptions): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (const { key } of objects) {
    const what = recognise(key);
    if (what?.kind !== "upload") continue;
    const marker = await readUploadMarker(storage, key, options);
    if (marker !== undefined && marker.upload?.action !== "prune" && isLive(marker, now)) ids.add(what.backup);
  }
  return ids;
}

function segmentOf(cluster: string, { key, sizeBytes, modifiedAt }: ObjectInfo): RetentionSegment[] {
  const name = key.startsWith(segmentsPrefix(cluster)) ? parseSegmentKey(cluster, key) : undefined;
  if (name === undefined) return [];
  const { timeline, firstRevision, lastRevision } = name;
  return [
    {
      ...{ key, timeline, firstRevision: firstRevision.toString(), lastRevision: lastRevision?.toString() ?? null },
      ...{ modifiedAt: modifiedAt.toISOString(), storedSizeBytes: sizeBytes },
    },
  ];
}
