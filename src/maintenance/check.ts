// `repo check`: whether what is stored is a repository through and through. Reads every document and no snapshot; `verify` reads those. Deletes nothing.
import { EtcdsafeError } from "../errors.ts";
import { missingObjects } from "../repository/catalogue.ts";
import { readClusterFile } from "../repository/cluster-file.ts";

import { inTurns } from "../repository/in-turns.ts";
import { readManifest } from "../repository/manifest.ts";
import { backupsPrefix, clusterFileKey, manifestKey, PROBES_PREFIX } from "../repository/names.ts";
import { type Recognised, recognise } from "../repository/recognise.ts";
import type { Repository } from "../repository/repository.ts";
import type { CallOptions } from "../runtime.ts";
import type { ObjectInfo } from "../storage/storage.ts";
import { requireDocument } from "./documents.ts";
import { type GcRuntime, planGcOf } from "./gc.ts";

export interface CheckFinding {
  readonly severity: "warning" | "error";
  /** The key it is about, or of a backup what all its keys begin with. */
  readonly key: string;
  readonly text: string;
}

export interface CheckResult {
  readonly clusters: number;
  readonly backups: number;
  readonly objects: number;
  readonly storedSizeBytes: number;
  readonly findings: readonly CheckFinding[];
}

const PROBE = "`repo validate` put it there and was not allowed to remove it; remove it with the store's own tools";

export async function checkRepository(repository: Repository, options: CallOptions & { readonly runtime: GcRuntime }): Promise<CheckResult> {
  const { storage } = repository;
  const objects = await Array.fromAsync(storage.list("", options));
  // At once: an upload that ends while everything else is read is none that was left.
  const garbage = await garbageFindings(repository, objects, options);
  const known = objects.map((info) => ({ info, what: recognise(info.key) }));
  const findings: CheckFinding[] = known.flatMap(({ info: { key }, what }) =>
    what === undefined ? [{ severity: "warning", key, text: key.startsWith(PROBES_PREFIX) ? PROBE : "it is none of etcdsafe's, and left alone" }] : [],
  );
  const clusters = new Set(known.flatMap(({ what }) => (what !== undefined && "cluster" in what ? [what.cluster] : [])));
  const backups = Map.groupBy(
    known.flatMap(({ info, what }) => (what?.kind === "backup-object" ? [{ info, what }] : [])),
    ({ what }) => `${backupsPrefix(what.cluster)}${what.backup}/`,
  );
  const deleting = new Set(known.flatMap(({ what }) => (what?.kind === "deletion" ? [`${backupsPrefix(what.cluster)}${what.backup}/`] : [])));
  const whole = [...backups].filter(([, parts]) => parts.some(({ what }) => what.name === "manifest.json"));
  for (const cluster of clusters) findings.push(...(await clusterFindings(repository, cluster, whole, options)));
  findings.push(...(await inTurns(whole, ([prefix, parts]) => backupFindings(repository, prefix, parts, options))).flat());
  findings.push(...(await inTurns(known, ({ info, what }) => documentFindings(repository, info.key, what, { backups, deleting }, options))).flat());
  findings.push(...garbage);
  const storedSizeBytes = objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return {
    clusters: clusters.size,
    backups: whole.length,
    objects: objects.length,
    storedSizeBytes,
    findings: findings.sort((a, b) => (a.key < b.key ? -1 : 1)),
  };
}

interface Part {
  readonly info: ObjectInfo;
  readonly what: Extract<Recognised, { kind: "backup-object" }>;
}

async function clusterFindings({ storage }: Repository, cluster: string, whole: readonly (readonly [string, unknown])[], options: CallOptions) {
  const key = clusterFileKey(cluster);
  const found = await faultOf(() => readClusterFile(storage, cluster, options), options);
  if (found.error !== undefined) return [errorAt(key, found.error.message)];
  const hasBackups = whole.some(([prefix]) => prefix.startsWith(backupsPrefix(cluster)));
  if (found.value === undefined && hasBackups)
    return [errorAt(key, "it is missing: nobody knows whose backups these are, and saves are refused until `etcdsafe repo adopt`")];
  return [];
}

async function backupFindings({ storage }: Repository, prefix: string, parts: readonly Part[], options: CallOptions): Promise<CheckFinding[]> {
  const { cluster, backup } = parts[0]!.what;
  const { value: manifest, error } = await faultOf(() => readManifest(storage, cluster, backup, options), options);
  if (error?.code === "STORAGE_NOT_FOUND") return []; // Removed since.
  if (manifest === undefined) return [errorAt(manifestKey(cluster, backup), error!.message)];
  const sizes = new Map(parts.map(({ info, what }) => [what.name, info.sizeBytes]));
  const named = new Set(["manifest.json", "manifest.json.sig", ...manifest.objects.map(({ name }) => name)]);
  return [
    ...missingObjects(manifest, sizes).map((text) => errorAt(prefix, text)),
    ...parts.flatMap(({ info, what }) => (named.has(what.name) ? [] : [warningAt(info.key, "its backup's manifest does not name it")])),
  ];
}

async function documentFindings(
  { storage }: Repository,
  key: string,
  what: Recognised | undefined,
  { backups, deleting }: { readonly backups: ReadonlyMap<string, unknown>; readonly deleting: ReadonlySet<string> },
  options: CallOptions,
): Promise<CheckFinding[]> {
  if (what === undefined) return [];
  const { error } = await faultOf(() => requireDocument(storage, key, what, options), options);
  if (error !== undefined) return error.code === "STORAGE_NOT_FOUND" ? [] : [errorAt(key, error.message)];
  if (what.kind !== "verification" && what.kind !== "pin" && what.kind !== "deletion") return [];
  const prefix = `${backupsPrefix(what.cluster)}${what.backup}/`;
  if (what.kind === "deletion")
    return [warningAt(key, "a deletion that was begun and not finished; the next prune finishes it, or takes it back where the manifest is still there")];
  return backups.has(prefix) || deleting.has(prefix) ? [] : [warningAt(key, "there is no such backup any more")];
}

async function garbageFindings(
  repository: Repository,
  objects: readonly ObjectInfo[],
  options: CallOptions & { readonly runtime: GcRuntime },
): Promise<CheckFinding[]> {
  const { remove } = await planGcOf(repository, objects, options);
  return remove.map(({ cluster, backup, reason, unfinished }) =>
    warningAt(backup === null ? unfinished[0]!.key : `${backupsPrefix(cluster)}${backup}/`, `${reason}; \`etcdsafe repo gc\` removes it`),
  );
}

function errorAt(key: string, text: string): CheckFinding {
  return { severity: "error", key, text };
}

function warningAt(key: string, text: string): CheckFinding {
  return { severity: "warning", key, text };
}

/** What is wrong with a stored thing is an answer here; that the store cannot be reached is not. */
async function faultOf<T>(read: () => Promise<T>, { signal }: CallOptions): Promise<{ readonly value?: T; readonly error?: EtcdsafeError }> {
  try {
    return { value: await read() };
  } catch (error) {
    const isFault =
      error instanceof EtcdsafeError && !["STORAGE_UNREACHABLE", "STORAGE_TLS_FAILED", "STORAGE_THROTTLED", "STORAGE_DENIED"].includes(error.code);
    if (!isFault || signal.aborted) throw error;
    return { error };
  }
}
