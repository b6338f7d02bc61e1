// The part of a plan that says what the database holds in the end: the same for a cluster's members and for a plain snapshot. Pure.
import type { GatheredEvidence } from "./evidence.ts";
import { addedRevisions, changesKeyspace, DEFAULT_POLICIES, type KeyspacePolicies, keyspaceWarnings, type PlannedKeyspace, planKeyspace } from "./keyspace.ts";
import type { LeaseChanges } from "./leases.ts";
import { type PlannedRevision, planRevision, type RevisionBump, revisionWarnings } from "./revision.ts";
import type { SourceFacts } from "./source.ts";
import { type PlannedVersions, planVersions, type TargetVersion, versionWarnings } from "./target-version.ts";
import { requireWalApplied, type WalBeside, walWarnings } from "./wal-beside.ts";

export interface DatabaseRequest {
  readonly source: SourceFacts;
  readonly bumpRevision: RevisionBump;
  readonly evidence: GatheredEvidence;
  readonly skipHashCheck: boolean;
  /** Absent: DEFAULT_POLICIES. */
  readonly policies?: KeyspacePolicies;
  /** Counted in the source; absent for the lease policy `restart`. */
  readonly leaseChanges?: LeaseChanges | undefined;
  /** Absent: nothing is changed for an older etcd. */
  readonly targetVersion?: TargetVersion | undefined;
  /** Found beside a source without a hash; absent where there is none. */
  readonly walBeside?: WalBeside | null;
  readonly ignoreWal?: boolean;
}

/** Plain JSON, part of every plan. */
export interface DatabasePlan {
  readonly source: SourceFacts;
  readonly skipHashCheck: boolean;
  readonly revision: PlannedRevision;
  readonly keyspace: PlannedKeyspace;
  readonly versions: PlannedVersions;
  /** The log that lies beside a copied member's database. */
  readonly walBeside: WalBeside | null;
}

/**
 * Throws USAGE for a revision that leaves no room, VERSION_UNSUPPORTED for a target version that cannot be, and WAL_NOT_APPLIED where the source lacks
 * what its log holds.
 */
export function planDatabase({ source, skipHashCheck, ...request }: DatabaseRequest): DatabasePlan {
  const { walBeside = null } = request;
  if (walBeside !== null && request.ignoreWal !== true) requireWalApplied(source.location, walBeside);
  const keyspace = planKeyspace(source, request.policies ?? DEFAULT_POLICIES, request.leaseChanges);
  const versions = planVersions(source, request.targetVersion ?? null);
  const revision = planRevision(source, request.bumpRevision, request.evidence.found, addedRevisions(keyspace));
  return { source, skipHashCheck, revision, keyspace, versions, walBeside };
}

/** Size of the database once it is written, as far as a plan can know it. */
export function databaseSizeBytes({ source, keyspace }: DatabasePlan): number {
  return source.databaseSizeBytes + keyspace.leases.addedBytes;
}

/** Whether it differs from the source's. */
export function changesDatabase({ revision, keyspace, versions }: DatabasePlan): boolean {
  return revision.bumpedBy !== null || changesKeyspace(keyspace) || versions.removesStorageVersion;
}

/** What to know of what is restored. */
export function databaseWarnings({ source, skipHashCheck, revision, keyspace, versions, walBeside }: DatabasePlan, evidence: GatheredEvidence): string[] {
  const warnings = [...revisionWarnings(revision), ...evidence.warnings];
  if (skipHashCheck && source.databaseSha256 === null)
    warnings.push("The source has no hash to check (--skip-hash-check): only the structure vouches for its bytes.", ...walWarnings(walBeside));
  if (source.state === "suspect") warnings.push("The backup is suspect: when it was taken, its member disagreed with the majority of its cluster.");
  if (source.state === "unconfirmed") warnings.push(`The backup is unconfirmed: ${source.kind === "foreign" ? FOREIGN : NOT_COMPARED}`);
  if (source.state === "partial")
    warnings.push("The backup is partial: its structure was not checked when it was saved. It is checked now, before anything is put in place.");
  if (source.kind === "foreign")
    warnings.push(
      `No record of this restore is written to where the backup is: that is another tool's. The next restore has to be told of it: --evidence ${revision.after}`,
    );
  return [...warnings, ...keyspaceWarnings(keyspace), ...versionWarnings(versions)];
}

const NOT_COMPARED = "its member could not be compared with a majority of its cluster.";
const FOREIGN =
  "another tool took it, and nothing tells whether its member agreed with the others. Nor is its origin proven: whoever can write there could have made it.";
