// A repository on a storage: found or created. docs/repository-format.md, "Repository file".
import type { z } from "zod";
import { streamOf } from "../bytes/stream.ts";
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { ObjectVersion } from "../storage/capabilities.ts";
import type { Storage } from "../storage/storage.ts";
import { claimsConditions, foundOfState, ignoresConditions, keepsItsWord, keepsItsWordAt } from "./conditions.ts";
import { createDocument, type DocumentKind, encodeDocument, readDocument } from "./document.ts";
import { PROBES_PREFIX, parseBackupId, REPOSITORY_KEY, randomId, STATE_FILE_KEY, stateProbeKey } from "./names.ts";
import { mayBeDenied } from "./object-lock.ts";
import { FORMAT_VERSION } from "./schemas/common.ts";
import { repositoryFileSchema } from "./schemas/repository-file.ts";
import { claimState, requireState } from "./state-store.ts";

export type RepositoryFile = z.infer<typeof repositoryFileSchema>;

/** Who writes: recorded in every document. */
export interface Author {
  readonly tool: { readonly name: string; readonly version: string };
  readonly writer: { readonly host: string; readonly pid: number; readonly process?: ProcessIdentity | undefined };
}

/** Tells a process from every other one: process ids are used again, and containers that share a host's name have the same. Of Linux; recorded in upload markers. */
export interface ProcessIdentity {
  readonly bootId: string;
  readonly pidNamespace: string;
  readonly startTicks: string;
}

export interface Repository {
  readonly storage: Storage;
  readonly file: RepositoryFile;
}

const PUT_IT_BACK = "put that back from a copy, or copy one there that `etcdsafe repo init` makes in an empty directory";
/** Keys by which a directory without the file is known for a repository; with more before a backup it is taken for somebody else's. */
const KEYS_LOOKED_AT_MAX = 1000;

const REPOSITORY_FILE: DocumentKind<typeof repositoryFileSchema> = {
  schema: repositoryFileSchema,
  label: "repository file",
  invalid: "REPOSITORY_INVALID",
  wayOut: `If backups are there, this file was damaged: ${PUT_IT_BACK}.`,
};

/**
 * Opens a repository. `time`: of which `storage` shows the past. Throws REPOSITORY_NOT_FOUND where there is none, with the times at which there was one
 * where versions tell; REPOSITORY_UNSUPPORTED when it is too new.
 */
export async function openRepository(storage: Storage, options: CallOptions & { readonly time?: Date | undefined }): Promise<Repository> {
  try {
    return { storage, file: await readDocument(storage, REPOSITORY_FILE, REPOSITORY_KEY, options) };
  } catch (error) {
    if (!hasCode(error, "STORAGE_NOT_FOUND")) throw error;
    const { location } = storage;
    const { time } = options;
    const message =
      time === undefined
        ? `there is no repository in ${location}: ${REPOSITORY_KEY} is missing`
        : `there was no repository in ${location} at ${time.toISOString()}: ${REPOSITORY_KEY} was missing`;
    const cluster = await clusterWithBackups(storage, options);
    const lost = cluster && `Backups of ${cluster} are there, so the repository has lost its ${REPOSITORY_KEY}: ${PUT_IT_BACK}.`;
    const hints = [lost, await whenThere(storage, options)].filter((hint) => hint !== undefined);
    if (hints.length === 0 && time !== undefined) hints.push("Check --repository and --as-of.");
    throw new EtcdsafeError("REPOSITORY_NOT_FOUND", message, { cause: error, ...(hints.length > 0 && { hint: hints.join(" ") }) });
  }
}

/** A hint, where the store has kept versions of the repository file; undefined too where that may not be asked: what failed first is what matters. */
async function whenThere({ versions }: Storage, { signal }: CallOptions): Promise<string | undefined> {
  const found: ObjectVersion[] = [];
  try {
    for await (const version of versions?.list(REPOSITORY_KEY, { signal }) ?? []) if (version.key === REPOSITORY_KEY) found.push(version);
  } catch (error) {
    if (!(error instanceof EtcdsafeError)) throw error;
  }
  const [newest, oldest] = [found[0], found.findLast(({ isDeleteMarker }) => !isDeleteMarker)];
  if (newest === undefined || oldest === undefined) return undefined;
  const from = `The store keeps versions: there was one from ${oldest.modifiedAt.toISOString()}`;
  return newest.isDeleteMarker
    ? `${from} until ${newest.modifiedAt.toISOString()}; give --as-of a time between.`
    : `${from} on; give --as-of a time after that.`;
}

async function clusterWithBackups(storage: Storage, { signal }: CallOptions): Promise<string | undefined> {
  let looked = 0;
  for await (const { key } of storage.list("", { signal })) {
    const [, cluster, id] = /^([^/]+)\/backups\/([^/]+)\/manifest\.json$/.exec(key) ?? [];
    if (id !== undefined && parseBackupId(id) !== undefined) return cluster;
    if (++looked === KEYS_LOOKED_AT_MAX) break;
  }
  return undefined;
}

/** The same for who writes there, or judges by who else does. Throws CONFIG_INVALID too, where its state is elsewhere. */
export async function openToWrite(storage: Storage, options: CallOptions): Promise<Repository> {
  const repository = await openRepository(storage, options);
  await requireState(repository, options);
  return repository;
}

/**
 * Opens a repository to write there, creating it where there is none: the first save does. Throws REPOSITORY_NOT_EMPTY where something else is stored, and
 * what openToWrite throws.
 */
