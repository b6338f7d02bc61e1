// What an earlier snapshot would have named as its newest rows, read from a later one: from a few leaves of the bucket `key`.
import { bucketLeaves, readBuckets } from "../bbolt/buckets.ts";
import type { Database } from "../bbolt/database.ts";
import { BUCKETS } from "./buckets.ts";
import { KeyRowCursor } from "./key-row.ts";
import { LineageSampler, newestBeginAfter } from "./lineage-sample.ts";
import { encodeRevisionKey } from "./revision-key.ts";

/** As `newest` of a lineage sample at `revision`. Of a checked database; throws FormatError BBOLT_PAGE_INVALID for another. */
export function newestRowsAt(database: Database, revision: number): readonly string[] {
  const sampler = new LineageSampler(revision);
  const bucket = readBuckets(database).find(({ name }) => Buffer.from(name).toString("latin1") === BUCKETS.key);
  if (bucket === undefined) return [];
  const row = new KeyRowCursor();
  for (const page of bucketLeaves(database, bucket, encodeRevisionKey(BigInt(newestBeginAfter(revision)) + 1n, 0n))) {
    for (let index = 0; index < page.count; index++) {
      if (row.read(page, index) !== undefined) continue; // Of a checked database, none.
      if (row.main > revision) return sampler.finish().newest;
      sampler.offer(page.bytes, row.start, row.end, row.main, row.sub, row.tombstone);
    }
  }
  return sampler.finish().newest;
}
