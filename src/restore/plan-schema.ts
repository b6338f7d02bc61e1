// The form of a saved plan: that nothing of it is missing or of another type. What it says is compared with the rest in saved-plan.ts.
import { z } from "zod";
import type { Owner, PlannedAccess } from "./access.ts";
import type { Evidence } from "./evidence.ts";
import type { FormerMember } from "./former-members.ts";
import type { PlannedRestoreMember, RestorePlan } from "./plan.ts";
import type { ReplacedMember } from "./replace.ts";
import type { SourceFacts } from "./source.ts";
import type { FileAccess } from "./target-facts.ts";
import { TARGET_VERSIONS } from "./target-version.ts";

const text = z.string().min(1, "is empty");
const orNull = z.string().nullable();
const bytes = z.int().nonnegative();
const decimal = z.string().regex(/^\d{1,20}$/, "is no decimal number");
const id = z.string().regex(/^[0-9a-f]{16}$/, "is no id of 16 hexadecimal digits");
const time = z.string().refine((value) => !Number.isNaN(Date.parse(value)), "is no time");
const url = z.string().refine((value) => URL.canParse(value), "is no URL");
const onOff = z.enum(["on", "off"]);

const evidence: z.ZodType<Evidence> = z.object({
  kind: z.enum(["source", "backup", "restore-record", "data-directory", "given"]),
  where: z.string(),
  revision: decimal,
  isUpperBound: z.boolean(),
  at: time.nullable(),
});
const source: z.ZodType<SourceFacts> = z.object({
  kind: z.enum(["backup", "snapshot-file", "foreign"]),
  location: text,
  cluster: orNull,
  backupId: orNull,
  state: z.enum(["proven", "unconfirmed", "suspect", "partial", "damaged"]).nullable(),
  createdAt: time.nullable(),
  databaseSha256: orNull,
  databaseSizeBytes: bytes,
  revision: decimal,
  compactRevision: z.union([z.literal("-1"), decimal]),
  storageVersion: orNull,
  clusterVersion: orNull,
  leases: bytes,
  alarms: bytes,
  authEnabled: z.boolean(),
  hashKv: z.object({ revision: decimal, compactRevision: z.union([z.literal("-1"), decimal]), hash: bytes }).nullable(),
  bundle: z.object({ entries: bytes, sizeBytes: bytes, presets: z.array(z.string()), kinds: z.array(z.string()), containsPrivateKeys: z.boolean() }).optional(),
});
const formerMember: z.ZodType<FormerMember> = z.object({ id, name: z.string(), peerUrls: z.array(z.string()), clientUrls: z.array(z.string()) });
const owner: z.ZodType<Owner> = z.object({ uid: bytes, gid: bytes });
const fileAccess: z.ZodType<FileAccess> = z.object({ uid: bytes, gid: bytes, mode: z.string().regex(/^[0-7]{4}$/, "is no mode of four octal digits") });
const access: z.ZodType<PlannedAccess> = z.object({
  from: z.enum(["replaced", "owner-option", "data-directory", "running-user"]),
  directory: fileAccess,
  member: fileAccess,
  snap: fileAccess,
  wal: fileAccess,
  database: fileAccess,
  walFile: fileAccess,
  snapFile: fileAccess,
});
const replaces: z.ZodType<ReplacedMember> = z.object({
  memberDir: orNull,
  keptAs: orNull,
  walKeptAs: orNull,
  databaseSizeBytes: bytes.nullable(),
  revision: decimal.nullable(),
});
const member: z.ZodType<PlannedRestoreMember> = z.object({
  name: text,
  id,
  peerUrls: z.array(url).min(1, "is empty"),
  clientUrls: z.array(url),
  clientUrlsAssumed: z.boolean(),
  dataDir: text.nullable(),
  walDir: text.nullable(),
  replaces: replaces.nullable(),
  access: access.nullable(),
});

/** Keys that it does not know are no fault. */
const schema: z.ZodType<RestorePlan> = z.object({
  format: z.literal(1),
  tool: text,
  plannedAt: time,
  distro: z.enum(["kubeadm", "systemd"]).nullable(),
  perHost: z.boolean(),
  copy: z.boolean(),
  repository: z.object({ location: text, cluster: text }).nullable(),
  formerMembers: z.array(formerMember),
  unsignedSha256: orNull,
  source,
  skipHashCheck: z.boolean(),
  revision: z.object({
    before: decimal,
    after: decimal,
    bump: z.union([z.enum(["auto", "none"]), decimal]),
    bumpedBy: decimal.nullable(),
    markCompacted: z.boolean(),
    evidence: z.array(evidence).min(1, "is empty"),
  }),
  keyspace: z.object({
    alarms: z.object({ count: bytes, policy: z.enum(["drop", "keep"]) }),
    auth: z.object({ before: onOff, after: onOff }),
    leases: z.object({ count: bytes, policy: z.enum(["restart", "expire", "detach"]), boundKeys: bytes.nullable(), addedBytes: bytes }),
  }),
  versions: z.object({
    storage: orNull,
    cluster: orNull,
    target: z.enum(TARGET_VERSIONS).nullable(),
    oldestEtcd: orNull,
    removesStorageVersion: z.boolean(),
  }),
  walBeside: z
    .object({
      directory: text,
      consistentIndex: decimal,
      lastIndex: decimal,
      missingEntries: bytes,
      endsWithoutRoom: z.boolean(),
      damage: orNull,
      strangerId: id.nullable(),
    })
    .nullable(),
  token: text,
  tokenGiven: z.boolean(),
  clusterId: id,
  members: z.array(member).min(1, "is empty"),
  loss: z.object({ newest: evidence.nullable(), revisions: z.string().nullable(), secondsBetween: z.number().nullable(), upperBound: z.boolean() }),
  walDialect: z.enum(["3.4", "3.6", "3.7"]),
  stageId: z.string().regex(/^[a-z0-9]+$/, "is no name for a directory"),
  quotaBackendBytes: bytes,
  replace: z.boolean(),
  owner: owner.nullable(),
  bytes: z.object({
    databasePerMember: bytes,
    walPerMember: bytes,
    total: bytes,
    fileSystems: z.array(z.object({ directories: z.array(z.string()), neededBytes: bytes, freeBytes: bytes.nullable() })),
  }),
  warnings: z.array(z.string()),
});

/** What is wrong with its form, each as a path and a text; none for one that can be relied on. */
export function planFaults(plan: unknown): string[] {
  const parsed = schema.safeParse(plan);
  return (parsed.error?.issues ?? []).map(({ path, message }) => `${path.join(".")}: ${message}`);
}
