// `etcdsafe list`
import { type CatalogueEntry, listBackups, listClusters } from "../../repository/catalogue.ts";
import { requireClusterName } from "../../repository/resolve.ts";
import { encryptionText, faultsText, summaryOf, verifiedText } from "../backup-summary.ts";
import type { Invocation } from "../command.ts";
import { orForeign } from "../foreign.ts";
import { formatAge, formatSize } from "../format.ts";
import { type Column, table } from "../output.ts";
import { openForShowing } from "../repository.ts";

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
  const clusters = config.get("all-clusters") ? await listClusters(repository, invocation) : [config.get("cluster")];
  const backups: { cluster: string; entry: CatalogueEntry }[] = [];
  if (!config.get("all-clusters")) await requireClusterName(repository, config.get("cluster"), invocation);
  for (const cluster of clusters) for (const entry of await listBackups(repository, cluster, invocation)) backups.push({ cluster, entry });
  const summaries = backups.map(({ cluster, entry }) => summaryOf(cluster, entry));
  type Row = (typeof summaries)[number];
  const nowMs = runtime.now().getTime();
  const columns: Column<Row>[] = [
    ...(config.get("all-clusters") ? [{ title: "cluster", of: ({ cluster }: Row) => cluster }] : []),
    { title: "id", of: ({ id }) => id },
    { title: "state", of: ({ state }) => state },
    { title: "age", align: "right", of: ({ createdAt }) => (createdAt === null ? "" : formatAge(nowMs - Date.parse(createdAt))) },
    { title: "revision", align: "right", of: ({ revision }) => revision ?? "" },
    { title: "keys", align: "right", of: ({ keys }) => (keys === null ? "" : String(keys)) },
    { title: "size", align: "right", of: ({ rawSizeBytes }) => (rawSizeBytes === null ? "" : formatSize(rawSizeBytes)) },
    { title: "stored", align: "right", of: ({ storedSizeBytes }) => (storedSizeBytes === null ? "" : formatSize(storedSizeBytes)) },
    ...(summaries.some(({ encryption }) => encryption !== null) ? [{ title: "encrypted to", of: encryptionText }] : []),
    { title: "verified", of: (row) => verifiedText(row, nowMs) },
  ];
  output.print({ backups: summaries }, () =>
    summaries.length === 0
      ? `There are no backups of ${clusters.join(", ") || "any cluster"} in ${repository.storage.location}.\n`
      : `${table(summaries, columns)}${faultsText(summaries, config.get("all-clusters"))}`,
  );
  return 0;
}
