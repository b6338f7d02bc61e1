// What no backup needs and nobody is writing any more: docs/repository-format.md, "Uploads". Pure.
import { backupObjectKey, manifestKey } from "../repository/names.ts";
import { recognise } from "../repository/recognise.ts";
import type { Author } from "../repository/repository.ts";
import { deadAfter, type FoundUpload, isLive, writerOf } from "../repository/upload-marker.ts";
import type { UnfinishedUpload } from "../storage/capabilities.ts";
import type { ObjectInfo } from "../storage/storage.ts";

/** All that can be removed of one backup that never came to be, of an upload beside one that did, or of a document that never arrived. */
export interface Garbage {
  readonly cluster: string;
  /** Null for a document that is no backup's. */
  readonly backup: string | null;
  readonly reason: string;
  readonly objects: readonly Pick<ObjectInfo, "key" | "sizeBytes">[];
  readonly unfinished: readonly UnfinishedUpload[];
  /** The key of its upload marker, to be removed last; null where there is none. */
  readonly marker: string | null;
}

/** What was left alone though it is no whole backup, and why. */
export interface LeftAlone {
  readonly cluster: string;
  readonly backup: string;
  readonly reason: string;
}

export interface GarbagePlan {
  readonly remove: readonly Garbage[];
  readonly leave: readonly LeftAlone[];
}

export interface RepositoryListing {
  readonly objects: readonly ObjectInfo[];
  readonly unfinished: readonly UnfinishedUpload[];
  readonly markers: readonly FoundUpload[];
}

/** A few kilobytes, written within seconds. */
const DOCUMENT_LIMIT_MS = 60 * 60_000;

/** Whether no such process is to be seen any more; false where nobody can tell. */
export type IsGone = (writer: Author["writer"]) => boolean;

/**
 * `now` as the store counts time. Keys that are not recognised are in neither list: they are not ours. A writer that seems to be gone is only said to be: containers
 * that share a host's name do not see each other's processes.
 */
export function planGarbage({ objects, unfinished, markers }: RepositoryListing, now: Date, isGone: IsGone = () => false): GarbagePlan {
  const found = new Map<string, FoundBackup>();
  const of = (cluster: string, backup: string): FoundBackup => {
    const key = manifestKey(cluster, backup);
    const known = found.get(key) ?? { cluster, backup, objects: [], unfinished: [], hasManifest: false, isBeingDeleted: false };
    found.set(key, known);
    return known;
  };
  for (const info of objects) {
    const what = recognise(info.key);
    if (what?.kind === "backup-object") {
      const backup = of(what.cluster, what.backup);
      backup.objects.push(info);
      if (what.name === "manifest.json") backup.hasManifest = true;
    }
    if (what?.kind === "deletion") of(what.cluster, what.backup).isBeingDeleted = true;
  }
  const documents: Garbage[] = [];
  const marked = new Set(markers.map(({ key }) => key));
  for (const upload of unfinished) {
    const what = recognise(upload.key);
    if (what === undefined || !("cluster" in what)) continue;
    const isOld = now.getTime() - upload.startedAt.getTime() > DOCUMENT_LIMIT_MS;
    // A marker that is placed just now has nothing beside it yet that tells of its writer.
    const isPlaced = what.kind === "upload" && (isOld || marked.has(upload.key));
    if (what.kind === "backup-object" || isPlaced) of(what.cluster, what.backup).unfinished.push(upload);
    else if (what.kind !== "upload" && isOld) documents.push(unfinishedDocument(what.cluster, upload));
  }
  for (const marker of markers) {
    const what = recognise(marker.key);
    if (what?.kind === "upload") of(what.cluster, what.backup).marker = marker;
  }
  const remove: Garbage[] = [];
  const leave: LeftAlone[] = [];
  for (const each of [...found.values()].sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))) {
    const { cluster, backup } = each;
    const why = whyLeft(each, now, isGone);
    if (why !== undefined) leave.push({ cluster, backup, reason: why });
    else if (!each.hasManifest || each.marker !== undefined || each.unfinished.length > 0) remove.push(garbageOf(each));
  }
  return { remove: [...remove, ...documents], leave };
}

interface FoundBackup {
  readonly cluster: string;
  readonly backup: string;
  readonly objects: ObjectInfo[];
  readonly unfinished: UnfinishedUpload[];
  marker?: FoundUpload;
  hasManifest: boolean;
  isBeingDeleted: boolean;
}

function whyLeft({ marker, isBeingDeleted, hasManifest }: FoundBackup, now: Date, isGone: IsGone): string | undefined {
  if (marker !== undefined && isLive(marker, now)) {
    const { upload, heartbeatAt } = marker;
    const [verb, gone] = upload !== null && isGone(upload.writer) ? ["was", ", which is no process of this host any more"] : ["is", ""];
    return `it ${verb} being written${byWhom(marker)}${gone}; last heard of at ${heartbeatAt.toISOString()}, counts as dead after ${deadAfter(marker).toISOString()}`;
  }
  if (isBeingDeleted && !hasManifest) return "its deletion has begun, and whoever prunes next finishes it";
  return undefined;
}

/** Of a backup that exists, only what was left of its own upload. */
function garbageOf({ cluster, backup, objects, unfinished, marker, hasManifest }: FoundBackup): Garbage {
  const heard = marker === undefined ? "nobody is writing it" : `its upload was last heard of at ${marker.heartbeatAt.toISOString()}${byWhom(marker)}`;
  return {
    cluster,
    backup,
    reason: `${hasManifest ? "left over from its upload" : "no manifest"}: ${heard}`,
    objects: hasManifest ? [] : objects.map(({ key, sizeBytes }) => ({ key, sizeBytes })),
    unfinished,
    marker: marker?.key ?? null,
  };
}

function unfinishedDocument(cluster: string, upload: UnfinishedUpload): Garbage {
  const reason = `${upload.key} never arrived: its upload began at ${upload.startedAt.toISOString()}`;
  return { cluster, backup: null, reason, objects: [], unfinished: [upload], marker: null };
}

function byWhom({ upload }: FoundUpload): string {
  return upload === null ? "" : `, by ${writerOf(upload)} since ${upload.startedAt}`;
}

function idOf({ cluster, backup }: FoundBackup): string {
  return backupObjectKey(cluster, backup, "");
}
