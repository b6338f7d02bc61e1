// What a log holds that a database lacks: the entries after the database's last that etcd applies to its data.

import type { Entry } from "../../proto/raftpb.ts";
import { ProtoReader, WIRE_BYTES } from "../../proto/wire.ts";
import { endsWithoutRoom, lostBehindEnd } from "./behind-end.ts";
import { type WalFacts, walFacts } from "./facts.ts";
import type { SegmentSource } from "./read.ts";
import type { SegmentName } from "./segment-name.ts";

export interface WalAfter {
  readonly facts: WalFacts;
  /** Entries after the one asked about that change data, or may: those that are no longer in the log count. */
  readonly changes: number;
  /** Why it may have gone on after its end, as lostBehindEnd says it. */
  readonly behindEnd: string | undefined;
  /** As endsWithoutRoom says it. */
  readonly endsWithoutRoom: boolean;
}

/** raft/raftpb/raft.proto, EntryType: all others change the membership. */
const ENTRY_NORMAL = 0;
/** server/etcdserver/apply_v2.go: what a bare etcdserverpb.Request may ask for; 3.4 and 3.5 write such for names and the cluster version (etcd-formats §9.2). */
const V2_METHODS: ReadonlySet<string> = new Set(["PUT", "POST", "DELETE", "GET", "QGET", "SYNC"]);
const V2_METHOD_FIELD = 2;
/** api/etcdserverpb/raft_internal.proto: cluster_version_set, cluster_member_attr_set, downgrade_info_set. */
const MEMBERSHIP_FIELDS: ReadonlySet<number> = new Set([1300, 1301, 1302]);

/**
 * Reads all of the log. 3.4 writes down how far it has applied only with an entry that changes data, so a database may seem to be behind although nothing
 * is missing (checked on 3.4.23). What the members restored from it will be is decided anew.
 */
export function walAfter(segments: readonly (SegmentSource & SegmentName)[], index: bigint): WalAfter {
  /** Whether each entry from `index` + 1 on changes data. */
  const changing: boolean[] = [];
  const facts = walFacts(segments, (entry) => {
    const position = Number(entry.index - index - 1n);
    // A later leader's entry takes the place of all from its index on.
    changing.length = Math.min(changing.length, Math.max(0, position));
    if (position >= 0) changing[position] = changesData(entry);
  });
  const firstIndex = facts.entries?.firstIndex ?? (facts.snapshot === undefined ? undefined : facts.snapshot.index + 1n);
  const gone = firstIndex === undefined || firstIndex <= index + 1n ? 0 : Number(firstIndex - index - 1n);
  const end = { behindEnd: lostBehindEnd(segments, facts), endsWithoutRoom: endsWithoutRoom(facts) };
  return { facts, ...end, changes: gone + changing.slice(gone).filter(Boolean).length };
}

/** Not so of a new leader's empty entry, a change of members, and what members write of their names and versions. */
function changesData({ type, data }: Entry): boolean {
  return type === ENTRY_NORMAL && data.length > 0 && !isOfTheMembers(data);
}

function isOfTheMembers(data: Uint8Array): boolean {
  const reader = new ProtoReader(data);
  while (reader.next()) {
    if (MEMBERSHIP_FIELDS.has(reader.field)) return true;
    if (reader.field === V2_METHOD_FIELD && reader.wireType === WIRE_BYTES) return V2_METHODS.has(Buffer.from(reader.bytes()).toString("latin1"));
    reader.skip();
  }
  return false;
}
