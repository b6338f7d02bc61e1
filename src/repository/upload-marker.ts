// uploads/<backup id>.json: tells `repo gc` that objects without a manifest are being written still. docs/repository-format.md, "Uploads".
import type { z } from "zod";
import { streamOf } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { type DocumentKind, encodeDocument, readDocument } from "./document.ts";
import { backupId, uploadKey } from "./names.ts";
import type { Author } from "./repository.ts";
import { FORMAT_VERSION } from "./schemas/common.ts";
import { uploadSchema } from "./schemas/upload.ts";

export type Upload = z.infer<typeof uploadSchema>;

const UPLOAD: DocumentKind<typeof uploadSchema> = { schema: uploadSchema, label: "upload marker", invalid: "REPOSITORY_INVALID" };
export const HEARTBEAT_SECONDS = 60;
/** A writer that missed so many heartbeats is gone. */
const HEARTBEATS_MISSED_MAX = 3;
/** In the id of a backup that will never be. */
const NO_REVISION = 0n;

/** What a marker tells about a backup being written. */
export interface FoundUpload {
  readonly key: string;
  /** Null for a marker that cannot be read. */
  readonly upload: Upload | null;
  /** Read before the content: where that has changed meanwhile, a compare-and-swap on it fails. */
  readonly version: string;
  /** As the store counts time. */
  readonly heartbeatAt: Date;
}

/** The marker of one backup, if there is one. */
export async function readUploadMarker(storage: Storage, key: string, options: CallOptions): Promise<FoundUpload | undefined> {
  const info = await storage.stat(key, options);
  if (info === undefined) return undefined;
  const { version, modifiedAt: heartbeatAt } = info;
  try {
    return { key, upload: await readDocument(storage, UPLOAD, key, options), version, heartbeatAt };
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || options.signal.aborted) throw error;
    if (error.code === "STORAGE_NOT_FOUND") return undefined;
    if (error.code !== "REPOSITORY_INVALID" && error.code !== "REPOSITORY_UNSUPPORTED") throw error;
    return { key, upload: null, version, heartbeatAt };
  }
}

/** Who it is that writes there, for messages. Pure. */
export function writerOf({ action, writer: { host, pid } }: Upload): string {
  return `${action} on ${host} (process ${pid})`;
}

/** Whether somebody is still writing there; `now` as the store counts time. Pure. */
export function isLive(found: FoundUpload, now: Date): boolean {
  return now.getTime() <= deadAfter(found).getTime();
}

/** When its writer counts as dead if it is not heard of again, as the store counts time. Pure. */
export function deadAfter({ upload, heartbeatAt }: FoundUpload): Date {
  const heartbeatSeconds = Math.max(upload?.heartbeatSeconds ?? HEARTBEAT_SECONDS, HEARTBEAT_SECONDS);
  return new Date(heartbeatAt.getTime() + HEARTBEATS_MISSED_MAX * heartbeatSeconds * 1000);
}

/**
 * Writes a marker and removes it, so that who may not write there hears of it before the snapshot is taken. Throws as Storage.put. A marker that stays (who may
 * not remove anything, a process that dies in between) is one of a dead writer to `repo gc`.
 */
export async function tryUploadMarker(
  storage: Storage,
  author: Author,
  cluster: string,
  { runtime, signal }: CallOptions & { readonly runtime: Pick<Runtime, "now" | "randomBytes"> },
): Promise<void> {
  const backup = backupId(runtime.now(), NO_REVISION, runtime.randomBytes);
  const key = uploadKey(cluster, backup);
  const at = runtime.now().toISOString();
  await storage.put(key, streamOf(encodeMarker(key, author, { cluster, backup, action: "save", startedAt: at, heartbeatAt: at })), { signal, ifAbsent: true });
  await storage.remove(key, { signal }).catch(() => undefined);
}

/** The bytes of a marker; it promises a heartbeat each minute unless it says otherwise. */
export function encodeMarker(
  key: string,
  author: Author,
  upload: Pick<Upload, "cluster" | "backup" | "action" | "holder" | "startedAt" | "heartbeatAt"> & Partial<Pick<Upload, "heartbeatSeconds">>,
): Uint8Array {
  return encodeDocument(UPLOAD, key, { format: FORMAT_VERSION, requires: [], ...author, heartbeatSeconds: HEARTBEAT_SECONDS, ...upload });
}
