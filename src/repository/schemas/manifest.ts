// <cluster>/backups/<backup id>/manifest.json: everything that was known about a backup when it was published. Never changes.
import { z } from "zod";
import {
  backupId,
  clusterName,
  compactRevision,
  count,
  documentHead,
  hashKv,
  hexId,
  member,
  randomId,
  revision,
  sha256,
  sizeBytes,
  time,
  tool,
  u32,
  u64,
} from "./common.ts";
import { timelineReason } from "./timeline-reason.ts";

const encryption = z.object({ scheme: z.string(), recipients: z.array(z.string()), passphrase: z.boolean() });

/** One stored object of the backup; `name` is relative to the backup's own prefix. */
export const storedObjectSchema = z.object({
  role: z.enum(["snapshot", "bundle"]),
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/, "not an object's name"),
  codec: z.array(z.string()).min(1),
  storedSizeBytes: sizeBytes,
  storedSha256: sha256,
  rawSizeBytes: sizeBytes,
  rawSha256: sha256,
  encryption: encryption.nullable(),
  storeVersion: z.string().nullable(),
});

const origin = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("member") }),
  z.object({ kind: z.literal("compacted"), base: backupId }),
  z.object({ kind: z.literal("rekeyed"), base: backupId, keepsKey: z.boolean().optional() }),
  z.object({ kind: z.literal("imported"), tool: z.string(), location: z.string() }),
]);

/** The member that streamed the snapshot. `endpoint` holds no credentials. */
const servingMember = z.object({ id: hexId, name: z.string(), endpoint: z.string(), isLeader: z.boolean().nullable(), etcdVersion: z.string() });

const memberOutcome = z.object({
  id: hexId,
  name: z.string(),
  endpoint: z.string().nullable(),
  serving: z.boolean(),
  outcome: z.enum(["agreed", "disagreed", "not-comparable", "unreachable"]),
  why: z.string().nullable(),
  compactRevision: compactRevision.nullable(),
  hash: u32.nullable(),
  fileHash: u32.nullable(),
});

const comparison = z.object({
  asked: z.enum(["all", "others", "none"]),
  why: z.string().nullable(),
  revision: revision.nullable(),
  members: z.array(memberOutcome),
});

const snapshot = z.object({
  dataSizeBytes: sizeBytes,
  dataSha256: sha256,
  trailer: z.boolean(),
  pageSizeBytes: sizeBytes.nullable(),
  statusHash: u32.nullable(),
});

/** What a bundle holds, for whoever has no key to open it. */
const bundle = z.object({ entries: count, sizeBytes, presets: z.array(z.string()), kinds: z.array(z.string()), containsPrivateKeys: z.boolean() });

const counts = z.object({
  keys: count,
  revisions: count,
  tombstones: count,
  leases: count,
  users: count,
  roles: count,
  alarms: count,
  totalRows: count,
  keysByPrefix: z.array(z.object({ prefix: z.string(), keys: count })),
});

const hashedRow = z.string().regex(/^\d{1,19}:[0-9a-f]{16}$/, "not revision:hash");

/** Rows that fall under a hash threshold, and the newest: docs/repository-format.md, "Lineage sample". */
export const lineageSampleSchema = z.object({
  threshold: z.string().regex(/^[0-9a-f]{16}$/, "not 16 hexadecimal digits"),
  rows: z.array(hashedRow),
  newest: z.array(hashedRow),
});

const checkName = z.enum(["trailing-sha256", "size", "structure", "mvcc", "hashkv", "stored-checksum"]);

export const manifestSchema = z.object({
  ...documentHead,
  tool,
  id: backupId,
  cluster: clusterName,
  clusterId: hexId.nullable(),
  timeline: randomId,
  timelineBegan: z
    .object({ reason: timelineReason, detail: z.string(), after: z.object({ backup: backupId, timeline: randomId, revision }).nullable() })
    .nullable(),
  createdAt: time,
  publishedAt: time,
  clockOffsets: z.object({ storeMs: z.int().nullable(), memberMs: z.int().nullable() }),
  origin,
  state: z.enum(["proven", "unconfirmed", "suspect", "partial"]),
  stateWhy: z.string(),
  checked: z.array(checkName),
  warnings: z.array(z.string()),
  servingMember: servingMember.nullable(),
  quorumSeen: z.boolean().nullable(),
  comparison,
  revision,
  compactRevision: compactRevision.nullable(),
  raftIndex: u64.nullable(),
  raftTerm: u64.nullable(),
  storageVersion: z.string().nullable(),
  clusterVersion: z.string().nullable(),
  authEnabled: z.boolean().nullable(),
  alarms: z.array(z.object({ memberId: hexId, alarm: z.string() })).nullable(),
  members: z.array(member).nullable(),
  kubeSystemUid: z.string().nullable(),
  snapshot,
  objects: z.array(storedObjectSchema).min(1),
  bundle: bundle.optional(),
  counts: counts.nullable(),
  hashKv: hashKv.nullable(),
  lineageSample: lineageSampleSchema.nullable(),
  tags: z.record(z.string(), z.string()),
});
