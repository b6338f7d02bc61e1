// A sample of a keyspace's rows, small enough for a manifest, by which a later snapshot shows whether it continues the same history.
// A row's hash is 64 bits: the upper 32 mix its revision alone and choose the sample, so that two histories of equal revisions sample the
// same places; the lower 32 are the crc32c of the row's key and value, which then differ. Rows with hashes below the threshold are kept,
// and the threshold is halved whenever more than 2,000 are left, so a large keyspace keeps between 1,000 and 2,000. Beside them, the newest
// rows are all kept: two histories that parted lately differ there, and nowhere else.
import { crc32c } from "../../bytes/crc32c.ts";

const KEPT_MAX = 2000;
/** Of so many revisions up to the keyspace's own, the rows are all kept, */
const NEWEST_REVISIONS = 256;
/** but of one transaction only so many: it may delete millions of keys. */
const NEWEST_ROWS_OF_REVISION = 4;
const TWO_32 = 2 ** 32;

export interface LineageSample {
  /** The greatest hash a sampled row may have, 16 hexadecimal digits. All ones: every row is sampled. */
  readonly threshold: string;
  /** `<main revision, decimal>:<hash, 16 hexadecimal digits>`, in order of revisions. */
  readonly hashes: readonly string[];
  /** The same of all rows of the last 256 revisions, of each its first 4. */
  readonly newest: readonly string[];
}

interface NewestRow {
  readonly main: number;
  readonly sub: number;
  readonly entry: string;
}

/** Whether a row is one of the newest of a keyspace at `revision`. */
function isAmongNewest(main: number, sub: number, revision: number): boolean {
  return main > revision - NEWEST_REVISIONS && main <= revision && sub < NEWEST_ROWS_OF_REVISION;
}

/** Before the first of the newest rows of a keyspace at `revision`. */
export function newestBeginAfter(revision: number): number {
  return Math.max(0, revision - NEWEST_REVISIONS);
}

/** Collects the sample of one keyspace at `revision`, whose rows may come in any order. */
export class LineageSampler {
  readonly #revision: number;
  readonly #newest: NewestRow[] = [];
  /** Rows whose upper half is below it are kept: at most 2^32. */
  #threshold = TWO_32;
  #count = 0;
  #mains = new Float64Array(KEPT_MAX + 1);
  #subs = new Float64Array(KEPT_MAX + 1);
  #uppers = new Uint32Array(KEPT_MAX + 1);
  #lowers = new Uint32Array(KEPT_MAX + 1);

  constructor(revision: number) {
    this.#revision = revision;
  }

  /** Offers the row of `bytes[start, end)`, key and value without a gap. */
  offer(bytes: Uint8Array, start: number, end: number, main: number, sub: number, tombstone: boolean): void {
    const upper = revisionHash(main, sub, tombstone);
    const isNewest = isAmongNewest(main, sub, this.#revision);
    if (upper >= this.#threshold && !isNewest) return;
    const lower = crc32c(bytes.subarray(start, end));
    if (isNewest) this.#newest.push({ main, sub, entry: entryOf(main, upper, lower) });
    if (upper < this.#threshold) this.#keep(main, sub, upper, lower);
  }

  finish(): LineageSample {
    const order = Array.from({ length: this.#count }, (_, index) => index).sort(
      (a, b) => (this.#mains[a] as number) - (this.#mains[b] as number) || (this.#subs[a] as number) - (this.#subs[b] as number),
    );
    const hashes = order.map((index) => entryOf(this.#mains[index] as number, this.#uppers[index] as number, this.#lowers[index] as number));
    const newest = this.#newest.toSorted((a, b) => a.main - b.main || a.sub - b.sub).map(({ entry }) => entry);
    return { threshold: ((BigInt(this.#threshold) << 32n) - 1n).toString(16).padStart(16, "0"), hashes, newest };
  }

  #keep(main: number, sub: number, upper: number, lower: number): void {
    const at = this.#count;
    this.#mains[at] = main;
    this.#subs[at] = sub;
    this.#uppers[at] = upper;
    this.#lowers[at] = lower;
    this.#count += 1;
    while (this.#count > KEPT_MAX) this.#halve();
  }

  #halve(): void {
    this.#threshold /= 2;
    let kept = 0;
    for (let from = 0; from < this.#count; from++) {
      if ((this.#uppers[from] as number) >= this.#threshold) continue;
      for (const column of [this.#mains, this.#subs, this.#uppers, this.#lowers]) column[kept] = column[from] as number;
      kept += 1;
    }
    this.#count = kept;
  }
}

/** One keyspace of a comparison. */
export interface LineagePoint {
  readonly sample: Pick<LineageSample, "threshold" | "hashes">;
  readonly revision: bigint;
  /** The last compaction, finished or not; -1 where there was none. */
  readonly compactRevision: bigint;
  /** Up to which revision no row is left that is to go. */
  readonly finishedCompactRevision: bigint;
}

export interface LineageComparison {
  /** How many rows could tell. */
  readonly compared: number;
  /** Sampled rows that one of the two must have and does not. Any at all means that the newer does not continue the older. */
  readonly differing: readonly string[];
}

/**
 * Whether a newer keyspace continues an older one. Rows are only ever added above the current revision, and only compaction removes any. So
 * what the newer one holds up to the older one's revision, the older one must hold, unless its own compaction has removed what the newer one's,
 * being another member's, has not come to yet; and what the older one holds above the newer one's compaction, the newer one must. Only rows that
 * both samples would choose can tell.
 */
export function compareLineage(older: LineagePoint, newer: LineagePoint): LineageComparison {
  const chosen = (hashes: readonly string[], inRange: (revision: bigint) => boolean): string[] =>
    hashes.filter((entry) => {
      const [revision = "", hash = ""] = entry.split(":");
      return hash <= older.sample.threshold && hash <= newer.sample.threshold && inRange(BigInt(revision));
    });
  const isAsFarCompacted = newer.finishedCompactRevision >= older.compactRevision;
  const inNewer = chosen(newer.sample.hashes, (revision) => revision <= older.revision && (isAsFarCompacted || revision > older.compactRevision));
  const inOlder = chosen(older.sample.hashes, (revision) => revision > newer.compactRevision);
  const known = { older: new Set(older.sample.hashes), newer: new Set(newer.sample.hashes) };
  const differing = [...inNewer.filter((entry) => !known.older.has(entry)), ...inOlder.filter((entry) => !known.newer.has(entry))];
  return { compared: new Set([...inNewer, ...inOlder]).size, differing };
}

/** Mixes a revision into 32 bits (the rounds and finalizer of MurmurHash3). Part of the repository format: it must never change. */
function revisionHash(main: number, sub: number, tombstone: boolean): number {
  let hash = tombstone ? 0x9e3779b9 : 0;
  hash = mixed(hash, main >>> 0);
  hash = mixed(hash, Math.floor(main / TWO_32));
  hash = mixed(hash, sub >>> 0);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function mixed(hash: number, word: number): number {
  let product = Math.imul(word, 0xcc9e2d51);
  product = Math.imul((product << 15) | (product >>> 17), 0x1b873593);
  const sum = hash ^ product;
  return (Math.imul((sum << 13) | (sum >>> 19), 5) + 0xe6546b64) | 0;
}

function entryOf(main: number, upper: number, lower: number): string {
  return `${main}:${hex32(upper)}${hex32(lower)}`;
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, "0");
}
