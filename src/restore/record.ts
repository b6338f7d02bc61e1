// Registers a restored cluster in the repository it came from, so that it may save under the same name: docs/repository-format.md, "Restores".

import { type Author, openRepository } from "../repository/repository.ts";
import { resolveBackup } from "../repository/resolve.ts";
import { writeRestoreRecord } from "../repository/sidecars.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import type { RestorePlan } from "./plan.ts";

export async function recordRestore(
  storage: Storage,
  author: Author,
  plan: RestorePlan,
  options: CallOptions & { readonly runtime: Pick<Runtime, "now"> },
): Promise<void> {
  const { source } = plan;
  if (source.cluster === null || source.backupId === null) return;
  const { manifest } = await resolveBackup(await openRepository(storage, options), source.cluster, source.backupId, options);
  await writeRestoreRecord(
    storage,
    source.cluster,
    author,
    {
      clusterId: plan.clusterId,
      purpose: "cluster",
      restoredAt: options.runtime.now().toISOString(),
      source: { backup: source.backupId, rawSha256: manifest.objects.find(({ role }) => role === "snapshot")?.rawSha256 ?? null, location: source.location },
      parent: { clusterId: manifest.clusterId, timeline: manifest.timeline, revision: source.revision },
      revisionAfter: plan.revision.after,
      markCompacted: plan.revision.markCompacted,
      members: plan.members.map(({ id, name, peerUrls }) => ({ id, name, peerUrls: [...peerUrls] })),
    },
    options,
  );
}
