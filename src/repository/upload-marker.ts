// uploads/<backup id>.json: tells `repo gc` that objects without a manifest are being written still. docs/repository-format.md, "Uploads".
import type { z } from "zod";
import { streamOf } from "../bytes/stream.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { type DocumentKind, encodeDocument } from "./document.ts";
import { uploadKey } from "./names.ts";
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

/** Writes the marker and keeps it fresh until it is removed or stopped. A heartbeat that fails is logged and tried again. */
export async function placeUploadMarker(
  storage: Storage,
  author: Author,
  upload: Pick<Upload, "cluster" | "backup" | "action">,
  { runtime, signal }: CallOptions & { readonly runtime: Pick<Runtime, "now" | "sleep" | "log"> },
): Promise<UploadMarker> {
  const key = uploadKey(upload.cluster, upload.backup);
  const startedAt = runtime.now().toISOString();
  const body = () => {
    const document: Upload = {
      format: FORMAT_VERSION,
      requires: [],
      ...author,
      ...upload,
      startedAt,
      heartbeatAt: runtime.now().toISOString(),
      heartbeatSeconds: HEARTBEAT_SECONDS,
    };
    return streamOf(encodeDocument(UPLOAD, key, document));
  };
  await storage.put(key, body(), { signal, ifAbsent: true });
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
