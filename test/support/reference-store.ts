// etcd's MVCC store as etcd writes it, with a Map of keys and generations of revisions: slow and obviously right, to test the fast one against.
// Follows server/storage/mvcc of etcd 3.6: key_index.go, index.go, kvstore.go (restore, Compact), kvstore_compaction.go, hash.go, line by line.
import { crc32c } from "../../src/bytes/crc32c.ts";
import type { Row } from "../../src/etcd-files/bbolt/page-builder.ts";
import { ProtoReader } from "../../src/proto/wire.ts";

export interface Revision {
  readonly main: bigint;
  readonly sub: bigint;
}

interface Generation {
  readonly revs: Revision[];
}

/** Revisions as keys of a Set. */
const nameOf = ({ main, sub }: Revision): string => `${main}.${sub}`;

class KeyIndex {
  generations: Generation[] = [];

  put(rev: Revision): void {
    if (this.generations.length === 0) this.generations.push({ revs: [] });
    this.generations.at(-1)?.revs.push(rev);
  }

  restore(modified: Revision): void {
    this.generations.push({ revs: [modified] });
  }

  restoreTombstone(rev: Revision): void {
    this.restore(rev);
    this.generations.push({ revs: [] });
  }

  /** False: ErrRevisionNotFound. */
  tombstone(rev: Revision): boolean {
    if (this.generations.at(-1)?.revs.length === 0) return false;
    this.put(rev);
    this.generations.push({ revs: [] });
    return true;
  }

  compact(atRev: bigint, available: Set<string>): void {
    const { genIdx, revIndex } = this.#doCompact(atRev, available);
    const g = this.generations[genIdx] as Generation;
    if (g.revs.length > 0 && revIndex !== -1) g.revs.splice(0, revIndex);
    this.generations = this.generations.slice(genIdx);
  }

  keep(atRev: bigint, available: Set<string>): void {
    if (this.isEmpty()) return;
    const { genIdx, revIndex } = this.#doCompact(atRev, available);
    const g = this.generations[genIdx] as Generation;
    if (g.revs.length > 0 && revIndex === g.revs.length - 1 && genIdx !== this.generations.length - 1) available.delete(nameOf(g.revs[revIndex] as Revision));
  }

  isEmpty(): boolean {
    return this.generations.length === 1 && this.generations[0]?.revs.length === 0;
  }

  #doCompact(atRev: bigint, available: Set<string>): { genIdx: number; revIndex: number } {
    let genIdx = 0;
    let g = this.generations[0] as Generation;
    while (genIdx < this.generations.length - 1) {
      const tomb = (g.revs.at(-1) as Revision).main;
      if (tomb >= atRev) break;
      genIdx += 1;
      g = this.generations[genIdx] as Generation;
    }
    let revIndex = g.revs.length - 1;
    for (; revIndex >= 0; revIndex--) {
      const rev = g.revs[revIndex] as Revision;
      if (rev.main > atRev) continue;
      available.add(nameOf(rev));
      break;
    }
    return { genIdx, revIndex };
  }
}

export interface StoreState {
  readonly finished?: bigint | undefined;
  readonly scheduled?: bigint | undefined;
}

export type HashByRev = { readonly hash: number; readonly compactRevision: bigint } | "compacted" | "future";

export class ReferenceStore {
  rows: Row[];
  compactRevision: bigint;
  currentRevision = 1n;
  finished: bigint | undefined;
  scheduled: bigint | undefined;
  readonly #index = new Map<string, KeyIndex>();

  /** Starts a server on these rows; an unfinished compaction is resumed as far as `compactionSteps` rows. */
  constructor(rows: readonly Row[], state: StoreState = {}, compactionSteps = 0) {
    this.rows = [];
    this.finished = state.finished;
    this.scheduled = state.scheduled;
    this.compactRevision = state.finished ?? -1n;
    for (const row of rows) {
      this.rows.push(row);
      this.#restoreIntoIndex(row);
    }
    for (const least of [this.compactRevision, state.scheduled ?? 0n]) if (this.currentRevision < least) this.currentRevision = least;
    if (state.scheduled !== undefined && state.scheduled > this.compactRevision) this.compact(state.scheduled, { steps: compactionSteps });
  }

