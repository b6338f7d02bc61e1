// A stored backup as what is restored from. A partial one was never looked into, so its facts are read from its own pages first.
import { EtcdsafeError } from "../errors.ts";
import type { BackupEntry } from "../repository/catalogue.ts";
import { snapshotObject } from "../repository/manifest.ts";
import { backupObjectKey } from "../repository/names.ts";
import { decodeObject } from "../repository/object-decoder.ts";
import type { Repository } from "../repository/repository.ts";
import type { SnapshotSource } from "./source.ts";

/** Throws SNAPSHOT_DAMAGED for a backup that later reading found damaged: restoring it could only fail. */
export function backupSource({ storage }: Repository, cluster: string, entry: BackupEntry): SnapshotSource {
  const { manifest } = entry;
  if (entry.state === "damaged")
    throw new EtcdsafeError("SNAPSHOT_DAMAGED", `${entry.id} is damaged: ${entry.damage.join("; ")}`, { hint: "`etcdsafe list` shows the others." });
  const object = snapshotObject(manifest);
  const key = backupObjectKey(cluster, entry.id, object.name);
  return {
    facts: {
      kind: "backup",
      location: `${storage.location}: ${entry.id}`,
      cluster,
      backupId: entry.id,
      state: entry.state,
      createdAt: manifest.createdAt,
      databaseSha256: manifest.snapshot.dataSha256,
      databaseSizeBytes: manifest.snapshot.dataSizeBytes,
      revision: manifest.revision,
      compactRevision: manifest.compactRevision ?? "-1",
      storageVersion: manifest.storageVersion,
      clusterVersion: manifest.clusterVersion,
      leases: manifest.counts?.leases ?? 0,
      alarms: manifest.alarms?.length ?? 0,
      authEnabled: manifest.authEnabled ?? false,
      hashKv: manifest.hashKv,
    },
    content: { read: (options) => decodeObject(storage, key, object, options) },
  };
}
