// Names of everything in a repository: docs/repository-format.md, "Layout". Every key is made here and nowhere else.
import { EtcdsafeError } from "../errors.ts";

export const REPOSITORY_KEY = "etcdsafe-repository.json";
/** In the store of the state, where that is another one. */
export const STATE_FILE_KEY = "etcdsafe-state.json";
export const SNAPSHOT_OBJECT = "snapshot.db.zst";
export const BUNDLE_OBJECT = "bundle.tar.zst";

const CLUSTER_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const BACKUP_ID = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z-(\d{19})-[a-z2-7]{6}$/;
const SEGMENT = /^([a-z2-7]{12})\/(\d{19})(?:-(\d{19}))?\.seg\.zst(?:\.age)?$/;
const GAP = /^([a-z2-7]{12})\/(\d{19})\.json$/;
/** RFC 4648 §6, in lower case. */
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const BACKUP_SUFFIX_LENGTH = 6;
const RANDOM_ID_LENGTH = 12;
const REVISION_DIGITS = 19;
/** In place of the id of a cluster, which is 16 hexadecimal digits. */
const SNAPSHOT_FILE = "snapshot";

export function isClusterName(name: string): boolean {
  return CLUSTER_NAME.test(name) && name !== REPOSITORY_KEY && name !== STATE_FILE_KEY;
}

/** What `repo validate` puts somewhere to try a store out, and may not be allowed to remove. No cluster's name begins so. */
export const PROBES_PREFIX = "_probe/";

/** Throws CONFIG_INVALID for what may not be a cluster name. */
export function checkClusterName(name: string): void {
  if (isClusterName(name)) return;
  throw new EtcdsafeError("CONFIG_INVALID", `"${name}" cannot be a cluster name`, {
    hint: "Lower-case letters, digits, dots, underscores and hyphens, at most 63, beginning with a letter or digit.",
  });
}

/** A new backup id. `createdAt` loses its milliseconds; `revision` is the one known when the backup begins. */
export function backupId(createdAt: Date, revision: bigint, randomBytes: (sizeBytes: number) => Uint8Array): string {
  const time = compactTime(createdAt).replace(/\.\d{3}Z$/, "Z");
  return `${time}-${paddedRevision(revision)}-${base32(randomBytes, BACKUP_SUFFIX_LENGTH)}`;
}

/** What a backup id says, or undefined when it is none. */
export function parseBackupId(id: string): { readonly createdAt: Date; readonly revision: bigint } | undefined {
  const parts = BACKUP_ID.exec(id);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second, revision] = parts;
  const createdAt = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  // Date takes 30 February for 2 March.
  const exists = !Number.isNaN(createdAt.getTime()) && createdAt.getUTCDate() === Number(day);
  return exists ? { createdAt, revision: BigInt(revision!) } : undefined;
}

/** A new id of a timeline or a repository: 60 random bits. */
export function randomId(randomBytes: (sizeBytes: number) => Uint8Array): string {
  return base32(randomBytes, RANDOM_ID_LENGTH);
}

export function clusterFileKey(cluster: string): string {
  return `${cluster}/cluster.json`;
}

/** What all keys of backups start with. */
export function backupsPrefix(cluster: string): string {
  return `${cluster}/backups/`;
}

/** Key of one object of a backup, or of its manifest. */
export function backupObjectKey(cluster: string, id: string, name: string): string {
  return `${backupsPrefix(cluster)}${id}/${name}`;
}

export function manifestKey(cluster: string, id: string): string {
  return backupObjectKey(cluster, id, "manifest.json");
}

export function isManifestKey(key: string): boolean {
  return /^[^/]+\/backups\/[^/]+\/manifest\.json$/.test(key);
}

export function verificationsPrefix(cluster: string, id?: string): string {
  return id === undefined ? `${cluster}/verifications/` : `${cluster}/verifications/${id}/`;
}

/** `level` and `outcome` are in it, so that a listing tells which results count. */
export function verificationKey(cluster: string, id: string, finishedAt: Date, { level, outcome }: VerificationName): string {
  return `${verificationsPrefix(cluster, id)}${compactTime(finishedAt)}-${level}-${outcome}.json`;
}

interface VerificationName {
  readonly level: string;
  readonly outcome: string;
}

/** What the name of a verification says: `finishedAt` sorts by time, and the rest is undefined where the name has the time alone. */
export function parseVerificationKey(key: string): { readonly finishedAt: string } & Partial<VerificationName> {
  const [finishedAt = "", level, outcome] = /^(.*?)(?:-(.+)-(.+))?$/.exec(key.slice(key.lastIndexOf("/") + 1, -".json".length))!.slice(1);
  return level === undefined ? { finishedAt } : { finishedAt, level, outcome: outcome! };
}