export async function openOrCreateRepository(
  storage: Storage,
  { tool }: Author,
  options: CallOptions & {
    readonly runtime: Pick<Runtime, "now" | "randomBytes" | "log">;
    /** Of a new one. */
    readonly policy?: RepositoryFile["policy"];
  },
): Promise<Repository> {
  const { runtime, signal, policy = {} } = options;
  const { stateLocation } = storage;
  let wasRefused = false;
  if ((await storage.stat(REPOSITORY_KEY, { signal })) === undefined && (await isEmpty(storage, { signal }))) {
    const id = randomId(runtime.randomBytes);
    const file: RepositoryFile = {
      format: FORMAT_VERSION,
      requires: [],
      id: stateLocation === undefined ? id : await claimState(storage, { tool }, id, { signal }),
      createdAt: runtime.now().toISOString(),
      createdBy: tool,
      ...(stateLocation !== undefined && { stateStore: { location: stateLocation } }),
      policy,
    };
    const before = await whenThere(storage, { signal });
    if (before !== undefined) runtime.log({ level: "warn", message: `a new repository begins in ${storage.location}, where there was another. ${before}` });
    // Whoever is faster, there is one afterwards.
    if (await createDocument(storage, REPOSITORY_FILE, REPOSITORY_KEY, file, { signal })) return provenIfAllowed({ storage, file }, options);
    wasRefused = true;
  }
  const repository = await openRepository(storage, { signal }).catch((error: unknown) => {
    throw wasRefused && hasCode(error, "REPOSITORY_NOT_FOUND") ? nameKept(storage, error) : error;
  });
  await requireState(repository, { signal });
  return ignoresConditions(repository) === undefined ? provenIfAllowed(repository, options) : repository;
}

/** Who may not overwrite the repository file can save all the same: as where conditions are ignored. */
async function provenIfAllowed(repository: Repository, options: ProofOptions): Promise<Repository> {
  const proven = await mayBeDenied(() => proveConditions(repository, options));
  return proven === "denied" ? repository : proven;
}

/** Neither there, nor to be created. */
function nameKept({ location }: Storage, cause: EtcdsafeError): EtcdsafeError {
  const message = `no repository was created in ${location}: ${REPOSITORY_KEY} was deleted there, and the store does not create again what was deleted`;
  return new EtcdsafeError("REPOSITORY_NOT_FOUND", message, {
    cause,
    hint: "Name another prefix. What was there before it was deleted shows with --as-of TIME, where the store tells the right times (docs/stores.md).",
  });
}

type ProofOptions = CallOptions & { readonly runtime: Pick<Runtime, "randomBytes"> };

/** So many others try the same at once only if something is wrong. */
const PROOF_TRIES_MAX = 3;

/**
 * Tries whether the stores of a repository refuse a second create, and the replacement of a version that is no longer there; the repository file remembers it,
 * of each store. On the repository file itself: what is put there differs by blanks at its end only, so that a store that takes it has lost nothing, and a
 * backend that sends again takes it for no success of its own. A store of the state has none, and is tried on an object of its own. What was found to be
 * ignored stays so. Where others change the file all the time, nothing is remembered.
 */
export async function proveConditions(repository: Repository, options: ProofOptions): Promise<Repository> {
  const { storage } = repository;
  if (!claimsConditions(storage)) return repository;
  const stateStore = await provenState(repository, options);
  for (let tries = 1; ; tries++) {
    try {
      return { storage, file: await provenFile(storage, stateStore, options) };
    } catch (error) {
      if (!hasCode(error, "STORAGE_CONFLICT")) throw error;
      if (tries === PROOF_TRIES_MAX) return openRepository(storage, options);
    }
  }
}

type StateStore = RepositoryFile["stateStore"];

async function provenState({ storage, file }: Repository, { runtime, signal }: ProofOptions): Promise<StateStore> {
  const { stateLocation: location } = storage;
  if (location === undefined) return undefined;
  const isKnown = foundOfState(file, location) === true;
  return { location, ignoresConditions: isKnown || !(await keepsItsWordAt(storage, stateProbeKey(runtime.randomBytes), { signal })) };
}

async function provenFile(storage: Storage, stateStore: StateStore, options: ProofOptions): Promise<RepositoryFile> {
  const { signal } = options;
  // The version first: of a file that was changed since, it is an old one.
  const version = (await storage.stat(REPOSITORY_KEY, { signal }))?.version ?? "";
  const { file } = await openRepository(storage, options);
  const isKnown = file.ignoresConditions === true;
  const next = isKnown ? undefined : await keepsItsWord(storage, REPOSITORY_KEY, encodeRepositoryFile(file), version, { signal });
  const remembering = { ...file, ignoresConditions: next === undefined, ...(stateStore && { stateStore }) };
  if (!isKnown || stateStore !== undefined)
    await storage.put(REPOSITORY_KEY, streamOf(encodeRepositoryFile(remembering)), { signal, ...(next !== undefined && { ifVersion: next }) });
  return remembering;
}

/** The bytes to store. Throws where it does not fit its own format. */
export function encodeRepositoryFile(file: RepositoryFile): Uint8Array {
  return encodeDocument(REPOSITORY_FILE, REPOSITORY_KEY, file);
}

/** False for a repository that somebody else has just created. Any object at all counts: names of clusters may be those of directories that are not ours. */
async function isEmpty(storage: Storage, { signal }: CallOptions): Promise<boolean> {
  for await (const { key } of storage.list("", { signal })) {
    if (key.startsWith(PROBES_PREFIX) || key === STATE_FILE_KEY) continue; // Whose that is, claimState tells.
    if ((await storage.stat(REPOSITORY_KEY, { signal })) !== undefined) return false;
    throw new EtcdsafeError("REPOSITORY_NOT_EMPTY", `no repository was created in ${storage.location}: something else is there already, ${key}`);
  }
  return true;
}
