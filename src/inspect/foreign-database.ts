// bbolt databases of other programs, which look like a damaged one of etcd's otherwise.
import { FormatError } from "../errors.ts";
import { readBuckets } from "../etcd-files/bbolt/buckets.ts";
import { openDatabase } from "../etcd-files/bbolt/database.ts";
import { openFilePageSource } from "../etcd-files/bbolt/file-page-source.ts";
import { isEtcdBucket } from "../etcd-files/mvcc/buckets.ts";

/** Enough to recognise a program by. */
const NAMES_SHOWN = 10;

/** The names of its buckets, when it can be read and has none of those that etcd has. */
export function foreignBuckets(path: string): string[] | undefined {
  const source = openFilePageSource(path);
  try {
    const names = readBuckets(openDatabase(source)).map(({ name }) => Buffer.from(name).toString("latin1"));
    return names.some(isEtcdBucket) ? undefined : names.slice(0, NAMES_SHOWN);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  } finally {
    source.close();
  }
}