  /** A row of a transaction that is applied now. */
  write(row: Row): void {
    this.rows.push(row);
    const rev = revisionOf(row);
    const index = this.#keyIndex(row);
    if (isTombstone(row)) index.tombstone(rev);
    else index.put(rev);
    this.currentRevision = rev.main;
  }

  /**
   * `steps`: how many rows are looked at before the server is stopped, all when left out.
   * `dropsTombstone`: as versions up to 3.5.15 and 3.4.33 did with a tombstone at exactly the compaction revision.
   */
  compact(revision: bigint, { steps = Number.POSITIVE_INFINITY, dropsTombstone = false }: { steps?: number; dropsTombstone?: boolean } = {}): void {
    this.compactRevision = revision;
    this.scheduled = revision;
    const available = new Set<string>();
    for (const [key, index] of this.#index) {
      if (index.isEmpty()) continue;
      index.compact(revision, available);
      if (index.isEmpty()) this.#index.delete(key);
    }
    const below = this.rows.filter((row) => revisionOf(row).main <= revision);
    const looked = new Set(below.slice(0, steps));
    const stays = (row: Row): boolean => available.has(nameOf(revisionOf(row))) && !(dropsTombstone && isTombstone(row));
    this.rows = this.rows.filter((row) => !looked.has(row) || stays(row));
    if (looked.size === below.length && steps >= below.length) this.finished = revision;
  }

  hashByRev(asked: bigint): HashByRev {
    if (asked > 0n && asked < this.compactRevision) return "compacted";
    if (asked > this.currentRevision) return "future";
    const revision = asked === 0n ? this.currentRevision : asked;
    const keep = new Set<string>();
    for (const index of this.#index.values()) index.keep(revision, keep);
    let hash = crc32c(Buffer.from("key"));
    for (const row of this.rows) {
      const rev = revisionOf(row);
      if (rev.main > revision) continue;
      if (rev.main <= this.compactRevision && keep.size > 0 && !keep.has(nameOf(rev))) continue;
      if (rev.main === this.compactRevision && isTombstone(row)) continue;
      hash = crc32c(row.value, crc32c(row.key, hash));
    }
    return { hash, compactRevision: this.compactRevision };
  }

  /** etcdutl/snapshot/v3_snapshot.go Status. */
  liveKeys(): Set<string> {
    const seen = new Set<string>();
    for (const row of this.rows) {
      if (isTombstone(row)) seen.delete(userKeyOf(row));
      else seen.add(userKeyOf(row));
    }
    return seen;
  }

  clone(): ReferenceStore {
    const copy = new ReferenceStore([]);
    copy.rows = [...this.rows];
    copy.compactRevision = this.compactRevision;
    copy.currentRevision = this.currentRevision;
    copy.finished = this.finished;
    copy.scheduled = this.scheduled;
    for (const [key, index] of this.#index) {
      const cloned = new KeyIndex();
      cloned.generations = index.generations.map(({ revs }) => ({ revs: [...revs] }));
      copy.#index.set(key, cloned);
    }
    return copy;
  }

  #restoreIntoIndex(row: Row): void {
    const rev = revisionOf(row);
    this.currentRevision = rev.main;
    const known = this.#index.has(userKeyOf(row));
    const index = this.#keyIndex(row);
    if (known) {
      if (isTombstone(row)) index.tombstone(rev);
      else index.put(rev);
    } else if (isTombstone(row)) {
      index.restoreTombstone(rev);
    } else {
      index.restore(rev);
    }
  }

  #keyIndex(row: Row): KeyIndex {
    const key = userKeyOf(row);
    let index = this.#index.get(key);
    if (index === undefined) {
      index = new KeyIndex();
      this.#index.set(key, index);
    }
    return index;
  }
}

export function revisionOf({ key }: Row): Revision {
  const bytes = Buffer.from(key);
  return { main: bytes.readBigInt64BE(0), sub: bytes.readBigInt64BE(9) };
}

export function isTombstone({ key }: Row): boolean {
  return key.length === 18;
}

function userKeyOf({ value }: Row): string {
  const reader = new ProtoReader(value);
  let key = "";
  while (reader.next()) {
    if (reader.field === 1) key = Buffer.from(reader.bytes()).toString("latin1");
    else reader.skip();
  }
  return key;
}
