// What a log says about its member, for people: whose it is, how far it goes, and where it ends too early.
import type { RaftIndex, RaftTerm } from "../../bytes/u64.ts";
import { FormatError } from "../../errors.ts";
import type { Entry, HardState } from "../../proto/raftpb.ts";
import type { WalMetadata, WalSnapshot } from "../../proto/walpb.ts";
import { recordContent } from "./content.ts";
import { fileSegments } from "./directory.ts";
import { readSegment, type SegmentSource, type WalRecord } from "./read.ts";
import type { SegmentName } from "./segment-name.ts";

export interface WalFacts {
  /** In sequence; the ones that could not be read, because of a fault before them, have no records. */
  readonly segments: readonly SegmentFacts[];
  readonly metadata: WalMetadata | undefined;
  /** The last one: current term, vote, and how far the member knew entries to be committed when it last wrote that down. */
  readonly hardState: HardState | undefined;
  /** Entries in the log, those that a later leader overwrote left out. */
  readonly entries: { readonly firstIndex: RaftIndex; readonly lastIndex: RaftIndex; readonly lastTerm: RaftTerm } | undefined;
  /** Of the last entry, or of a committed snapshot that no entry follows; 0 for neither. */
  readonly lastIndex: bigint;
  /** The newest one that is committed: where etcd begins to read. */
  readonly snapshot: WalSnapshot | undefined;
  /** Why reading stopped before the log's end. All else says what was found up to there. */
  readonly fault: WalFault | undefined;
}

export interface SegmentFacts extends SegmentName {
  readonly name: string;
  readonly sizeBytes: number;
  /** Up to the end of the last good record. */
  readonly usedBytes: number;
  readonly records: number;
}

export interface WalFault {
  /** torn: a write that never completed, which etcd repairs when it starts. corrupt: etcd refuses to start. */
  readonly kind: "torn" | "corrupt";
  readonly segment: string;
  /** In that segment; null where it is the file that is wrong, and no place in it. */
  readonly offset: number | null;
  /** Without the segment and the offset. */
  readonly text: string;
}

/** Reads all of the log in `directory`: some seconds for a full one, and synchronously, so not on a thread that serves. Throws FILE_FAILED. */
export function readWalFacts(directory: string): WalFacts {
  return walFacts(fileSegments(directory));
}

/** As readWalFacts, for segments from anywhere, in sequence. `onEntry` sees each entry, overwritten ones too; its data is valid during the call. */
export function walFacts(segments: readonly (SegmentSource & SegmentName)[], onEntry: (entry: Entry) => void = () => {}): WalFacts {
  const log = new LogSummary(onEntry);
  const read: SegmentFacts[] = [];
  let crc = 0;
  let fault: WalFault | undefined;
  for (const [position, segment] of segments.entries()) {
    const { name, sizeBytes, sequence, firstIndex } = segment;
    let [records, usedBytes] = [0, 0];
    try {
      fault ??= gapBefore(segments[position - 1], segment);
      if (fault === undefined) {
        const reading = readSegment(segment, { crc, isLast: position === segments.length - 1 });
        let step = reading.next();
        for (; step.done !== true; step = reading.next()) {
          log.add(step.value);
          usedBytes = step.value.endOffset;
          records += 1;
        }
        ({ crc, usedBytes } = step.value);
      }
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      fault = { kind: error.code === "WAL_TORN" ? "torn" : "corrupt", segment: name, offset: error.offset, text: withoutName(error.what, name) };
    }
    read.push({ name, sequence, firstIndex, sizeBytes, usedBytes, records });
  }
  return { segments: read, ...log.facts(), fault };
}

/** `wal.go` ReadAll: what each record changes. */
class LogSummary {
  #metadata: WalMetadata | undefined;
  #hardState: HardState | undefined;
  readonly #snapshots: WalSnapshot[] = [];
  #firstIndex: RaftIndex | undefined;
  #last: Pick<Entry, "index" | "term"> | undefined;
  /** It stays behind a snapshot that was written down, but not committed. */
  #lastEntryIndex = 0n;
  readonly #onEntry: (entry: Entry) => void;

  constructor(onEntry: (entry: Entry) => void) {
    this.#onEntry = onEntry;
  }

  add(record: WalRecord): void {
    const content = recordContent(record);
    if (content.kind === "metadata") this.#addMetadata(content.metadata, record.offset);
    else if (content.kind === "entry") {
      this.#addEntry(content.entry, record.offset);
      this.#onEntry(content.entry);
    } else if (content.kind === "state") this.#hardState = content.hardState;
    else if (content.kind === "snapshot") this.#addSnapshot(content.snapshot);
  }

  facts(): Pick<WalFacts, "metadata" | "hardState" | "entries" | "lastIndex" | "snapshot"> {
    const commit = this.#hardState?.commit ?? 0n;
    const snapshot = this.#snapshots.findLast(({ index }) => index <= commit);
    const [first, last] = [this.#firstIndex, this.#last];
    return {
      metadata: this.#metadata,
      hardState: this.#hardState,
      entries: first === undefined || last === undefined ? undefined : { firstIndex: first, lastIndex: last.index, lastTerm: last.term },
      lastIndex: snapshot !== undefined && snapshot.index > this.#lastEntryIndex ? snapshot.index : this.#lastEntryIndex,
      snapshot,
    };
  }

  #addMetadata(metadata: WalMetadata, offset: number): void {
    const before = this.#metadata;
    if (before !== undefined && (before.memberId !== metadata.memberId || before.clusterId !== metadata.clusterId)) {
      throw new FormatError("WAL_CORRUPT", "the log changes to that of another member or cluster", offset);
    }
    this.#metadata = metadata;
  }

  #addEntry({ index, term }: Entry, offset: number): void {
    if (this.#last !== undefined && index > this.#last.index + 1n) {
      throw new FormatError("WAL_CORRUPT", `entry ${index} follows entry ${this.#last.index}: entries are missing`, offset);
    }
    if (this.#firstIndex === undefined || index < this.#firstIndex) this.#firstIndex = index;
    this.#last = { index, term };
    this.#lastEntryIndex = index;
  }

  /** A follower that received the whole database goes on after the snapshot's index, without the entries before it. */
  #addSnapshot(snapshot: WalSnapshot): void {
    this.#snapshots.push(snapshot);
    if (this.#last === undefined || snapshot.index <= this.#last.index) return;
    this.#last = snapshot;
    this.#firstIndex = undefined;
  }
}

function gapBefore(before: SegmentName | undefined, segment: SegmentName & Pick<SegmentSource, "name">): WalFault | undefined {
  if (before === undefined || before.sequence + 1n === segment.sequence) return undefined;
  const text = `a file is missing before it: it is number ${segment.sequence} of the log, and comes after number ${before.sequence}`;
  return { kind: "corrupt", segment: segment.name, offset: null, text };
}

/** The reader's messages name the segment, for whoever has nothing else. */
function withoutName(what: string, segment: string): string {
  return what.startsWith(`${segment}: `) ? what.slice(segment.length + 2) : what;
}
