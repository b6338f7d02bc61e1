// Which etcd can start what is restored, and what has to go from the database so that an older one can (etcd-formats §4.8, each row tried). Pure.
// From 3.6 on a server refuses a storage version it does not know, and a cluster version above its own; both are decided anew by the first leader
// where they are missing.
import { EtcdsafeError } from "../errors.ts";
import type { SourceFacts } from "./source.ts";

/** The minors that this etcdsafe was tried with. */
export const TARGET_VERSIONS = ["3.4", "3.5", "3.6", "3.7"] as const;
export type TargetVersion = (typeof TARGET_VERSIONS)[number];

/** Part of the plan. */
export interface PlannedVersions {
  /** Of the source; null where it says nothing: storage versions exist since 3.6. */
  readonly storage: string | null;
  readonly cluster: string | null;
  /** Null: whatever etcd takes the source as it is. */
  readonly target: TargetVersion | null;
  /** The oldest minor that starts from what is restored; null where nothing says what wrote the source. */
  readonly oldestEtcd: string | null;
  /** Whether the storage version and the rows of `cluster` are left out, since the target does not start with them. */
  readonly removesStorageVersion: boolean;
}

type WrittenBy = Pick<SourceFacts, "storageVersion" | "clusterVersion">;

const NEWEST = minorOf(TARGET_VERSIONS.at(-1)!)!;
/** Of the first minor that reads the versions in the database. */
const FIRST_WITH_STORAGE_VERSION = 6;

/** Throws VERSION_UNSUPPORTED for a source that a newer etcd wrote than this etcdsafe knows: nobody tried what an older one makes of it. */
export function planVersions(source: WrittenBy, target: TargetVersion | null): PlannedVersions {
  const written = writtenBy(source);
  const wanted = target === null ? undefined : minorOf(target)!;
  if (wanted !== undefined && written !== undefined && written > NEWEST) {
    throw new EtcdsafeError(
      "VERSION_UNSUPPORTED",
      `the source was written by etcd 3.${written}, which this etcdsafe does not know: it cannot be made fit for etcd ${target}`,
    );
  }
  const removesStorageVersion = wanted !== undefined && written !== undefined && wanted < written;
  return {
    storage: source.storageVersion,
    cluster: source.clusterVersion,
    target,
    oldestEtcd: target ?? (written === undefined ? null : `3.${written}`),
    removesStorageVersion,
  };
}

/** What etcd's own rules for upgrades and downgrades do not cover. */
export function versionWarnings({ storage, cluster, target }: PlannedVersions): string[] {
  const written = writtenBy({ storageVersion: storage, clusterVersion: cluster });
  if (written === undefined) {
    return target === null
      ? []
      : [`The source does not say which etcd wrote it; nothing in it keeps etcd ${target} from starting, but whether it was meant to nobody can tell.`];
  }
  if (target === null) {
    return written > NEWEST
      ? [`The source was written by etcd 3.${written}, which is newer than this etcdsafe (it knows 3.4 to 3.${NEWEST}): its members may not start.`]
      : [];
  }
  const wanted = minorOf(target)!;
  if (wanted > written + 1)
    return [
      `From etcd 3.${written} to ${target} skips ${skipped(written, wanted)}: such members start, but etcd supports upgrades by one minor at a time only.`,
    ];
  if (wanted === written - 1 && wanted >= FIRST_WITH_STORAGE_VERSION) return [];
  if (wanted < written) return [`From etcd 3.${written} back to ${target}: such members start, but etcd does not support it.`];
  return [];
}

/** The encoding of the WAL and .snap that etcd of the target, or of the source, writes itself (etcd-formats §4.4); where neither is known 3.6's, which all read. */
export function walDialectOf({ storage, cluster, target }: PlannedVersions): "3.4" | "3.6" | "3.7" {
  const minor = target === null ? (minorOf(storage) ?? minorOf(cluster)) : minorOf(target);
  if (minor === undefined) return "3.6";
  if (minor >= 7) return "3.7";
  return minor <= 4 ? "3.4" : "3.6";
}

/** The newer of the two: while a cluster is upgraded or downgraded they differ, and etcd looks at each. */
function writtenBy({ storageVersion, clusterVersion }: WrittenBy): number | undefined {
  const minors = [minorOf(storageVersion), minorOf(clusterVersion)].filter((minor) => minor !== undefined);
  return minors.length === 0 ? undefined : Math.max(...minors);
}

function minorOf(version: string | null): number | undefined {
  const [, minor] = /^3\.(\d+)/.exec(version ?? "") ?? [];
  return minor === undefined ? undefined : Number(minor);
}

function skipped(from: number, to: number): string {
  return Array.from({ length: to - from - 1 }, (_, index) => `3.${from + 1 + index}`).join(" and ");
}
