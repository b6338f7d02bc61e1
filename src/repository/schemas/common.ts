// Field types shared by every document of a repository. docs/repository-format.md, "Types", says the same in prose.
import { z } from "zod";

/** The only major version this etcdsafe reads and writes. */
export const FORMAT_VERSION = 1;

/** First fields of every document. What a reader must do with them: docs/repository-format.md, "Versions". */
export const documentHead = { format: z.literal(FORMAT_VERSION), requires: z.array(z.string()) };

/** RFC 3339, UTC, milliseconds: what Date.prototype.toISOString() gives. */
export const time = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/, "not a UTC time with milliseconds")
  .refine((text) => !Number.isNaN(Date.parse(text)), "no such time");

/** An int64 that is never negative, decimal: revisions. */
export const revision = z
  .string()
  .regex(/^(0|[1-9]\d{0,18})$/, "not a decimal revision")
  .refine((text) => BigInt(text) <= 0x7fff_ffff_ffff_ffffn, "beyond 63 bits");

/** As etcd's HashKV answers: "-1" means never compacted. */
export const compactRevision = z.union([z.literal("-1"), revision]);

/** A uint64, decimal: raft indexes and terms. */
export const u64 = z
  .string()
  .regex(/^(0|[1-9]\d{0,19})$/, "not a decimal number")
  .refine((text) => BigInt(text) <= 0xffff_ffff_ffff_ffffn, "beyond 64 bits");

/** A member or cluster id. */
export const hexId = z.string().regex(/^[0-9a-f]{16}$/, "not 16 hexadecimal digits");

export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "not a SHA-256 in hexadecimal");

export const count = z.int().nonnegative();
export const sizeBytes = z.int().nonnegative();
export const u32 = z.int().min(0).max(0xffff_ffff);

export const backupId = z.string().regex(/^\d{8}T\d{6}Z-\d{19}-[a-z2-7]{6}$/, "not a backup id");
/** Timelines, repositories and lease holders are named by 60 random bits. */
export const randomId = z.string().regex(/^[a-z2-7]{12}$/, "not an id of 12 base32 characters");
export const clusterName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "not a cluster name");

export const tool = z.object({ name: z.string(), version: z.string() });

/** The process that wrote a document. `host` is its host name. */
export const writer = z.object({ host: z.string(), pid: z.int().nonnegative() });

/** A member as etcd lists it. */
export const member = z.object({
  id: hexId,
  name: z.string(),
  peerUrls: z.array(z.string()),
  clientUrls: z.array(z.string()),
  isLearner: z.boolean(),
});

/** HashKV of one state: equal on two members only when revision and compaction revision are. */
export const hashKv = z.object({ revision, compactRevision, hash: u32 });

/** One fault found in an object; `offset` counts bytes from its start: raw ones, or stored ones where they cannot be decoded. */
export const finding = z.object({
  severity: z.enum(["warning", "error"]),
  object: z.string(),
  offset: z.int().nonnegative().nullable(),
  text: z.string(),
});

/** An error as docs/errors.md lists it. */
export const failure = z.object({ code: z.string(), message: z.string(), hint: z.string() });
