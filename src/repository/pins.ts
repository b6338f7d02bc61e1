// Pins: backups that retention keeps until somebody says otherwise. docs/repository-format.md, "Pins".
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { createDocument, type DocumentKind, readDocument } from "./document.ts";
import { inTurns } from "./in-turns.ts";
import { parseBackupId, pinKey, pinsPrefix } from "./names.ts";
import type { Author } from "./repository.ts";
import { FORMAT_VERSION } from "./schemas/common.ts";
import { pinSchema } from "./schemas/pin.ts";

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
export async function readPins(storage: Storage, cluster: string, options: CallOptions): Promise<ReadonlyMap<string, Pin>> {
  const prefix = pinsPrefix(cluster);
  const ids: string[] = [];
  for await (const { key } of storage.list(prefix, options)) {
    const id = key.slice(prefix.length).replace(/\.json$/, "");
    if (key === pinKey(cluster, id) && parseBackupId(id) !== undefined) ids.push(id);
  }
  const pins = await inTurns(ids, async (id) => [id, await readPin(storage, cluster, id, options)] as const);
  return new Map(pins.flatMap(([id, pin]) => (pin === undefined ? [] : [[id, pin] as const])));
}

/** Undefined where there is none. */
export async function readPin(storage: Storage, cluster: string, id: string, options: CallOptions): Promise<Pin | undefined> {
  try {
    const { cluster: of, backup, reason, pinnedAt } = await readDocument(storage, PIN, pinKey(cluster, id), options);
    return of === cluster && backup === id ? { reason, pinnedAt } : UNREADABLE;
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || options.signal.aborted) throw error;
    return error.code === "STORAGE_NOT_FOUND" ? undefined : UNREADABLE;
  }
}

/** Says false, and leaves things as they are, where the backup is pinned already. Whether it is there is asked by nobody here. */
export function writePin(
  storage: Storage,
  cluster: string,
  { tool, writer }: Author,
  facts: { readonly backup: string; readonly reason: string; readonly pinnedAt: string },
  options: CallOptions,
): Promise<boolean> {
  const pin = { format: FORMAT_VERSION as typeof FORMAT_VERSION, requires: [], tool, writer, cluster, ...facts };
  return createDocument(storage, PIN, pinKey(cluster, facts.backup), pin, options);
}

/** Says false where there was none. */
export async function removePin(storage: Storage, cluster: string, backup: string, options: CallOptions): Promise<boolean> {
  const key = pinKey(cluster, backup);
  if ((await storage.stat(key, options)) === undefined) return false;
  await storage.remove(key, options);
  return true;
}