export function attemptsPrefix(cluster: string): string {
  return `${cluster}/attempts/`;
}

/** When an attempt, or a prune, ended. */
export function endOfRecord(key: string): Date {
  const [, ...parts] = /\/(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2}\.\d{3})Z(?:-[^/]*|\.json)$/.exec(key) ?? [];
  const [year, month, day, hour, minute, second] = parts;
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

export function attemptKey(cluster: string, finishedAt: Date, randomBytes: (sizeBytes: number) => Uint8Array): string {
  return `${attemptsPrefix(cluster)}${compactTime(finishedAt)}-${base32(randomBytes, BACKUP_SUFFIX_LENGTH)}.json`;
}

/** Prefix of the restore records of one cluster id, or with an empty one of all. */
export function restoresPrefix(cluster: string, clusterId: string): string {
  return `${cluster}/restores/${clusterId}`;
}

/** `restoredAt` is for an id that was restored before, and for a snapshot file, which has none. */
export function restoreKey(cluster: string, clusterId: string | null, restoredAt?: Date): string {
  return `${restoresPrefix(cluster, clusterId ?? SNAPSHOT_FILE)}${restoredAt === undefined ? "" : `-${compactTime(restoredAt)}`}.json`;
}

export function segmentsPrefix(cluster: string): string {
  return `${cluster}/segments/`;
}

/** What the name of a segment says, or undefined where it is none; `lastRevision` is in those of folded ones alone. */
export function parseSegmentKey(cluster: string, key: string): SegmentName | undefined {
  const [, timeline, first, last] = SEGMENT.exec(key.slice(segmentsPrefix(cluster).length)) ?? [];
  if (timeline === undefined || !key.startsWith(segmentsPrefix(cluster))) return undefined;
  return { timeline, firstRevision: BigInt(first!), lastRevision: last === undefined ? null : BigInt(last) };
}

export interface SegmentName {
  readonly timeline: string;
  readonly firstRevision: bigint;
  readonly lastRevision: bigint | null;
}

export function gapsPrefix(cluster: string): string {
  return `${cluster}/gaps/`;
}

/** What the name of a gap says, or undefined where it is none. */
export function parseGapKey(cluster: string, key: string): Pick<SegmentName, "timeline" | "firstRevision"> | undefined {
  const [, timeline, first] = GAP.exec(key.slice(gapsPrefix(cluster).length)) ?? [];
  return timeline === undefined || !key.startsWith(gapsPrefix(cluster)) ? undefined : { timeline, firstRevision: BigInt(first!) };
}

export function prunesPrefix(cluster: string): string {
  return `${cluster}/prunes/`;
}

export function pruneKey(cluster: string, finishedAt: Date): string {
  return `${prunesPrefix(cluster)}${compactTime(finishedAt)}.json`;
}

export function deletionsPrefix(cluster: string): string {
  return `${cluster}/deleting/`;
}

export function deletionKey(cluster: string, id: string): string {
  return `${deletionsPrefix(cluster)}${id}.json`;
}

export function uploadKey(cluster: string, id: string): string {
  return `${uploadsPrefix(cluster)}${id}.json`;
}

function uploadsPrefix(cluster: string): string {
  return `${cluster}/uploads/`;
}

export function pinsPrefix(cluster: string): string {
  return `${cluster}/pins/`;
}

export function pinKey(cluster: string, id: string): string {
  return `${pinsPrefix(cluster)}${id}.json`;
}

export function writerLeaseKey(cluster: string): string {
  return `${cluster}/writer.json`;
}

/** Key of an object that is put only to try the store; `run` is one validation's random id. */
export function probeKey(run: string, name: string): string {
  return `${PROBES_PREFIX}${run}/${name}`;
}

/** The same for one that has to be where the state is: its key looks like an upload marker's. */
export function stateProbeKey(randomBytes: (sizeBytes: number) => Uint8Array): string {
  return `${PROBES_PREFIX}uploads/${randomId(randomBytes)}`;
}

/** `20261121T093000.123Z`: RFC 3339 without what keys and file names dislike. */
function compactTime(time: Date): string {
  return time.toISOString().replaceAll(/[-:]/g, "");
}

function paddedRevision(revision: bigint): string {
  return revision.toString().padStart(REVISION_DIGITS, "0");
}

function base32(randomBytes: (sizeBytes: number) => Uint8Array, length: number): string {
  return Array.from(randomBytes(length), (byte) => BASE32[byte % BASE32.length]).join("");
}
