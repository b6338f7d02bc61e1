// Whether a manifest tells the truth about its snapshot: each fact that checking the snapshot found, against what the manifest says. Pure.
import { isDeepStrictEqual } from "node:util";
import type { SnapshotFacts } from "../etcd-files/check/facts.ts";
import type { HashKvRequest, HashKvResult } from "../etcd-files/mvcc/hash-kv.ts";
import { insideFacts } from "../repository/inside-facts.ts";
import type { Manifest } from "../repository/manifest.ts";

/** The HashKV values to compute: first the snapshot's own, then those that its members were compared by. */
export function hashesToCompute({ hashKv, comparison }: Manifest): HashKvRequest[] {
  const own = hashKv === null ? { revision: 0n } : { revision: BigInt(hashKv.revision), compactRevision: BigInt(hashKv.compactRevision) };
  return [
    own,
    ...comparedMembers(comparison).map(({ compactRevision }) => ({ revision: BigInt(comparison.revision ?? 0), compactRevision: BigInt(compactRevision) })),
  ];
}

/** One sentence for each fact that differs. `facts.hashes` are those of `hashesToCompute`. What a manifest does not know, null, is not compared. */
export function manifestDifferences(manifest: Manifest, facts: SnapshotFacts): string[] {
  const [own, ...compared] = facts.hashes;
  return [...revisionDifferences(manifest, facts), ...factDifferences(manifest, facts), ...hashDifferences(manifest, own, compared)];
}

/** A `partial` backup was never looked into: its manifest has the revision that the cluster had before the snapshot, at the least. */
function revisionDifferences(manifest: Manifest, { revision }: SnapshotFacts): string[] {
  if (manifest.state === "partial" && revision > BigInt(manifest.revision)) return [];
  return difference("revision", manifest.revision, revision.toString());
}

function factDifferences(manifest: Manifest, facts: SnapshotFacts): string[] {
  const { revision: _revision, hashKv: _hashKv, counts, alarms, members, ...plain } = insideFacts(facts);
  const { snapshot } = manifest;
  return [
    ...Object.entries(plain).flatMap(([name, found]) => difference(name, manifest[name as keyof typeof plain], found)),
    ...difference("alarms", sorted(manifest.alarms), sorted(alarms)),
    ...difference("members", sorted(manifest.members), sorted(members)),
    ...difference("snapshot.pageSizeBytes", snapshot.pageSizeBytes, facts.pageSizeBytes),
    ...difference("snapshot.statusHash", snapshot.statusHash, facts.statusHash),
    ...Object.entries(counts ?? {}).flatMap(([name, found]) => difference(`counts.${name}`, manifest.counts?.[name as keyof Counts] ?? null, found)),
  ];
}

type Counts = NonNullable<Manifest["counts"]>;

function hashDifferences({ hashKv, comparison }: Manifest, own: HashKvResult | undefined, compared: readonly HashKvResult[]): string[] {
  const members = comparedMembers(comparison).flatMap(({ id, outcome, hash, fileHash }, index) => {
    const name = `comparison.members of ${id}`;
    const agreed = hash === fileHash ? "agreed" : "disagreed";
    return [...difference(`${name}: fileHash`, fileHash, hashOf(compared[index])), ...(hash === null ? [] : difference(`${name}: outcome`, outcome, agreed))];
  });
  return [...(hashKv === null ? [] : difference(`hashKv at revision ${hashKv.revision}`, hashKv.hash, hashOf(own))), ...members];
}

function hashOf(result: HashKvResult | undefined): number | string {
  if (result === undefined) return "not computed";
  return "hash" in result ? result.hash : result.notComparable;
}

type ComparedMember = Manifest["comparison"]["members"][number] & { readonly compactRevision: string };

/** Those for which the save computed the same from the snapshot. */
function comparedMembers({ members, revision }: Manifest["comparison"]): ComparedMember[] {
  return members.filter((member): member is ComparedMember => revision !== null && member.fileHash !== null && member.compactRevision !== null);
}

function difference(name: string, said: unknown, found: unknown): string[] {
  if (said === null || isDeepStrictEqual(said, found)) return [];
  return [`the manifest's ${name} is ${brief(said)}, the snapshot's ${brief(found)}`];
}

const BRIEF_LENGTH = 100;

function brief(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length <= BRIEF_LENGTH ? text : `${text.slice(0, BRIEF_LENGTH)}…`;
}

/** The order of members and alarms means nothing. */
function sorted<T>(list: readonly T[] | null): T[] | null {
  return list === null ? null : list.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}
