// Whether a backup is under keys that were drawn for those alone whom it is encrypted to: one that leaked opens whatever stands behind a header for it.
import { isDeepStrictEqual } from "node:util";
import { readNonce } from "../age/file.ts";
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { CatalogueEntry } from "../repository/catalogue.ts";
import type { Manifest, StoredObject } from "../repository/manifest.ts";
import { backupObjectKey } from "../repository/names.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";

/**
 * Whether it says that its keys were drawn when it was made, and no other of `entries`, damaged or not, has one of its payloads behind another header. Reads
 * about 1 KiB of each that may have. False where it cannot be told.
 */
export async function hasOwnKey(storage: Storage, manifest: Manifest, entries: readonly CatalogueEntry[], { signal }: CallOptions): Promise<boolean> {
  const { cluster, id, objects } = manifest;
  if (keepsKey(manifest)) return false;
  // What is made of a backup has its id but for the last part.
  const others = entries.filter((other) => other.id !== id && stemOf(other.id) === stemOf(id));
  for (const object of objects) {
    const nonce = await nonceAt(storage, backupObjectKey(cluster, id, object.name), { signal });
    if (nonce instanceof EtcdsafeError) return false;
    for (const other of others) if (await hasPayload(storage, cluster, other, object, nonce, { signal })) return false;
  }
  return true;
}

/** Or may keep it; so does what was saved, of which nothing says that a leaked key does not open it. */
function keepsKey({ origin }: Manifest): boolean {
  return origin.kind !== "rekeyed" || origin.keepsKey !== false;
}

/** Whether the payload with this nonce may be in the other backup too. */
async function hasPayload(
  storage: Storage,
  cluster: string,
  other: CatalogueEntry,
  { role, name }: StoredObject,
  nonce: Uint8Array,
  { signal }: CallOptions,
): Promise<boolean> {
  const { manifest } = other;
  const names = manifest === null ? [name] : manifest.objects.filter((each) => each.role === role).map((each) => each.name);
  for (const each of names) {
    const found = await nonceAt(storage, backupObjectKey(cluster, other.id, each), { signal });
    if (!(found instanceof EtcdsafeError)) {
      if (isDeepStrictEqual(found, nonce)) return true;
      continue;
    }
    // Its manifest being no help, what is not there under this name was not encrypted, or is gone. Else that tells, also of what was not encrypted.
    const isOther = manifest === null ? hasCode(found, "STORAGE_NOT_FOUND") : manifest.origin.kind !== "rekeyed" || manifest.origin.keepsKey === false;
    if (!isOther) return true;
  }
  return false;
}

/** Or why it cannot be read. Throws only when aborted, or for a fault of ours. */
async function nonceAt(storage: Storage, key: string, { signal }: CallOptions): Promise<Uint8Array | EtcdsafeError> {
  try {
    return await readNonce((range, options) => storage.read(key, { ...options, range }), key, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof EtcdsafeError && error.code !== "INTERNAL") return error;
    throw error;
  }
}

function stemOf(id: string): string {
  return id.slice(0, id.lastIndexOf("-"));
}
