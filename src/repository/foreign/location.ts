// What other tools' backups a location holds that is no etcdsafe repository: a bucket of Gardener's etcdbrctl (layout v2), or snapshot files as etcdctl,
// k3s and RKE2 write them. Nothing is ever written there. docs/other-tools.md.
import { EtcdsafeError } from "../../errors.ts";
import type { CallOptions } from "../../runtime.ts";
import { readOnly } from "../../storage/read-only.ts";
import type { ObjectInfo, Storage } from "../../storage/storage.ts";
import { type Candidate, type ForeignBackup, lookAtAll } from "./look.ts";
import { lastPart, parseEtcdbrName, timeInName } from "./names.ts";
import { type OwnRepositories, ownRepositories } from "./own.ts";

/** Changes after a full, which this version does not apply. */
export interface ForeignDelta {
  readonly key: string;
  readonly lastRevision: bigint;
  readonly createdAt: Date;
}

export interface ForeignLocation {
  readonly storage: Storage;
  readonly layout: "etcdbrctl" | "snapshot-files";
  /** Newest first. */
  readonly backups: readonly ForeignBackup[];
  readonly deltas: readonly ForeignDelta[];
}

/** A bucket with a delta every few seconds holds thousands. */
const OBJECTS_MAX = 100_000;
/** Each is looked into. More are no place where somebody keeps snapshots, but one above it. */
const FILES_MAX = 2000;

/**
 * Undefined where nothing is that looks like a backup, or what does is etcdsafe's. Throws REPOSITORY_NOT_FOUND where backups are, but further down or up, or
 * too much to look at.
 */
export async function findForeign(storage: Storage, options: CallOptions): Promise<ForeignLocation | undefined> {
  const { signal } = options;
  const objects: ObjectInfo[] = [];
  const below = new Set<string>();
  for await (const object of storage.list("", { signal })) {
    const [, prefix] = /^(.+)\/v2\/[^/]+$/.exec(object.key) ?? [];
    if (prefix !== undefined && parseEtcdbrName(lastPart(object.key)) !== undefined) below.add(prefix);
    if (objects.push(object) > OBJECTS_MAX) throw tooMany(storage, OBJECTS_MAX);
  }
  const own = ownRepositories(objects.map(({ key }) => key));
  if (own.place === "here") return undefined;
  if (own.place === "above") throw within(storage);
  const inBucket = objects.filter(({ key }) => /^(v2\/)?[^/]+$/.test(key) && parseEtcdbrName(lastPart(key)) !== undefined);
  if (inBucket.length > 0) return bucket(readOnly(storage), inBucket, options);
  if (below.size > 0) throw furtherDown(storage, "backups of etcdbrctl", [...below]);
  const files = objects.filter(({ key }) => !isBeside(key) && !isIn(own, key));
  if (files.length > FILES_MAX) throw tooMany(storage, FILES_MAX);
  const backups = await lookAtAll(storage, files.map(candidate), options);
  if (backups.length === 0 && own.below.length > 0) throw furtherDown(storage, "repositories of etcdsafe", own.below);
  if (backups.length === 0) return undefined;
  return { storage: readOnly(storage), layout: "snapshot-files", backups: newestFirst(backups), deltas: [] };
}

async function bucket(storage: Storage, objects: readonly ObjectInfo[], options: CallOptions): Promise<ForeignLocation> {
  const named = objects.map((object) => ({ object, name: parseEtcdbrName(lastPart(object.key))! }));
  const fulls = named.flatMap(({ object: { key, sizeBytes }, name: { kind, lastRevision, createdAt, packing, isFinal } }) => {
    if (kind === "delta") return [];
    return [{ name: lastPart(key), key, storedSizeBytes: sizeBytes, createdAt, packing, namedRevision: lastRevision, isFinal }];
  });
  const deltas = named.flatMap(({ object: { key }, name: { kind, lastRevision, createdAt } }) => (kind === "delta" ? [{ key, lastRevision, createdAt }] : []));
  return { storage, layout: "etcdbrctl", backups: newestFirst(await lookAtAll(storage, fulls, options)), deltas };
}

function candidate({ key, sizeBytes, modifiedAt }: ObjectInfo): Candidate {
  const name = lastPart(key);
  const createdAt = timeInName(name) ?? modifiedAt;
  return { name, key, storedSizeBytes: sizeBytes, createdAt, packing: undefined, namedRevision: undefined, isFinal: false };
}

/** Of one second the one with the higher revision, and then by name, so that the order is always the same. */
function newestFirst(backups: readonly ForeignBackup[]): ForeignBackup[] {
  const revision = ({ namedRevision = 0n }: ForeignBackup) => namedRevision;
  return backups.toSorted((a, b) => {
    const ms = b.createdAt.getTime() - a.createdAt.getTime();
    if (ms !== 0) return ms;
    if (revision(a) !== revision(b)) return revision(a) < revision(b) ? 1 : -1;
    return a.key < b.key ? 1 : -1;
  });
}

function isIn({ below }: OwnRepositories, key: string): boolean {
  return below.some((prefix) => key.startsWith(`${prefix}/`));
}

/** What k3s and RKE2 keep of each snapshot, and the database of a living member, which is no backup. */
function isBeside(key: string): boolean {
  return /(^|\/)\.metadata\//.test(key) || /(^|\/)(member\/)?(snap\/db|wal\/[^/]*|snap\/[^/]*\.snap)$/.test(key) || key.endsWith("/");
}

function tooMany({ location }: Storage, max: number): EtcdsafeError {
  return new EtcdsafeError("REPOSITORY_NOT_FOUND", `${location} is no repository, and holds more than ${max} objects`, {
    hint: "For other tools' backups, name the directory or prefix that they are in.",
  });
}

function within({ location }: Storage): EtcdsafeError {
  return new EtcdsafeError("REPOSITORY_NOT_FOUND", `${location} is no repository, but lies within one of etcdsafe's`, {
    hint: "Name the one that it is in with --repository: what is above CLUSTER/backups. A name of its cluster is given with --cluster.",
  });
}

function furtherDown({ location }: Storage, what: string, prefixes: readonly string[]): EtcdsafeError {
  return new EtcdsafeError("REPOSITORY_NOT_FOUND", `${location} is no repository; ${what} are below it, in ${prefixes.join(", ")}`, {
    hint: `Name one of them with --repository: ${location.replace(/\/$/, "")}/${prefixes[0]}`,
  });
}
