// What of a restore's options decides what the database holds in the end, with what has to be known of the source for that.
import type { Config } from "../config/config.ts";
import { EtcdsafeError } from "../errors.ts";
import type { DatabaseRequest } from "../restore/database-plan.ts";
import type { LeasePolicy } from "../restore/leases.ts";
import type { SnapshotSource } from "../restore/source.ts";
import type { WalBeside } from "../restore/wal-beside.ts";
import type { Invocation } from "./command.ts";
import { type FormerData, gatherEvidence } from "./restore-evidence.ts";
import { withWayOn } from "./restore-source.ts";

/**
 * `ownClusterId`: of the cluster that is restored, where other runs may have put this very restore on record. `former` are directories that are evidence without being named: those that are written, or where a distribution keeps its own. Throws SNAPSHOT_HASH_MISSING
 * and what looking at source and evidence throws.
 */
export async function databaseRequest(
  invocation: Invocation,
  source: SnapshotSource,
  former: readonly FormerData[],
  ownClusterId?: string,
): Promise<DatabaseRequest> {
  const { config } = invocation;
  const leases = leasePolicy(config);
  const walBeside = await logBeside(invocation, source);
  const { leaseChangesOf } = await import("../restore/lease-count.ts");
  const evidence = await gatherEvidence(invocation, source, { former, log: walBeside, ownClusterId });
  return {
    source: source.facts,
    bumpRevision: config.get("bump-revision"),
    evidence: { ...evidence, warnings: [...(source.warnings ?? []), ...evidence.warnings] },
    skipHashCheck: config.get("skip-hash-check"),
    policies: { keepAlarms: config.get("keep-alarms"), disableAuth: config.get("disable-auth"), leases },
    leaseChanges: await withWayOn(invocation, source.facts, () => leaseChangesOf(source, leases, invocation)),
    targetVersion: config.get("target-version"),
    walBeside,
    ignoreWal: config.get("ignore-wal"),
  };
}

function leasePolicy(config: Config): LeasePolicy {
  if (config.get("expire-leases")) return "expire";
  return config.get("keep-leased-keys") ? "detach" : "restart";
}

/** Of a snapshot there is none: it is whole as etcd sent it. Throws SNAPSHOT_HASH_MISSING, and ETCD_MAY_BE_ALIVE for a database that an etcd has open. */
async function logBeside({ config, signal }: Invocation, { facts, content }: SnapshotSource): Promise<WalBeside | null> {
  if (!("path" in content) || facts.databaseSha256 !== null) return null;
  if (!config.get("skip-hash-check")) throw (await import("../restore/write.ts")).hashMissing(facts.location);
  const { databaseLock } = await import("../bytes/file-locks.ts");
  const { locked, processId } = await databaseLock(content.path, { signal });
  if (locked) throw openDatabase(facts.location, processId);
  return (await import("../restore/find-wal.ts")).findWalBeside(content.path, { signal });
}

/** Etcd writes pages wherever they are free, so a copy meanwhile mixes states of the database (etcd-formats §8.9). */
function openDatabase(location: string, processId: number | null): EtcdsafeError {
  const who = processId === null ? "an etcd" : `process ${processId}`;
  return new EtcdsafeError("ETCD_MAY_BE_ALIVE", `${location} is open for writing in ${who}: a copy of it would mix what it was before and after`, {
    hint: "Take a snapshot of that member with `etcdsafe save`, or stop it first.",
  });
}
