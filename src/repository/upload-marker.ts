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

type Upload = z.infer<typeof uploadSchema>;

export interface UploadMarker {
  /** Ends the heartbeat and removes the marker. */
  remove(options: CallOptions): Promise<void>;
  /** Ends the heartbeat and leaves the marker to grow old. */
  stop(): Promise<void>;
}

const UPLOAD: DocumentKind<typeof uploadSchema> = { schema: uploadSchema, label: "upload marker", invalid: "REPOSITORY_INVALID" };
const HEARTBEAT_SECONDS = 60;
/** A writer that missed so many heartbeats is gone. */
const HEARTBEATS_MISSED_MAX = 3;
/** In the id of a backup that will never be. */
const NO_REVISION = 0n;

/** What a marker tells about a backup being written. */
export interface FoundUpload {
  readonly key: string;
  /** Null for a marker that cannot be read. */
  readonly upload: Upload | null;
  /** As the store counts time. */
  readonly heartbeatAt: Date;
}

/** The marker of one backup, if there is one. */
export async function readUploadMarker(storage: Storage, key: string, options: CallOptions): Promise<FoundUpload | undefined> {
  const info = await storage.stat(key, options);
  if (info === undefined) return undefined;
  try {
    return { key, upload: await readDocument(storage, UPLOAD, key, options), heartbeatAt: info.modifiedAt };
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || options.signal.aborted) throw error;
    if (error.code === "STORAGE_NOT_FOUND") return undefined;
    if (error.code !== "REPOSITORY_INVALID" && error.code !== "REPOSITORY_UNSUPPORTED") throw error;
    return { key, upload: null, heartbeatAt: info.modifiedAt };
  }
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

/**
 * Writes the marker and keeps it fresh until it is removed or stopped. A heartbeat that fails is logged and tried again. `replacing`: the version of the
 * one that a dead writer has left; throws STORAGE_CONFLICT where another is there.
 */
export async function placeUploadMarker(
  storage: Storage,
  author: Author,
  upload: Pick<Upload, "cluster" | "backup" | "action">,
  { runtime, signal, replacing }: CallOptions & { readonly runtime: Pick<Runtime, "now" | "sleep" | "log">; readonly replacing?: string | undefined },
): Promise<UploadMarker> {
  const key = uploadKey(upload.cluster, upload.backup);
  const startedAt = runtime.now().toISOString();
  const body = () => streamOf(encodeMarker(key, author, { ...upload, startedAt, heartbeatAt: runtime.now().toISOString() }));
  await storage.put(key, body(), { signal, ...(replacing === undefined ? { ifAbsent: true } : { ifVersion: replacing }) });
  const stopped = new AbortController();
  const beats = (async () => {
    for (;;) {
      await runtime.sleep(HEARTBEAT_SECONDS * 1000, stopped.signal).catch(() => undefined);
      if (stopped.signal.aborted) return;
      try {
        const present = await storage.stat(key, { signal: stopped.signal });
        await storage.put(key, body(), { signal: stopped.signal, ...(present === undefined ? { ifAbsent: true } : { ifVersion: present.version }) });
      } catch (error) {
        if (!stopped.signal.aborted) runtime.log({ level: "warn", message: `the heartbeat of ${key} failed: ${(error as Error).message}` });
      }
    }
  })();
  const stop = async () => {
    stopped.abort();
    await beats;
  };
  return {
    stop,
    remove: async (options) => {
      await stop();
      await storage.remove(key, options);
    },
  };
}

function encodeMarker(key: string, author: Author, upload: Pick<Upload, "cluster" | "backup" | "action" | "startedAt" | "heartbeatAt">): Uint8Array {
  return encodeDocument(UPLOAD, key, { format: FORMAT_VERSION, requires: [], ...author, ...upload, heartbeatSeconds: HEARTBEAT_SECONDS });
}
