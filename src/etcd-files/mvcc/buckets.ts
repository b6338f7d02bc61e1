// etcd's buckets and the keys of the small ones, by name (server/storage/schema/bucket.go, etcd-formats §3).

export const BUCKETS = {
  alarm: "alarm",
  auth: "auth",
  authRoles: "authRoles",
  authUsers: "authUsers",
  cluster: "cluster",
  key: "key",
  lease: "lease",
  members: "members",
  membersRemoved: "members_removed",
  meta: "meta",
} as const;

/** Whether etcd has a bucket of this name. */
export function isEtcdBucket(name: string): boolean {
  return Object.values<string>(BUCKETS).includes(name);
}

export const META_KEYS = {
  consistentIndex: "consistent_index",
  term: "term",
  confState: "confState",
  scheduledCompactRev: "scheduledCompactRev",
  finishedCompactRev: "finishedCompactRev",
  storageVersion: "storageVersion",
} as const;

export const CLUSTER_KEYS = { clusterVersion: "clusterVersion", downgrade: "downgrade" } as const;

export const AUTH_KEYS = { authEnabled: "authEnabled", authRevision: "authRevision" } as const;
