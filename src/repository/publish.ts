// Publication of a backup: marker, objects, manifest last. docs/repository-format.md, "Order of writing".
import { type ByteReader, streamOf } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { encodeManifest, type Manifest, type StoredObject } from "./manifest.ts";
import { backupObjectKey, manifestKey } from "./names.ts";
import { type EncodeOptions, encodeObject } from "./object-encoder.ts";
import { checkStoredSize } from "./object-frames.ts";
import type { Author, Repository } from "./repository.ts";
import { placeUploadMarker } from "./upload-marker.ts";

/** A backup being written; either published or abandoned in the end. */
export interface BackupUpload {
  /** Encodes and stores one object; the entry for the manifest's `objects`. The name of one that is encrypted gets `.age` behind it. */
  put(object: Pick<StoredObject, "role" | "name">, raw: ByteReader, options: EncodeOptions): Promise<StoredObject>;
  /** Writes the manifest, after which the backup exists, and takes the marker away. The objects it names must be there. */
  publish(manifest: Manifest, options: CallOptions): Promise<void>;
  /** Removes what was stored, as far as the store lets us in `limitMs`. Never throws: `repo gc` finds the rest. After `publish` began it removes nothing. */
  abandon(limitMs: number): Promise<void>;
}

/** Begins a backup with an id of its own. */
export async function beginUpload(
  { storage }: Repository,
  author: Author,
  backup: { readonly cluster: string; readonly id: string; readonly action: "save" | "copy" | "compact" | "rekey" },
  options: CallOptions & { readonly runtime: Pick<Runtime, "now" | "sleep" | "log"> },
): Promise<BackupUpload> {
  const { cluster, id, action } = backup;
  const { runtime } = options;
  const marker = await placeUploadMarker(storage, author, { cluster, backup: id, action }, options);
  const own = new Set<string>();
  let publishing = false;
  return {
    put: async ({ role, name: plainName }, raw, options) => {
      const name = options.encryption === undefined ? plainName : `${plainName}.age`;
      const key = backupObjectKey(cluster, id, name);
      own.add(key);
      const encoded = encodeObject(raw, options);
      const { sizeBytes } = await storage.put(key, encoded.stored, { signal: options.signal, ifAbsent: true }).catch((error: unknown) => {
        if (error instanceof EtcdsafeError && error.code === "STORAGE_CONFLICT") own.delete(key); // It is another writer's.
        throw error;
      });
      const facts = encoded.facts();
      if (sizeBytes !== facts.storedSizeBytes)
        throw new EtcdsafeError("OBJECT_TRUNCATED", `${storage.location} holds ${sizeBytes} bytes of ${key} after it was sent ${facts.storedSizeBytes}`);
      return { role, name, ...facts, storeVersion: null };
    },
    publish: async (manifest, { signal }) => {
      const bytes = encodeManifest(manifest);
      // A process that slept for long may find that `repo gc` took its objects for garbage.
      for (const object of manifest.objects) await checkStoredSize(storage, backupObjectKey(cluster, id, object.name), object, { signal });
      publishing = true;
      try {
        await storage.put(manifestKey(cluster, id), streamOf(bytes), { signal, ifAbsent: true });
      } catch (error) {
        await marker.stop(); // Whether the manifest arrived is not known for certain, so nothing is removed.
        throw error;
      }
      await marker.remove({ signal }).catch((error: unknown) => {
        runtime.log({ level: "warn", message: `${id} is stored, but its upload marker could not be removed: ${(error as Error).message}` });
      });
    },
    abandon: async (limitMs) => {
      if (publishing) return;
      const signal = AbortSignal.timeout(limitMs);
      try {
        for (const key of own) await storage.remove(key, { signal });
        await marker.remove({ signal });
      } catch (error) {
        await marker.stop();
        runtime.log({ level: "warn", message: `the unfinished backup ${id} could not be removed: ${(error as Error).message}` });
      }
    },
  };
}
