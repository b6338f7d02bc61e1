// Whether a store keeps its word about conditional creates: the fence between two writers stands on it. docs/repository-format.md, "Repository file".
import { streamOf } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { PutOptions, Storage } from "../storage/storage.ts";
import type { Repository } from "./repository.ts";

/** Whether a put whose condition does not hold is refused, as it has to be. Where it is not, `bytes` are stored under `key` afterwards. */
export async function isRefused(
  storage: Storage,
  key: string,
  bytes: Uint8Array,
  condition: Pick<PutOptions, "ifAbsent" | "ifVersion">,
  { signal }: CallOptions,
): Promise<boolean> {
  try {
    await storage.put(key, streamOf(bytes), { signal, ...condition });
    return false;
  } catch (error) {
    if (error instanceof EtcdsafeError && error.code === "STORAGE_CONFLICT") return true;
    throw error;
  }
}

/** Whether an object of that name can be created after one was removed; `key` is of nothing that is needed. Leaves none. */
export async function createsAfterRemoval(storage: Storage, key: string, { signal }: CallOptions): Promise<boolean> {
  const bytes = Buffer.from("again");
  await storage.remove(key, { signal }); // First of all: who may not do that leaves nothing behind.
  await storage.put(key, streamOf(bytes), { signal });
  await storage.remove(key, { signal });
  const created = !(await isRefused(storage, key, bytes, { ifAbsent: true }, { signal }));
  await storage.remove(key, { signal });
  return created;
}

/** Whether the store is known, or believed, to refuse what a condition forbids. Pure. */
export function honoursConditions({ storage, file }: Repository): boolean {
  const { putIfAbsent, putIfVersion } = storage.capabilities;
  return putIfAbsent && putIfVersion && file.ignoresConditions !== true;
}

/** Throws CONFIG_INVALID where several writers could overwrite what each other has created. `purpose` begins the message: "recording". Pure. */
export function requireConditions(repository: Repository, purpose: string): void {
  const { storage } = repository;
  if (honoursConditions(repository)) return;
  throw new EtcdsafeError("CONFIG_INVALID", `${purpose} needs a store that refuses to create what exists already, and ${storage.location} does not`, {
    hint: "`etcdsafe repo validate` shows what the store does. A single host's saves work there; keep anything else away from it.",
  });
}
