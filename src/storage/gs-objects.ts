// Objects as the JSON API tells of them, and where they are asked for.
// https://cloud.google.com/storage/docs/json_api/v1/objects#resource
import type { ObjectInfo } from "./storage.ts";

/** The fields asked for: an answer holds much more. */
export const OBJECT_FIELDS = "name,size,generation,updated,timeCreated,timeDeleted,crc32c,metadata";

/** Those that tell how long it cannot be removed. */
export const LOCK_FIELDS = "retention,temporaryHold,eventBasedHold,retentionExpirationTime";

/** Name of the metadata by which a put recognises its own object. */
export const UPLOAD_ID = "etcdsafe-upload";

/** The answer to LOCK_FIELDS. */
export interface GsLock {
  readonly retention?: { readonly mode: "Locked" | "Unlocked"; readonly retainUntilTime: string };
  readonly temporaryHold?: boolean;
  readonly eventBasedHold?: boolean;
  /** By the retention policy of the bucket. */
  readonly retentionExpirationTime?: string;
}

export interface GsObject extends GsLock {
  readonly name: string;
  readonly size: string;
  readonly generation: string;
  readonly timeCreated: string;
  readonly timeDeleted?: string;
  readonly crc32c?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface GsPlace {
  readonly bucket: string;
  readonly name: string;
}

export function objectPath({ bucket, name }: GsPlace): string {
  return `${bucketPath(bucket)}/o/${encodeURIComponent(name)}`;
}

export function bucketPath(bucket: string): string {
  return `/storage/v1/b/${encodeURIComponent(bucket)}`;
}

export function uploadPath(bucket: string): string {
  return `/upload${bucketPath(bucket)}/o`;
}

/** A generation is never used again, and names this content for good. */
export function infoOf(key: string, { size, generation, timeCreated }: GsObject): ObjectInfo & { readonly versionId: string } {
  return { key, sizeBytes: Number(size), modifiedAt: new Date(timeCreated), version: generation, versionId: generation };
}
