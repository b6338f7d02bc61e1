// What a restore will do, as plain data: computed before anything is touched, printed by --plan, and all that apply goes by.
// Pure: the source's facts, the members and the token come in; nothing is read here.
import { isAbsolute, join, relative, sep } from "node:path";
import { formatId } from "../bytes/u64.ts";
import { EtcdsafeError } from "../errors.ts";
import { memberNamed, planCluster } from "../etcd-files/membership/plan-cluster.ts";
import { WAL_PREALLOCATED_SIZE_BYTES } from "../etcd-files/wal/constants.ts";
import type { GatheredEvidence } from "./evidence.ts";
import type { MemberDistro } from "./instructions/instructions.ts";
import { quotaFor } from "./instructions/quota.ts";
import { type PlannedLoss, planLoss } from "./loss.ts";
import { assumedClientUrls, type RestoreMemberSpec } from "./member-urls.ts";
import { type PlannedRevision, planRevision, type RevisionBump, revisionWarnings } from "./revision.ts";
import { agreedToken } from "./separate-runs.ts";
import type { SourceFacts } from "./source.ts";

/** Where one member's files go. */
export interface MemberTarget {
  readonly name: string;
  readonly dataDir: string;
  /** When it is not `<data-dir>/member/wal`. */
  readonly walDir?: string;
}

export interface RestoreRequest {
  readonly source: SourceFacts;
  /** Every member of the new cluster, not yet checked. */
  readonly cluster: readonly RestoreMemberSpec[];
  /** Those whose directories this run writes, or with `perHost` one run on each host. */
  readonly targets: readonly MemberTarget[];
  /** A plan to be carried out by one run per target, each on a host of its own, so that directories may have the same names. */
  readonly perHost?: boolean;
  readonly distro?: MemberDistro | undefined;
  /** Version of etcdsafe, and when it plans: RFC 3339. */
  readonly tool: string;
  readonly plannedAt: string;
  /** Absent: a new one, `newToken`, is taken where that can form a cluster. */
  readonly token?: string | undefined;
  readonly newToken: string;
  /** The command that restores one member in a run of its own, for the refusals that ask for what such runs must share. */
  command(member: string, token: string, bumpRevision: string): string;
  /** Distinguishes this run's staging directories. */
  readonly stageId: string;
  readonly bumpRevision: RevisionBump;
  readonly evidence: GatheredEvidence;
  readonly skipHashCheck: boolean;
}

/** Plain JSON; revisions are decimal strings, ids 16 hexadecimal digits. Documented in docs/cli.md. */
export interface RestorePlan {
  readonly format: 1;
  /** Version of etcdsafe; another one may write other bytes. */
  readonly tool: string;
  /** RFC 3339. */
  readonly plannedAt: string;
  /** Where instructions were asked for. */
  readonly distro: MemberDistro | null;
  /** Each member's directory is on a host of its own; one run of `--from-plan` writes one of them. */
  readonly perHost: boolean;
  readonly source: SourceFacts;
  readonly skipHashCheck: boolean;
  readonly token: string;
  /** False: another run draws another token, and so gets other ids. */
  readonly tokenGiven: boolean;
  readonly clusterId: string;
  readonly members: readonly PlannedRestoreMember[];
  readonly revision: PlannedRevision;
  readonly loss: PlannedLoss;
  /** Which etcd's encoding of the WAL and .snap is written; every version reads both (etcd-formats §4.4). */
  readonly walDialect: "3.4" | "3.6" | "3.7";
  readonly stageId: string;
  /** What to start each member with, at least. */
  readonly quotaBackendBytes: number;
  readonly bytes: { readonly databasePerMember: number; readonly walPerMember: number; readonly total: number };
  readonly warnings: readonly string[];
}

export interface PlannedRestoreMember {
  readonly name: string;
  readonly id: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  /** True: nobody named client URLs, and these are only customary. */
  readonly clientUrlsAssumed: boolean;
  /** Null for a member that another run, on another host, writes. */
  readonly dataDir: string | null;
  readonly walDir: string | null;
}

/**
 * Computes the plan. Throws MEMBERS_INVALID as etcd would refuse the members, TOKEN_REQUIRED or USAGE when separate runs would each choose a token
 * or a revision and never form a cluster, and USAGE for a revision that leaves no room.
 */
