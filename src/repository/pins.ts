// Pins: backups that retention keeps until somebody says otherwise. docs/repository-format.md, "Pins".
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { ObjectInfo, Storage } from "../storage/storage.ts";
import { type DocumentCache, NO_CACHE } from "./catalogue-cache.ts";
import { createDocument, type DocumentKind, readDocument } from "./document.ts";
import { inTurns } from "./in-turns.ts";
import { pinKey, pinsPrefix } from "./names.ts";
import { recognise } from "./recognise.ts";
import type { Author } from "./repository.ts";
import { pinSchema } from "./schemas/pin.ts";
import { head } from "./sidecars.ts";

export interface Pin {
  /** The operator's; or that it cannot be read. */
  readonly reason: string;
  /** Null where it cannot be read. */
  readonly pinnedAt: string | null;
}

const PIN: DocumentKind<typeof pinSchema> = { schema: pinSchema, label: "pin", invalid: "REPOSITORY_INVALID" };
/** A pin is there to be on the safe side: what is wrong with it unpins nothing. */
const UNREADABLE: Pin = { reason: "its pin cannot be read", pinnedAt: null };

/** Of every backup that is pinned, by its id. */
export async function readPins(
  storage: Storage,
  cluster: string,
  options: CallOptions & { readonly cache?: DocumentCache | undefined },
): Promise<ReadonlyMap<string, Pin>> {
  const { cache = NO_CACHE, signal } = options;
  const found: { id: string; info: ObjectInfo }[] = [];
  for await (const info of storage.list(pinsPrefix(cluster), { signal })) {
    const known = recognise(info.key);
    if (known?.kind === "pin") found.push({ id: known.backup, info });
  }
  const pins = await inTurns(found, async ({ id, info }) => {
    const pin = await pinOr(() => cache.of(info, () => readStored(storage, cluster, id, { signal })), { signal });
    return pin === undefined ? [] : [[id, pin] as const];
  });
  return new Map(pins.flat());
}

/** Undefined where there is none. */
export function readPin(storage: Storage, cluster: string, id: string, options: CallOptions): Promise<Pin | undefined> {
  return pinOr(() => readStored(storage, cluster, id, options), options);
}

async function pinOr(read: () => Promise<Pin>, { signal }: CallOptions): Promise<Pin | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || signal.aborted) throw error;
    return error.code === "STORAGE_NOT_FOUND" ? undefined : UNREADABLE;
  }
}

async function readStored(storage: Storage, cluster: string, id: string, options: CallOptions): Promise<Pin> {
  const { cluster: of, backup, reason, pinnedAt } = await readDocument(storage, PIN, pinKey(cluster, id), options);
  if (of === cluster && backup === id) return { reason, pinnedAt };
  throw new EtcdsafeError("REPOSITORY_INVALID", `${pinKey(cluster, id)} belongs to ${of}/${backup}`);
}

/** Says false, and leaves things as they are, where the backup is pinned already. Whether it is there is asked by nobody here. */
export function writePin(
  storage: Storage,
  cluster: string,
  author: Author,
  facts: { readonly backup: string; readonly reason: string; readonly pinnedAt: string },
  options: CallOptions,
): Promise<boolean> {
  return createDocument(storage, PIN, pinKey(cluster, facts.backup), { ...head(cluster, author), ...facts }, options);
}

interface PinPlace {
  readonly storage: Storage;
  readonly backup: string;
}

/** What is wanted of one backup is wanted of another that holds the same: the second is pinned where the first is, unless it is already. */
export async function carryPin(
  from: PinPlace,
  to: PinPlace,
  cluster: string,
  author: Author,
  { signal, runtime }: CallOptions & { readonly runtime: Pick<Runtime, "now"> },
): Promise<void> {
  const pin = await readPin(from.storage, cluster, from.backup, { signal });
  if (pin === undefined) return;
  await writePin(to.storage, cluster, author, { backup: to.backup, reason: pin.reason, pinnedAt: runtime.now().toISOString() }, { signal });
}

/** Says false where there was none. */
export async function removePin(storage: Storage, cluster: string, backup: string, options: CallOptions): Promise<boolean> {
  const key = pinKey(cluster, backup);
  if ((await storage.stat(key, options)) === undefined) return false;
  await storage.remove(key, options);
  return true;
}
