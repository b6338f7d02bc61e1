// Of two copies that encrypt one backup at the same time, each with keys of its own, the manifest of one may come to lie beside the objects of the other, under
// the same names and of the same sizes. Neither can put that right. So whoever did not end well looks at what is published in the end, and has the store say
// what is wrong with it: then it is listed as damaged, and no copy takes it for present.
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { readManifest } from "./manifest.ts";
import { backupObjectKey, manifestKey } from "./names.ts";
import { checkStoredBytes } from "./object-decoder.ts";
import type { Author } from "./repository.ts";
import { writeVerification } from "./sidecars.ts";

export interface LookOptions extends CallOptions {
  readonly runtime: Pick<Runtime, "now" | "log">;
  readonly author: Author;
}

/** What is wrong with the backup that is published there; undefined where there is none, or it is whole. Throws what reading and writing throw. */
export async function publishedDamage(storage: Storage, cluster: string, id: string, options: LookOptions): Promise<EtcdsafeError | undefined> {
  const startedAt = options.runtime.now().toISOString();
  if (!(await isPublished(storage, cluster, id, options))) return undefined;
  if ((await faultOf(storage, cluster, id, options)) === undefined) return undefined;
  // What is damaged in the store is so twice.
  const fault = await faultOf(storage, cluster, id, options);
  if (fault === undefined || !(await isPublished(storage, cluster, id, options))) return undefined;
  const { code, message, hint } = fault;
  const failed = { level: "stored-bytes", outcome: "failed", hashKv: null, failure: { code, message, hint }, findings: [], readSizeBytes: 0 } as const;
  const finishedAt = options.runtime.now().toISOString();
  await writeVerification(storage, cluster, options.author, { backup: id, ...failed, findings: [], startedAt, finishedAt }, options);
  const damage = new EtcdsafeError("SNAPSHOT_DAMAGED", `${id} in ${storage.location} is damaged, as where two copies are made at the same time: ${message}`, {
    hint: "It cannot be restored. Remove the one there, and copy again.",
    cause: fault,
  });
  options.runtime.log({ level: "error", message: damage.message });
  return damage;
}

async function isPublished(storage: Storage, cluster: string, id: string, { signal }: CallOptions): Promise<boolean> {
  return (await storage.stat(manifestKey(cluster, id), { signal })) !== undefined;
}

async function faultOf(storage: Storage, cluster: string, id: string, { signal }: CallOptions): Promise<EtcdsafeError | undefined> {
  try {
    const { objects } = await readManifest(storage, cluster, id, { signal });
    for (const object of objects) await checkStoredBytes(storage, backupObjectKey(cluster, id, object.name), object, { signal });
    return undefined;
  } catch (error) {
    if (error instanceof EtcdsafeError && FAULTS.has(error.code)) return error;
    throw error;
  }
}

const FAULTS: ReadonlySet<string> = new Set(["OBJECT_TRUNCATED", "OBJECT_CORRUPT", "STORAGE_NOT_FOUND"]);
