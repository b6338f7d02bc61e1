// What the database of a restore holds in the end, for people: versions, authentication, alarms, leases.
import type { DatabasePlan } from "../restore/database-plan.ts";
import type { PlannedKeyspace } from "../restore/keyspace.ts";
import type { PlannedVersions } from "../restore/target-version.ts";

/** Rows of a plan's facts. */
export function databaseFacts({ keyspace, versions }: Pick<DatabasePlan, "keyspace" | "versions">): [label: string, text: string | undefined][] {
  return [
    ["versions", versionsText(versions)],
    ["to be run by", etcdFor(versions)],
    ["authentication", authText(keyspace.auth)],
    ["alarms", keyspace.alarms.count === 0 ? undefined : `${keyspace.alarms.count}, ${keyspace.alarms.policy === "drop" ? "dropped" : "kept"}`],
    ["leases", leasesText(keyspace.leases)],
  ];
}

/** Etcd reads what an older one wrote. An older one than wrote it may refuse to start: 3.6 does, with what is 3.7's (etcd-formats §4.8). */
export function etcdFor({ target, oldestEtcd }: PlannedVersions): string | undefined {
  if (target !== null) return `etcd ${target}`;
  return oldestEtcd === null ? undefined : `etcd ${oldestEtcd} or newer`;
}

function versionsText({ storage, cluster, removesStorageVersion }: PlannedVersions): string | undefined {
  if (storage === null && cluster === null) return undefined;
  const found = [storage && `storage ${storage}`, cluster && `cluster ${cluster}`].filter(Boolean).join(", ");
  return removesStorageVersion ? `${found}; both are left out` : found;
}

function authText({ before, after }: PlannedKeyspace["auth"]): string {
  if (after === "on") return "on, with the users of the source";
  return before === "on" ? "switched off; users and roles are kept" : "off";
}

function leasesText({ count, policy, boundKeys }: PlannedKeyspace["leases"]): string | undefined {
  const keys = `${boundKeys} key${boundKeys === 1 ? "" : "s"}`;
  if (policy === "expire") return `${count}, ended; ${keys} bound to them deleted`;
  if (policy === "detach") return `${count}, ended; ${keys} bound to them kept without a lease`;
  return count === 0 ? undefined : `${count}, with their full time to live again`;
}
