// How large etcd's quota must be for the restored database not to raise NOSPACE.

const GIB = 1024 ** 3;
/** server/storage/quota.go: what etcd allows where nothing is said. */
const DEFAULT_QUOTA_BYTES = 2 * GIB;

/** For --quota-backend-bytes: at least 1.5 × the database and never less than etcd's own default, in whole GiB. */
export function quotaFor(databaseSizeBytes: number): number {
  return Math.max(DEFAULT_QUOTA_BYTES, Math.ceil((1.5 * databaseSizeBytes) / GIB) * GIB);
}
