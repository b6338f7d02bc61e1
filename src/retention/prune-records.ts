// prunes/<time>.json: what each run of retention did. docs/repository-format.md, "Prunes". By them the next run knows what is usual.
import type { z } from "zod";
import { EtcdsafeError } from "../errors.ts";
import { type DocumentKind, readDocument } from "../repository/document.ts";
import { inTurns } from "../repository/in-turns.ts";
import { attemptsPrefix, pruneKey, prunesPrefix } from "../repository/names.ts";
import { recognise } from "../repository/recognise.ts";
import type { Author } from "../repository/repository.ts";
import { pruneSchema } from "../repository/schemas/prune.ts";
import { createInTime, head } from "../repository/sidecars.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { ObjectInfo, Storage } from "../storage/storage.ts";

export type PruneRun = Omit<z.infer<typeof pruneSchema>, "format" | "requires" | "tool" | "writer" | "cluster">;

const PRUNE: DocumentKind<typeof pruneSchema> = { schema: pruneSchema, label: "record of a prune", invalid: "REPOSITORY_INVALID" };
const DAY_MS = 24 * 60 * 60 * 1000;
/** docs/repository-format.md, "Prunes" and "Attempts". */
const RUNS_KEPT_MS = 90 * DAY_MS;
const RUNS_KEPT_MIN = 20;
const ATTEMPTS_KEPT_MS = 7 * DAY_MS;
/** Most runs of a policy that is kept to remove something. */
const RUNS_READ_MAX = 50;

/** Stores it and returns its key. */
export function writeRun(storage: Storage, cluster: string, author: Author, run: PruneRun, options: CallOptions): Promise<string> {
  return createInTime(storage, PRUNE, (time) => pruneKey(cluster, time), run.finishedAt, { ...head(cluster, author), ...run }, options);
}

/** Newest first; those that cannot be read are left out. */
export async function readRuns(storage: Storage, cluster: string, options: CallOptions): Promise<PruneRun[]> {
  const keys = (await recordsBelow(storage, prunesPrefix(cluster), "prune", options)).map(({ key }) => key);
  const runs = await inTurns(keys.reverse().slice(0, RUNS_READ_MAX), async (key) => {
    try {
      return await readDocument(storage, PRUNE, key, options);
    } catch (error) {
      if (!(error instanceof EtcdsafeError) || options.signal.aborted) throw error;
      return undefined;
    }
  });
  return runs.filter((run) => run !== undefined);
}

/** Of earlier runs, and of attempts that failed, what nobody will ask for any more; by the time at which the store got them. What fails is left for the next run. */
export async function removeOldRecords(
  storage: Storage,
  cluster: string,
  now: Date,
  options: CallOptions & { readonly runtime: Pick<Runtime, "log"> },
): Promise<void> {
  const olderThan =
    (ageMs: number) =>
    ({ modifiedAt }: ObjectInfo) =>
      now.getTime() - modifiedAt.getTime() > ageMs;
  try {
    const runs = await recordsBelow(storage, prunesPrefix(cluster), "prune", options);
    const attempts = await recordsBelow(storage, attemptsPrefix(cluster), "attempt", options);
    const old = [...runs.slice(0, -RUNS_KEPT_MIN).filter(olderThan(RUNS_KEPT_MS)), ...attempts.filter(olderThan(ATTEMPTS_KEPT_MS))];
    for (const { key } of old) await storage.remove(key, options);
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || options.signal.aborted) throw error;
    options.runtime.log({ level: "warn", message: `old records of ${cluster} were not removed: ${error.message}` });
  }
}

/** In order of keys, and so of time. */
async function recordsBelow(storage: Storage, prefix: string, kind: "prune" | "attempt", options: CallOptions): Promise<ObjectInfo[]> {
  const objects = await Array.fromAsync(storage.list(prefix, options));
  return objects.filter(({ key }) => recognise(key)?.kind === kind);
}
