// Manifests: everything known about a backup when it was published. Fields: docs/repository-format.md, "Manifest".
import type { z } from "zod";
import { collect } from "../bytes/stream.ts";
import { TRAILER_SIZE_BYTES } from "../bytes/trailing-hash.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { DOCUMENT_SIZE_BYTES_MAX, type DocumentKind, encodeDocument, parseDocument, readDocument } from "./document.ts";
import { manifestKey, parseBackupId } from "./names.ts";
import { type lineageSampleSchema, manifestSchema, type storedObjectSchema } from "./schemas/manifest.ts";

export type Manifest = z.infer<typeof manifestSchema>;
/** One stored object as its manifest describes it. */
export type StoredObject = z.infer<typeof storedObjectSchema>;
export type BackupState = Manifest["state"];
export type MemberOutcome = Manifest["comparison"]["members"][number];
export type LineageSample = z.infer<typeof lineageSampleSchema>;

const MANIFEST: DocumentKind<typeof manifestSchema> = { schema: manifestSchema, label: "manifest", invalid: "MANIFEST_INVALID" };

/** Reads a backup's manifest. Throws MANIFEST_INVALID when it is broken or belongs to another backup, REPOSITORY_UNSUPPORTED when it is too new. */
export async function readManifest(storage: Storage, cluster: string, id: string, options: CallOptions): Promise<Manifest> {
  const key = manifestKey(cluster, id);
  const manifest = await readDocument(storage, MANIFEST, key, options);
  checkManifest(key, cluster, id, manifest);
  return manifest;
}

/** The same, with its bytes as they are stored. */
export async function readStoredManifest(
  storage: Storage,
  cluster: string,
  id: string,
  { signal }: CallOptions,
): Promise<{ manifest: Manifest; bytes: Uint8Array }> {
  const key = manifestKey(cluster, id);
  const bytes = await collect(storage.read(key, { signal }), DOCUMENT_SIZE_BYTES_MAX, () => new EtcdsafeError("MANIFEST_INVALID", `${key} is too long`));
  const manifest = parseDocument(MANIFEST, key, bytes);
  checkManifest(key, cluster, id, manifest);
  return { manifest, bytes };
}

/** The bytes to store. Throws when the manifest contradicts itself. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const key = manifestKey(manifest.cluster, manifest.id);
  checkManifest(key, manifest.cluster, manifest.id, manifest);
  return encodeDocument(MANIFEST, key, manifest);
}

/** The object that holds the snapshot itself. */
export function snapshotObject(manifest: Manifest): StoredObject {
  return manifest.objects.find(({ role }) => role === "snapshot")!; // checkManifest demands exactly one.
}

/** The object that holds files of the host, if the backup has one. */
export function bundleObject(manifest: Manifest): StoredObject | undefined {
  return manifest.objects.find(({ role }) => role === "bundle");
}

/** What is inside, whoever can open it: equal for a backup, its copies, and what they were rekeyed to. The time tells two saves of an idle cluster apart. */
export function contentOf({ createdAt, objects }: Pick<Manifest, "createdAt" | "objects">): string {
  return [createdAt, ...objects.map(({ role, rawSha256 }) => `${role}:${rawSha256}`).sort()].join(" ");
}

function checkManifest(key: string, cluster: string, id: string, manifest: Manifest): void {
  const fault = faultOf(cluster, id, manifest);
  if (fault !== undefined) throw new EtcdsafeError("MANIFEST_INVALID", `${key} is not a valid manifest: ${fault}`);
}

function faultOf(cluster: string, id: string, manifest: Manifest): string | undefined {
  if (manifest.id !== id || manifest.cluster !== cluster) return `it belongs to ${manifest.cluster}/${manifest.id}`;
  const named = parseBackupId(id);
  if (named === undefined || named.createdAt.toISOString().slice(0, 19) !== manifest.createdAt.slice(0, 19))
    return `its createdAt ${manifest.createdAt} is not the time in its id`;
  if (named.revision > BigInt(manifest.revision)) return `its revision ${manifest.revision} is below the one in its id`;
  const snapshots = manifest.objects.filter(({ role }) => role === "snapshot");
  if (snapshots.length !== 1) return `it names ${snapshots.length} snapshots`;
  if (manifest.objects.length - snapshots.length > 1) return "it names more than one bundle";
  if (new Set(manifest.objects.map(({ name }) => name)).size !== manifest.objects.length) return "it names an object twice";
  const { dataSizeBytes, trailer } = manifest.snapshot;
  const rawSizeBytes = dataSizeBytes + (trailer ? TRAILER_SIZE_BYTES : 0);
  if (snapshots[0]!.rawSizeBytes !== rawSizeBytes) return `its snapshot of ${rawSizeBytes} bytes is stored as an object of ${snapshots[0]!.rawSizeBytes}`;
  return undefined;
}
