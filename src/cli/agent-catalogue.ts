// What an agent knows of its repository: for its page, and to tell what was missed.
import type { AgentCatalogue } from "../agent/catalogue-reading.ts";
import type { BackupStatus } from "../agent/status.ts";
import type { BriefCatalogueEntry } from "../repository/catalogue.ts";
import { isRestorable, viewCatalogue } from "../repository/catalogue-view.ts";
import { endOfRecord, prunesPrefix } from "../repository/names.ts";
import { recognise } from "../repository/recognise.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { summaryOf } from "./backup-summary.ts";
import type { Invocation } from "./command.ts";
import { inRepository } from "./in-repository.ts";
import { openForJudging } from "./repository.ts";

const SHOWN_MAX = 500;

/** Of the first repository that is named. Throws what keeps it from being read. */
export async function readAgentCatalogue(invocation: Invocation): Promise<AgentCatalogue> {
  const { config, runtime, signal } = invocation;
  const cluster = config.get("cluster");
  const repository = await openForJudging(inRepository(invocation, config.all("repository")[0]));
  const now = runtime.now();
  const { entries, pins, points, failed } = await viewCatalogue(repository, cluster, { signal, now });
  const backups = entries.slice(0, SHOWN_MAX).map((entry): BackupStatus => {
    const { id, createdAt, state, revision, storedSizeBytes, verified, pin } = summaryOf(cluster, entry, pins.get(entry.id) ?? null);
    return { id, createdAt, state, revision, storedSizeBytes, verified, isPinned: pin !== null };
  });
  const status = { readAt: now.toISOString(), backups, total: entries.length, points, failed: failed.attempts };
  return {
    status,
    lastBegun: {
      save: newestOf(entries, createdAt, now),
      verify: newestOf(entries, verifiedAt, now),
      prune: await lastPrune(repository.storage, cluster, { signal }),
    },
    newestBackupAt: newestOf(entries.filter(isRestorable), createdAt, now),
  };
}

/** What a clock that was ahead has dated tells nothing. */
function newestOf(entries: readonly BriefCatalogueEntry[], timesOf: (entry: BriefCatalogueEntry) => readonly string[], now: Date): Date | null {
  const times = entries
    .flatMap(timesOf)
    .map(Date.parse)
    .filter((time) => time <= now.getTime());
  return times.length === 0 ? null : new Date(times.reduce((a, b) => Math.max(a, b)));
}

function createdAt({ manifest }: BriefCatalogueEntry): readonly string[] {
  return manifest === null ? [] : [manifest.createdAt];
}

function verifiedAt(entry: BriefCatalogueEntry): readonly string[] {
  return entry.manifest === null ? [] : Object.values(entry.verifications).map(({ finishedAt }) => finishedAt);
}

async function lastPrune(storage: Storage, cluster: string, options: CallOptions): Promise<Date | null> {
  let last: Date | null = null;
  for await (const { key } of storage.list(prunesPrefix(cluster), options)) if (recognise(key)?.kind === "prune") last = endOfRecord(key);
  return last;
}
