// `etcdsafe list`
import { listClusters } from "../../repository/catalogue.ts";
import { type CatalogueView, viewCatalogue } from "../../repository/catalogue-view.ts";
import { parseBackupId } from "../../repository/names.ts";
import type { Repository } from "../../repository/repository.ts";
import { requireClusterName } from "../../repository/resolve.ts";
import { type BackupSummary, encryptionText, faultsText, summaryOf, verifiedText } from "../backup-summary.ts";
import { withCatalogueCache } from "../catalogue-cache.ts";
import type { Invocation } from "../command.ts";
import { orForeign } from "../foreign.ts";
import { formatAge, formatCount, formatSize } from "../format.ts";
import { type Column, table } from "../output.ts";
import { failedText, recoveryText } from "../recovery-text.ts";
import { openForShowing } from "../repository.ts";
import { sinceOf } from "../since.ts";
import { tagsText } from "../tags.ts";

/** A cluster's backups that were asked for, and how many others there are. */
interface Listed extends Pick<CatalogueView, "cluster" | "failed" | "points"> {
  readonly backups: readonly BackupSummary[];
  readonly more: number;
}

const CLOCK_TOLERANCE_MS = 5 * 60 * 1000;
/** Of a timeline's 12 characters: enough to tell those of one cluster apart. */
const TIMELINE_SHOWN_LENGTH = 5;

export async function run(invocation: Invocation): Promise<number> {
  return orForeign(
    invocation,
    () => listOurs(invocation),
    async (location) => (await import("../foreign-summary.ts")).printForeignList(invocation, location),
  );
}

async function listOurs(invocation: Invocation): Promise<number> {
  const { config, output, runtime } = invocation;
  const repository = await openForShowing(invocation);
  const inAll = config.get("all-clusters");
  if (!inAll) await requireClusterName(repository, config.get("cluster"), invocation);
  const clusters = inAll ? await listClusters(repository, invocation) : [config.get("cluster")];
  const now = runtime.now();
  const listed: Listed[] = [];
  for (const cluster of clusters) listed.push(await listCluster(invocation, repository, cluster, now));
  const backups = listed.flatMap((each) => each.backups);
  const facts = listed.map(({ cluster, more, points, failed }) => ({ cluster, more, recovery: points, failed: failed.attempts, failedTotal: failed.total }));
  output.print({ backups, clusters: facts }, () => {
    const more = listed.filter((each) => each.more > 0).map((each) => `${formatCount(each.more, "more backup")} of ${each.cluster} not shown.\n`);
    const none = `There are no backups of ${clusters.join(", ") || "any cluster"} in ${repository.storage.location}.\n`;
    const rows = backups.length === 0 ? (more.length === 0 ? none : "") : table(backups, columnsFor(backups, inAll, now.getTime()));
    const points = listed.map((each) => recoveryText(each.points, each.cluster));
    const failed = listed.map((each) => failedText(each.failed, each.cluster, now.getTime()));
    return [`${rows}${more.join("")}${faultsText(backups, inAll)}`, points.join(""), failed.join("")].filter((part) => part !== "").join("\n");
  });
  return 0;
}

function listCluster(invocation: Invocation, repository: Repository, cluster: string, now: Date): Promise<Listed> {
  const { config, signal } = invocation;
  return withCatalogueCache(invocation, repository, cluster, async (cache) => {
    const { entries, pins, failed, points } = await viewCatalogue(repository, cluster, { signal, now, cache });
    const sinceMs = sinceOf(config, now)?.getTime() ?? Number.NEGATIVE_INFINITY;
    const recent = entries.filter(
      ({ id, manifest }) => (manifest === null ? parseBackupId(id)!.createdAt.getTime() : Date.parse(manifest.createdAt)) >= sinceMs,
    );
    const shown = recent.slice(0, config.get("limit"));
    const backups = shown.map((entry) => summaryOf(cluster, entry, pins.get(entry.id) ?? null));
    return { cluster, backups, more: entries.length - shown.length, failed, points };
  });
}

/** A host's clock was ahead, or this one's is behind. */
function ageText(ageMs: number): string {
  return ageMs < -CLOCK_TOLERANCE_MS ? "in the future" : formatAge(ageMs);
}

/** Those that say the same of all, or nothing of any, would only make the table wide. */
function columnsFor(backups: readonly BackupSummary[], inAll: boolean, nowMs: number): Column<BackupSummary>[] {
  const columns: (Column<BackupSummary> & { readonly isShown?: boolean })[] = [
    { title: "cluster", of: ({ cluster }) => cluster, isShown: inAll },
    { title: "id", of: ({ id }) => id },
    { title: "state", of: ({ state }) => state },
    { title: "age", align: "right", of: ({ createdAt }) => (createdAt === null ? "" : ageText(nowMs - Date.parse(createdAt))) },
    { title: "revision", align: "right", of: ({ revision }) => revision ?? "" },
    { title: "keys", align: "right", of: ({ keys }) => (keys === null ? "" : String(keys)) },
    { title: "size", align: "right", of: ({ rawSizeBytes }) => (rawSizeBytes === null ? "" : formatSize(rawSizeBytes)) },
    { title: "stored", align: "right", of: ({ storedSizeBytes }) => formatSize(storedSizeBytes) },
    { title: "encrypted to", of: encryptionText, isShown: backups.some(({ encryption }) => encryption !== null) },
    { title: "verified", of: (row) => verifiedText(row, nowMs) },
    { title: "signed", of: ({ signed }) => (signed === null ? "" : signed ? "yes" : "no"), isShown: backups.some(({ signed }) => signed) },
    { title: "pinned", of: ({ pin }) => (pin === null ? "" : "pinned"), isShown: backups.some(({ pin }) => pin !== null) },
    { title: "timeline", of: ({ timeline }) => timeline?.slice(0, TIMELINE_SHOWN_LENGTH) ?? "", isShown: hasTimelines(backups) },
    { title: "tags", of: ({ tags }) => (tags === null ? "" : tagsText(tags)), isShown: backups.some(({ tags }) => Object.keys(tags ?? {}).length > 0) },
  ];
  return columns.filter(({ isShown }) => isShown !== false);
}

/** Whether any cluster has more than one. */
function hasTimelines(backups: readonly BackupSummary[]): boolean {
  const known = backups.filter(({ timeline }) => timeline !== null);
  return new Set(known.map(({ cluster, timeline }) => `${cluster} ${timeline}`)).size > new Set(known.map(({ cluster }) => cluster)).size;
}
