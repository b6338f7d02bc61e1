// A storage whose manifests can be read only where a trusted key has signed them. A wrapper, so that nothing that reads a manifest can forget to ask.
import { collect, streamOf } from "../bytes/stream.ts";
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { wrapped } from "../storage/wrapped.ts";
import { DOCUMENT_SIZE_BYTES_MAX } from "./document.ts";
import { isManifestKey, manifestKey } from "./names.ts";
import { isSignedByAnybody, requireSigned, signatureKey, type TrustedKey } from "./signature.ts";

/** Reading any other manifest rejects with MANIFEST_UNTRUSTED. */
export function onlySigned(inner: Storage, trusted: readonly TrustedKey[]): Storage {
  return wrapped(inner, { read: (key, options) => (isManifestKey(key) ? readSigned(inner, key, trusted, options) : inner.read(key, options)) });
}

/** Whether a manifest is there that anybody at all has signed. */
export async function isSigned(storage: Storage, cluster: string, id: string, options: CallOptions): Promise<boolean> {
  const key = manifestKey(cluster, id);
  const signature = await readSignature(storage, key, options);
  return signature !== undefined && isSignedByAnybody(key, await readWhole(storage, key, options), signature);
}

async function* readSigned(storage: Storage, key: string, trusted: readonly TrustedKey[], { signal }: CallOptions): AsyncGenerator<Uint8Array> {
  const bytes = await readWhole(storage, key, { signal });
  requireSigned(key, bytes, await readSignature(storage, key, { signal }), trusted);
  yield* streamOf(bytes);
}

/** Undefined where there is none. */
async function readSignature(storage: Storage, key: string, options: CallOptions): Promise<Uint8Array | undefined> {
  try {
    return await readWhole(storage, signatureKey(key), options);
  } catch (error) {
    if (hasCode(error, "STORAGE_NOT_FOUND")) return undefined;
    throw error;
  }
}

function readWhole(storage: Storage, key: string, { signal }: CallOptions): Promise<Uint8Array> {
  const tooLong = () => new EtcdsafeError("MANIFEST_INVALID", `${key} is longer than ${DOCUMENT_SIZE_BYTES_MAX} bytes`);
  return collect(storage.read(key, { signal }), DOCUMENT_SIZE_BYTES_MAX, tooLong);
}
