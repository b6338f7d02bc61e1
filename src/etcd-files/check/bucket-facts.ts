// The facts that lie in the small buckets (etcd-formats §3): who the members are, how far raft was, what was compacted.
// A row that cannot be read is a finding; a server would not start, or would forget it.
import type { MemberId } from "../../bytes/u64.ts";
import { FormatError } from "../../errors.ts";
import { jsonObject, parseGoJson } from "../../proto/go-json.ts";
import { decodeLease } from "../../proto/leasepb.ts";
import type { ConfState } from "../../proto/raftpb.ts";
import { ProtoReader } from "../../proto/wire.ts";
import type { Findings } from "../bbolt/finding.ts";
import { parseConfStateJson } from "../membership/conf-state-json.ts";
import { parseMemberJson } from "../membership/member-json.ts";
import { AUTH_KEYS, BUCKETS, CLUSTER_KEYS, META_KEYS } from "../mvcc/buckets.ts";
import { parseRevisionKey } from "../mvcc/revision-key.ts";
import type { MemberFacts, SnapshotFacts } from "./facts.ts";

/** api/etcdserverpb/rpc.proto, AlarmType. */
const ALARMS: Readonly<Record<number, string>> = { 1: "NOSPACE", 2: "CORRUPT" };
/** A compaction revision must be counted with plain numbers (key-row.ts). */
const REVISION_MAX = BigInt(Number.MAX_SAFE_INTEGER);
const DOWNGRADE_SIZE_BYTES_MAX = 64 * 1024;
const ID_SIZE_BYTES = 8;

export class BucketFacts {
  finishedCompactRevision = -1n;
  scheduledCompactRevision = -1n;
  consistentIndex = 0n;
  term: bigint | undefined;
  confState: ConfState | undefined;
  storageVersion: string | undefined;
  clusterVersion: string | undefined;
  downgrade: SnapshotFacts["downgrade"];
  leases = 0;
  users = 0;
  roles = 0;
  authEnabled = false;
  readonly alarms: { readonly memberId: MemberId; readonly alarm: string }[] = [];
  readonly members: MemberFacts[] = [];
  readonly #findings: Findings;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  /** Takes a row of any bucket but `key`; one of an unknown bucket says nothing. Offsets are those of key and value in the file. */
  row(bucket: string, key: Uint8Array, value: Uint8Array, keyOffset: number, valueOffset: number): void {
    try {
      if (bucket === BUCKETS.meta) this.#metaRow(latin1(key), value, valueOffset);
      else if (bucket === BUCKETS.lease) this.#leaseRow(key, value, keyOffset, valueOffset);
      else if (bucket === BUCKETS.members) this.#memberRow(value, valueOffset);
      else if (bucket === BUCKETS.alarm) this.#alarmRow(key, keyOffset);
      else if (bucket === BUCKETS.cluster) this.#clusterRow(latin1(key), value, valueOffset);
      else if (bucket === BUCKETS.auth && latin1(key) === AUTH_KEYS.authEnabled) this.authEnabled = value.length === 1 && value[0] === 1;
      else if (bucket === BUCKETS.authUsers) this.users += 1;
      else if (bucket === BUCKETS.authRoles) this.roles += 1;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#findings.error(error.offset, `bucket ${bucket}: ${error.what}`);
    }
  }

  #metaRow(name: string, value: Uint8Array, offset: number): void {
    if (name === META_KEYS.consistentIndex) this.consistentIndex = uint64(name, value, offset);
    else if (name === META_KEYS.term) this.term = uint64(name, value, offset);
    else if (name === META_KEYS.confState) this.confState = parseConfStateJson(value, offset);
    else if (name === META_KEYS.storageVersion) this.storageVersion = latin1(value);
    else if (name === META_KEYS.finishedCompactRev) this.finishedCompactRevision = revision(name, value, offset);
    else if (name === META_KEYS.scheduledCompactRev) this.scheduledCompactRevision = revision(name, value, offset);
  }

  #leaseRow(key: Uint8Array, value: Uint8Array, keyOffset: number, valueOffset: number): void {
    const id = BigInt.asIntN(64, uint64("a lease's id", key, keyOffset));
    const lease = decodeLease(value, valueOffset);
    if (lease.id !== id) throw new FormatError("BBOLT_ROW_INVALID", `lease ${lease.id} is stored under ${id}`, keyOffset);
    this.leases += 1;
  }

  #memberRow(value: Uint8Array, offset: number): void {
    const { id, name, peerUrls, clientUrls, isLearner } = parseMemberJson(value, offset);
    this.members.push({ id, name, peerURLs: peerUrls, clientURLs: clientUrls, isLearner });
  }

  #alarmRow(key: Uint8Array, offset: number): void {
    const reader = new ProtoReader(key, offset);
    let memberId = 0n;
    let alarm = 0;
    while (reader.next()) {
      if (reader.field === 1) memberId = reader.uint64();
      else if (reader.field === 2) alarm = reader.uint32();
      else reader.skip();
    }
    this.alarms.push({ memberId: memberId as MemberId, alarm: ALARMS[alarm] ?? `alarm ${alarm}` });
  }

  #clusterRow(name: string, value: Uint8Array, offset: number): void {
    if (name === CLUSTER_KEYS.clusterVersion) this.clusterVersion = latin1(value);
    if (name !== CLUSTER_KEYS.downgrade) return;
    const fields = jsonObject(parseGoJson(value, DOWNGRADE_SIZE_BYTES_MAX));
    const targetVersion = fields?.get("target-version") ?? "";
    const enabled = fields?.get("enabled") ?? false;
    if (fields === undefined || typeof targetVersion !== "string" || typeof enabled !== "boolean") {
      throw new FormatError("BBOLT_ROW_INVALID", "the row downgrade is not what etcd writes", offset);
    }
    this.downgrade = { enabled, targetVersion };
  }
}

function uint64(name: string, value: Uint8Array, offset: number): bigint {
  if (value.length !== ID_SIZE_BYTES) throw new FormatError("BBOLT_ROW_INVALID", `${name} has ${value.length} bytes instead of ${ID_SIZE_BYTES}`, offset);
  return new DataView(value.buffer, value.byteOffset, value.length).getBigUint64(0);
}

function revision(name: string, value: Uint8Array, offset: number): bigint {
  const parsed = parseRevisionKey(value);
  if (parsed === undefined || parsed.main > REVISION_MAX) throw new FormatError("BBOLT_ROW_INVALID", `${name} is no revision`, offset);
  return parsed.main;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
