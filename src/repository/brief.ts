// What a list needs of a manifest and of a verification: a fiftieth of their size, so that thousands of them fit in memory, and in a file.
import type { Manifest, StoredObject } from "./manifest.ts";
import type { Verification } from "./sidecars.ts";

/** A manifest has all of it, so that whoever takes this takes that. Plain JSON. */
export interface BriefManifest
  extends Pick<
    Manifest,
    "id" | "cluster" | "clusterId" | "timeline" | "createdAt" | "publishedAt" | "clockOffsets" | "origin" | "state" | "stateWhy" | "revision" | "tags"
  > {
  readonly objects: readonly BriefObject[];
  readonly counts: { readonly keys: number } | null;
  readonly servingMember: { readonly etcdVersion: string } | null;
}

export type BriefObject = Pick<StoredObject, "role" | "name" | "storedSizeBytes" | "rawSizeBytes" | "encryption">;

/** The same of a verification. */
export type BriefVerification = Pick<Verification, "level" | "outcome" | "finishedAt" | "findingsTotal"> & {
  readonly failure: { readonly message: string } | null;
};

export function briefManifest(manifest: Manifest): BriefManifest {
  const { id, cluster, clusterId, timeline, createdAt, publishedAt, clockOffsets, origin, state, stateWhy, revision, tags } = manifest;
  return {
    ...{ id, cluster, clusterId, timeline, createdAt, publishedAt, clockOffsets, origin, state, stateWhy, revision, tags },
    objects: manifest.objects.map(({ role, name, storedSizeBytes, rawSizeBytes, encryption }) => ({ role, name, storedSizeBytes, rawSizeBytes, encryption })),
    counts: manifest.counts === null ? null : { keys: manifest.counts.keys },
    servingMember: manifest.servingMember === null ? null : { etcdVersion: manifest.servingMember.etcdVersion },
  };
}

export function briefVerification({ level, outcome, finishedAt, findingsTotal, failure }: Verification): BriefVerification {
  return { level, outcome, finishedAt, findingsTotal, failure: failure === null ? null : { message: failure.message } };
}
