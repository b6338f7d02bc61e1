// Where a repository keeps its state, the objects that are rewritten, when that is another store: --state-url. It has one place, from the beginning, which the
// repository file names; and a file there names the repository, so that an empty directory where another should be mounted is not taken for it.
// Who looked elsewhere would see nobody at work, and would remove what is being written or write it a second time.
import type { z } from "zod";
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import { isSamePlace } from "../storage/place.ts";
import type { Storage } from "../storage/storage.ts";
import { createDocument, type DocumentKind, readDocument } from "./document.ts";
import { STATE_FILE_KEY } from "./names.ts";
import type { Author, Repository } from "./repository.ts";
import { FORMAT_VERSION } from "./schemas/common.ts";
import { stateFileSchema } from "./schemas/state-file.ts";

const STATE_FILE: DocumentKind<typeof stateFileSchema> = { schema: stateFileSchema, label: "state file", invalid: "REPOSITORY_INVALID" };

/** Throws CONFIG_INVALID where `storage` has another state than the repository's, or none: for all that write, and what judges by who else does. */
export async function requireState(repository: Repository, options: CallOptions): Promise<void> {
  const fault = await stateFault(repository, options);
  if (fault !== undefined) throw fault;
}

/** What requireState throws; undefined where the state is the repository's. Throws where that cannot be found out. */
export async function stateFault(repository: Repository, options: CallOptions): Promise<EtcdsafeError | undefined> {
  const { storage, file } = repository;
  if (!isStateOf(repository)) return keptElsewhere(repository);
  if (storage.stateLocation === undefined) return undefined;
  const owner = await ownerOf(storage, options);
  if (owner?.id === file.id) return undefined;
  const what = owner === undefined ? `${STATE_FILE_KEY} is missing` : `it is that of ${owner.location}`;
  return new EtcdsafeError("CONFIG_INVALID", `${storage.stateLocation} does not hold the state of the repository in ${storage.location}: ${what}`, {
    hint: "Is it mounted, and are the endpoint and the credentials those of that store? docs/stores.md tells what to do where it is lost.",
  });
}

/**
 * The id for a new repository whose state is in a store of its own: `id`, or the one that somebody who is creating it at the same time, or has died of it, has
 * given it. Throws CONFIG_INVALID where another repository has its state there.
 */
export async function claimState(storage: Storage, { tool }: Pick<Author, "tool">, id: string, options: CallOptions): Promise<string> {
  const { location, stateLocation } = storage;
  const claim: z.input<typeof stateFileSchema> = { format: FORMAT_VERSION, requires: [], tool, repository: { id, location } };
  if (await createDocument(storage, STATE_FILE, STATE_FILE_KEY, claim, options)) return id;
  const owner = await ownerOf(storage, options);
  if (owner?.location === location) return owner.id;
  throw new EtcdsafeError("CONFIG_INVALID", `${stateLocation} holds the state of another repository: of ${owner?.location ?? "one that was just removed"}`, {
    hint: "Each repository has a state of its own: give another --state-url.",
  });
}

/** The repository file may spell it as somebody has typed it there. Pure. */
function isStateOf({ storage: { stateLocation }, file: { stateStore } }: Repository): boolean {
  if (stateLocation === undefined || stateStore === undefined) return stateLocation === stateStore?.location;
  return isSamePlace(stateLocation, stateStore.location);
}

async function ownerOf(storage: Storage, options: CallOptions): Promise<{ readonly id: string; readonly location: string } | undefined> {
  try {
    return (await readDocument(storage, STATE_FILE, STATE_FILE_KEY, options)).repository;
  } catch (error) {
    if (!hasCode(error, "STORAGE_NOT_FOUND")) throw error;
    if (error.cause instanceof EtcdsafeError && error.cause.code !== error.code) throw error.cause; // Taken for empty (or-absent.ts), which shows nothing.
    return undefined;
  }
}

function keptElsewhere({ storage, file }: Repository): EtcdsafeError {
  const kept = file.stateStore === undefined ? "with its backups" : `in ${file.stateStore.location}`;
  const given = storage.stateLocation === undefined ? "and no --state-url was given" : `and --state-url names ${storage.stateLocation}`;
  const right = file.stateStore === undefined ? "Leave --state-url out" : `Give --state-url ${file.stateStore.location}`;
  return new EtcdsafeError("CONFIG_INVALID", `the repository in ${storage.location} keeps its state ${kept}, ${given}`, {
    hint: `${right}: who looks elsewhere sees no other writer. docs/stores.md tells how to move it.`,
  });
}
