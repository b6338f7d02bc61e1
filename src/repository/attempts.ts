// What failed lately: docs/repository-format.md, "Attempts".
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { ObjectInfo, Storage } from "../storage/storage.ts";
import { type DocumentCache, NO_CACHE } from "./catalogue-cache.ts";
import { inTurns } from "./in-turns.ts";
import { attemptsPrefix, endOfRecord } from "./names.ts";
import { recognise } from "./recognise.ts";
import { type Attempt, readAttempt } from "./sidecars.ts";

/** What is read of an attempt. */
export type FailedAttempt = Pick<Attempt, "action" | "phase" | "backup" | "startedAt" | "finishedAt" | "failure">;

export interface LateAttempts {
  /** Newest first; at most 100. */
  readonly attempts: readonly FailedAttempt[];
  /** How many there are, with those that cannot be read. */
  readonly total: number;
}

/** docs/repository-format.md, "Attempts". */
const KEPT_MS = 7 * 24 * 60 * 60 * 1000;
/** What fails every minute is no news after that. */
const READ_MAX = 100;

/** Those of the last 7 days before `now`. One that cannot be read is counted only. */
export async function readAttempts(
  storage: Storage,
  cluster: string,
  options: CallOptions & { readonly now: Date; readonly cache?: DocumentCache | undefined },
): Promise<LateAttempts> {
  const { now, cache = NO_CACHE, signal } = options;
  const infos: ObjectInfo[] = [];
  for await (const info of storage.list(attemptsPrefix(cluster), { signal }))
    if (recognise(info.key)?.kind === "attempt" && now.getTime() - endOfRecord(info.key).getTime() <= KEPT_MS) infos.push(info);
  const newest = infos.toReversed().slice(0, READ_MAX);
  const attempts = await inTurns(newest, async (info) => {
    try {
      return await cache.of(info, async () => failedAttempt(await readAttempt(storage, info.key, { signal })));
    } catch (error) {
      if (!(error instanceof EtcdsafeError) || signal.aborted) throw error;
      return undefined;
    }
  });
  return { attempts: attempts.filter((attempt) => attempt !== undefined), total: infos.length };
}

function failedAttempt({ action, phase, backup, startedAt, finishedAt, failure }: Attempt): FailedAttempt {
  return { action, phase, backup, startedAt, finishedAt, failure };
}