export function planRestore(request: RestoreRequest): RestorePlan {
  const { source } = request;
  const targets = request.targets.map(withoutDefaultWalDir);
  const revision = planRevision(source, request.bumpRevision, request.evidence.found);
  const token = agreedToken(request, revision);
  const cluster = planCluster(request.cluster, token);
  for (const { name } of targets) memberNamed(cluster, name);
  if (request.perHost) for (const target of targets) requireOwnDirectories([target]);
  else requireOwnDirectories(targets);
  return {
    format: 1,
    tool: request.tool,
    plannedAt: request.plannedAt,
    distro: request.distro ?? null,
    perHost: request.perHost ?? false,
    source,
    skipHashCheck: request.skipHashCheck,
    token,
    tokenGiven: request.token !== undefined,
    clusterId: formatId(cluster.clusterId),
    members: cluster.members.map(({ name, id, peerUrls }) => {
      const target = targets.find((each) => each.name === name);
      const clientUrls = request.cluster.find((each) => each.name === name)?.clientUrls;
      const client = { clientUrls: clientUrls ?? assumedClientUrls(peerUrls), clientUrlsAssumed: clientUrls === undefined };
      return { name, id: formatId(id), peerUrls, ...client, dataDir: target?.dataDir ?? null, walDir: target?.walDir ?? null };
    }),
    revision,
    loss: planLoss(source, request.evidence.found, request.evidence.jumps),
    walDialect: walDialect(source.storageVersion ?? source.clusterVersion),
    stageId: request.stageId,
    quotaBackendBytes: quotaFor(source.databaseSizeBytes),
    bytes: {
      databasePerMember: source.databaseSizeBytes,
      walPerMember: WAL_PREALLOCATED_SIZE_BYTES,
      total: targets.length * (source.databaseSizeBytes + WAL_PREALLOCATED_SIZE_BYTES),
    },
    warnings: warningsOf(request, revision),
  };
}

/** `--wal-dir` may name what is the default anyway. */
function withoutDefaultWalDir({ name, dataDir, walDir }: MemberTarget): MemberTarget {
  return walDir === undefined || walDir === join(dataDir, "member", "wal") ? { name, dataDir } : { name, dataDir, walDir };
}

/** No two directories may be the same or lie in each other; but a member's WAL may lie in its own data directory, beside `member`. */
function requireOwnDirectories(targets: readonly MemberTarget[]): void {
  const all = targets.flatMap(({ name, dataDir, walDir }) => [{ name, directory: dataDir }, ...(walDir === undefined ? [] : [{ name, directory: walDir }])]);
  for (const [index, a] of all.entries()) {
    for (const b of all.slice(index + 1)) {
      const nested = isWithin(a.directory, b.directory) || isWithin(b.directory, a.directory);
      const besideMember =
        a.name === b.name && a.directory !== b.directory && !isWithin(b.directory, join(a.directory, "member")) && isWithin(b.directory, a.directory);
      if (nested && !besideMember) throw sharedDirectory(a, b);
    }
  }
}

function isWithin(inner: string, outer: string): boolean {
  const path = relative(outer, inner);
  return path === "" || (path !== ".." && !path.startsWith(`..${sep}`) && !isAbsolute(path));
}

interface NamedDirectory {
  readonly name: string;
  readonly directory: string;
}

function sharedDirectory(a: NamedDirectory, b: NamedDirectory): EtcdsafeError {
  const isSame = a.directory === b.directory;
  if (a.name === b.name) {
    const text = isSame
      ? `the data directory and the WAL directory are the same, ${a.directory}`
      : `the data directory ${a.directory} and the WAL directory ${b.directory} lie in each other`;
    return new EtcdsafeError("MEMBERS_INVALID", `member ${JSON.stringify(a.name)}: ${text}`, {
      hint: "Leave --wal-dir out, or name a directory of its own: not in the data directory's `member`, and not around the data directory.",
    });
  }
  const [one, other] = [JSON.stringify(a.name), JSON.stringify(b.name)];
  const text = isSame
    ? `the members ${one} and ${other} have the same directory ${a.directory}`
    : `the directories ${a.directory} (member ${one}) and ${b.directory} (member ${other}) lie in each other`;
  return new EtcdsafeError("MEMBERS_INVALID", text, { hint: "Give each member a data directory of its own, and a WAL directory of its own if any." });
}

/** The first encoding that etcd of `version` writes itself (etcd-formats §4.4); an unknown version gets 3.6's, which all read. */
function walDialect(version: string | null): RestorePlan["walDialect"] {
  const minor = /^3\.(\d+)/.exec(version ?? "")?.[1];
  if (minor === undefined) return "3.6";
  if (Number(minor) >= 7) return "3.7";
  return Number(minor) <= 4 ? "3.4" : "3.6";
}

function warningsOf({ source, evidence, skipHashCheck }: RestoreRequest, revision: PlannedRevision): string[] {
  const warnings = [...revisionWarnings(revision), ...evidence.warnings];
  if (skipHashCheck && source.databaseSha256 === null)
    warnings.push("The source has no hash to check (--skip-hash-check): only the structure vouches for its bytes.");
  if (source.state === "suspect") warnings.push("The backup is suspect: when it was taken, its member disagreed with the majority of its cluster.");
  if (source.state === "unconfirmed") warnings.push("The backup is unconfirmed: its member could not be compared with a majority of its cluster.");
  if (source.state === "partial")
    warnings.push("The backup is partial: its structure was not checked when it was saved. It is checked now, before anything is put in place.");
  if (source.alarms > 0)
    warnings.push(`${source.alarms} alarm(s) of the old members are dropped; a NOSPACE alarm comes back by itself if the quota is still too small.`);
  if (source.leases > 0) warnings.push(`${source.leases} lease(s) start again with their full time to live; keys bound to them stay until then.`);
  return warnings;
}
