// A repository with backups of certain times, as saves would have left them: small objects, whole manifests.
import { streamOf } from "../../src/bytes/stream.ts";
import { encodeManifest, type Manifest } from "../../src/repository/manifest.ts";
import { backupObjectKey, manifestKey } from "../../src/repository/names.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { sampleManifest } from "../repository/sample-manifest.ts";

const { signal } = new AbortController();

/** Stores a backup that was made then, and gives its id. */
export async function storeAt(storage: Storage, createdAt: string, changes: Partial<Manifest> = {}): Promise<string> {
  const manifest = sampleManifest({ createdAt, publishedAt: createdAt, ...changes });
  for (const { name, storedSizeBytes } of manifest.objects)
    await storage.put(backupObjectKey(manifest.cluster, manifest.id, name), streamOf(new Uint8Array(storedSizeBytes)), { signal });
  await storage.put(manifestKey(manifest.cluster, manifest.id), streamOf(encodeManifest(manifest)), { signal });
  return manifest.id;
}
