// Another tool's backup as what is restored from. It was read once already, to its end, since nothing else tells what it holds.
import { formatId } from "../bytes/u64.ts";
import { EtcdsafeError } from "../errors.ts";
import type { ForeignLocation } from "../repository/foreign/location.ts";
import { newerDeltas, type ReadBackup } from "../repository/foreign/resolve.ts";
import { unpack } from "../repository/foreign/unpack.ts";
import { peekedFacts, type SnapshotSource } from "./source.ts";

export function foreignSource(location: ForeignLocation, { backup, reading }: ReadBackup): SnapshotSource {
  const { storage, backups } = location;
  const isOnly = backups.filter(({ name }) => name === backup.name).length === 1;
  const { peek, dataSha256, rawSizeBytes } = reading;
  return {
    facts: {
      kind: "foreign",
      location: `${storage.location}: ${backup.key}`,
      cluster: null,
      backupId: isOnly ? backup.name : backup.key,
      state: "unconfirmed",
      createdAt: backup.createdAt.toISOString(),
      databaseSha256: dataSha256 ?? null,
      databaseSizeBytes: peek.sizeBytes,
      ...peekedFacts(peek),
      hashKv: null,
    },
    warnings: deltaWarnings(location, peek.revision),
    members: peek.members.map(({ id, name, peerURLs, clientURLs }) => ({ id: formatId(id), name, peerUrls: peerURLs, clientUrls: clientURLs })),
    content: {
      // It may have changed since; a target is never filled with more than was planned for.
      read: async function* (options) {
        let sizeBytes = 0;
        for await (const chunk of unpack(storage, backup, options)) {
          sizeBytes += chunk.length;
          if (sizeBytes > rawSizeBytes) throw changed(backup.name, rawSizeBytes);
          yield chunk;
        }
        if (sizeBytes < rawSizeBytes) throw changed(backup.name, rawSizeBytes);
      },
    },
  };
}

function deltaWarnings(location: ForeignLocation, revision: bigint): string[] {
  const newer = newerDeltas(location, revision);
  if (newer === undefined) return [];
  const { count, lastRevision } = newer;
  const those = count === 1 ? "One newer delta, up to" : `${count} newer deltas, up to`;
  return [
    `${those} revision ${lastRevision}, ${count === 1 ? "is" : "are"} not applied: this version of etcdsafe restores fulls alone, so the restore ends at ${revision}.`,
  ];
}

function changed(name: string, sizeBytes: number): EtcdsafeError {
  return new EtcdsafeError("OBJECT_CORRUPT", `${name} has changed while it was restored: it held ${sizeBytes} bytes before`, { hint: "Run it again." });
}
