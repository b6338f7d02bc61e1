// The rows that a plan's policies leave in the small buckets, and those they add to `key`.

import { EtcdsafeError } from "../errors.ts";
import { rowsOf } from "../etcd-files/bbolt/buckets.ts";
import type { Database } from "../etcd-files/bbolt/database.ts";
import type { Row } from "../etcd-files/bbolt/page-builder.ts";
import { AUTH_KEYS, BUCKETS } from "../etcd-files/mvcc/buckets.ts";
import type { DatabasePlan } from "./database-plan.ts";
import { leaseRows } from "./leases.ts";

/** All rows of each bucket that the plan changes. */
export function keyspaceBuckets(database: Database, { keyspace, versions }: DatabasePlan): [bucket: string, rows: Row[]][] {
  const { alarms, auth, leases } = keyspace;
  const changed: [string, Row[]][] = [];
  if (alarms.policy === "drop") changed.push([BUCKETS.alarm, []]);
  if (auth.before !== auth.after) changed.push([BUCKETS.auth, authOff(database)]);
  if (leases.policy !== "restart") changed.push([BUCKETS.lease, []]);
  // The first leader decides the cluster's version anew (etcd-formats §4.8).
  if (versions.removesStorageVersion) changed.push([BUCKETS.cluster, []]);
  return changed;
}

/** The revision behind the source's last. Throws SELF_CHECK_FAILED where these are not as many as the plan says. */
export function* plannedLeaseRows(database: Database, { source, revision, keyspace }: DatabasePlan): Generator<Row> {
  const { policy, boundKeys } = keyspace.leases;
  let found = 0;
  for (const row of leaseRows(database, policy, BigInt(revision.before) + 1n)) {
    found += 1;
    yield row;
  }
  if (found === boundKeys) return;
  throw new EtcdsafeError("SELF_CHECK_FAILED", `${source.location} holds ${found} keys that are bound to leases, but the plan says ${boundKeys}`);
}

/** Users, roles and the revision of both stay. */
function authOff(database: Database): Row[] {
  const isSwitch = ({ key }: Row) => Buffer.from(key).toString("latin1") === AUTH_KEYS.authEnabled;
  return [...rowsOf(database, BUCKETS.auth)].map((row) => (isSwitch(row) ? { key: row.key, value: Uint8Array.of(0) } : row));
}
