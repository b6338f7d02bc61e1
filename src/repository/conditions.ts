// Whether a store keeps its word about conditional creates and replacements: the fence between two writers stands on it. docs/repository-format.md, "Repository file".
import { streamOf } from "../bytes/stream.ts";
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import { isSamePlace } from "../storage/place.ts";
import type { PutOptions, Storage } from "../storage/storage.ts";
import { mayBeDenied } from "./object-lock.ts";
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
    if (hasCode(error, "STORAGE_CONFLICT")) return true;
    throw error;
  }
}

/**
 * Whether a second create of `key`, which holds `bytes` in `version`, is refused, and a replacement of a version that is no longer there. It holds `bytes`
 * afterwards, with blanks at its end, in the version that is returned; undefined where something was not refused. Throws STORAGE_CONFLICT where somebody else
 * has changed it meanwhile.
 */
export async function keepsItsWord(storage: Storage, key: string, bytes: Uint8Array, version: string, { signal }: CallOptions): Promise<string | undefined> {
  const changed = (blanks: number) => Buffer.concat([bytes, Buffer.from("\n".repeat(blanks))]); // Other bytes each time: else nothing shows that they were taken.
  if (!(await isRefused(storage, key, changed(1), { ifAbsent: true }, { signal }))) return undefined;
  const next = await storage.put(key, streamOf(changed(1)), { signal, ifVersion: version });
  return (await isRefused(storage, key, changed(2), { ifVersion: version }, { signal })) ? next.version : undefined;
}

/** The same of an object of its own, which is removed again as far as that may be: nobody else changes it, so a store that says so keeps no word either. */
export async function keepsItsWordAt(storage: Storage, key: string, { signal }: CallOptions): Promise<boolean> {
  const bytes = Buffer.from("tried\n");
  const { version } = await storage.put(key, streamOf(bytes), { signal });
  try {
    return (await keepsItsWord(storage, key, bytes, version, { signal })) !== undefined;
  } catch (error) {
    if (hasCode(error, "STORAGE_CONFLICT")) return false;
    throw error;
  } finally {
    await mayBeDenied(() => storage.remove(key, { signal }));
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

/** What was found out of the stores that `storage` is in: whether one ignores what a condition forbids; undefined where one was not tried. Pure. */
export function ignoresConditions({ storage, file }: Repository): boolean | undefined {
  const { stateLocation } = storage;
  const found = [file.ignoresConditions, ...(stateLocation === undefined ? [] : [foundOfState(file, stateLocation)])];
  return found.includes(true) ? true : found.includes(undefined) ? undefined : false;
}

/** The same of a store of the state alone. Pure. */
export function foundOfState({ stateStore }: Repository["file"], stateLocation: string): boolean | undefined {
  return stateStore !== undefined && isSamePlace(stateStore.location, stateLocation) ? stateStore.ignoresConditions : undefined;
}

/** Whether every store that the repository is in is known to refuse what a condition forbids: one that was not tried is not trusted. Pure. */
export function honoursConditions(repository: Repository): boolean {
  return claimsConditions(repository.storage) && ignoresConditions(repository) === false;
}

/** Where a store says itself that it has none, there is nothing to try. Pure. */
export function claimsConditions({ capabilities }: Storage): boolean {
  return capabilities.putIfAbsent && capabilities.putIfVersion;
}

/** Throws CONFIG_INVALID where several writers could overwrite what each other has created. `purpose` begins the message: "recording". Pure. */
export function requireConditions(repository: Repository, purpose: string): void {
  if (honoursConditions(repository)) return;
  const { storage } = repository;
  const where = storage.stateLocation === undefined ? storage.location : `${storage.location} with its state in ${storage.stateLocation}`;
  const needs = `${purpose} needs a store that refuses to overwrite what another has written`;
  if (claimsConditions(storage) && ignoresConditions(repository) === undefined)
    throw new EtcdsafeError("CONFIG_INVALID", `${needs}, and whether ${where} does was not tried`, {
      hint: "`etcdsafe repo init`, with the options that name the repository and its state, tries it and changes nothing else; so does the next save.",
    });
  throw new EtcdsafeError("CONFIG_INVALID", `${needs}, and ${where} does not`, {
    hint: "`etcdsafe repo validate` shows what the store does. A single host's saves work there; keep anything else away from it.",
  });
}
