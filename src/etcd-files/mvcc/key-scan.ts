// Goes through the bucket `key` as often as the hashes asked for need: once in every part of the file, as a rule. The leaves after the
// last finished compaction come first, since they tell which of the earlier rows are superseded.
import { RunningCrc32c } from "../../bytes/crc32c-combine.ts";
import type { Page } from "../bbolt/page.ts";
import type { LeafVisitor, TreeScan } from "../bbolt/scan.ts";
import type { Walk } from "../bbolt/walk.ts";
import { type HashTask, hashKvOf, NONE } from "./hash-kv.ts";
import { KeyRowCursor } from "./key-row.ts";
import type { KeyRows } from "./key-rows.ts";
import { hashRuns, LeafHashes } from "./leaf-hashes.ts";
import { encodeRevisionKey } from "./revision-key.ts";

export interface KeyHashes {
  /** Over all rows of the bucket, without its name. */
  readonly all: RunningCrc32c;
  /** The hash of each task of the plan, or why it has none. */
  readonly tasks: readonly (number | string)[];
}

/** Counts and hashes all rows; afterwards `rows` holds the counts. The scan's outline has been read. */
export function* scanKeys(scan: TreeScan, rows: KeyRows): Walk<KeyHashes> {
  const { plan } = rows;
  if (plan.filtered === NONE) {
    rows.start("hash");
    yield* scan.scan(rows);
    const { all, tasks } = rows.hashes();
    return { all: all.total, tasks: tasks.map(({ total }) => hashKvOf(total.crc, total.lengthBytes)) };
  }
  const afterUnique = encodeRevisionKey(BigInt(plan.unique + 1), 0n);
  const afterFiltered = encodeRevisionKey(BigInt(plan.filtered + 1), 0n);
  rows.start("record");
  yield* scan.scan(rows, { from: afterUnique, firstFrom: afterFiltered });
  const upper = rows.hashes();
  // When the superseded keys do not fit in memory at once, the rows are marked by one part of them after the other.
  for (let part = 0; ; ) {
    // Each time round the parts are at most half as large.
    while (rows.superseded.overflowed) yield* recordAgain(scan, rows, part, afterUnique);
    part += 1;
    if (part >= rows.superseded.parts) break;
    rows.start("mark");
    yield* scan.scan(rows, { to: afterFiltered, again: true });
    yield* recordAgain(scan, rows, part, afterUnique);
  }
  rows.start("hash");
  yield* scan.scan(rows, { to: afterFiltered });
  const lower = rows.hashes();
  const tasks: (number | string)[] = [];
  for (const [index, task] of plan.tasks.entries()) {
    // Of a keyspace without live keys nothing would be kept, and then no row is left out (hash.go: `len(h.keep) > 0`).
    const unfiltered = (rows.leftOut[index] as number) > 0 && rows.live.countAt(task.bit) === 0;
    if (unfiltered && task.compactRevision > plan.unique) {
      tasks.push(
        `no key is live at revision ${task.revision}, and then a member's answer depends on how far its compaction at ${task.compactRevision} has come`,
      );
      continue;
    }
    const total = unfiltered ? yield* scanUnfiltered(scan, task) : joined(lower.tasks[index] as LeafHashes, upper.tasks[index] as LeafHashes);
    tasks.push(hashKvOf(total.crc, total.lengthBytes));
  }
  return { all: joined(lower.all, upper.all), tasks };
}

function* recordAgain(scan: TreeScan, rows: KeyRows, part: number, from: Uint8Array): Walk<void> {
  rows.superseded.startPart(part);
  rows.start("record");
  yield* scan.scan(rows, { from, again: true });
}

function joined(lower: LeafHashes, upper: LeafHashes): RunningCrc32c {
  const total = new RunningCrc32c();
  total.append(lower.total.crc, lower.total.lengthBytes);
  total.append(upper.total.crc, upper.total.lengthBytes);
  return total;
}

function* scanUnfiltered(scan: TreeScan, { revision, compactRevision }: HashTask): Walk<RunningCrc32c> {
  const hashes = new LeafHashes();
  const row = new KeyRowCursor();
  const visitor: LeafVisitor = {
    leaf(page: Page, slot: number) {
      const masks = new Uint32Array(page.count);
      for (let index = 0; index < page.count; index++) {
        if (row.read(page, index) === undefined && row.main <= revision && !(row.tombstone && row.main === compactRevision)) masks[index] = 1;
      }
      hashRuns([hashes], page, slot, masks);
    },
    batchEnd: (slots) => hashes.fold(slots),
  };
  yield* scan.scan(visitor, { again: true });
  return hashes.total;
}
