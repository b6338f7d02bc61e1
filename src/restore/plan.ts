// What a restore will do, as plain data: computed before anything is touched, printed by --plan, and all that apply goes by.
// Pure: the source's facts, the members and the token come in; nothing is read here.
import { isAbsolute, join, relative, sep } from "node:path";
import { formatId } from "../bytes/u64.ts";
import { EtcdsafeError } from "../errors.ts";
import { memberNamed, type PlannedCluster, planCluster } from "../etcd-files/membership/plan-cluster.ts";
import { WAL_PREALLOCATED_SIZE_BYTES } from "../etcd-files/wal/constants.ts";
import type { Owner, PlannedAccess } from "./access.ts";
import { type DatabasePlan, type DatabaseRequest, databaseSizeBytes, databaseWarnings, planDatabase } from "./database-plan.ts";
import type { FormerMember } from "./former-members.ts";
import type { PlannedFileSystem } from "./free-space.ts";
import type { MemberDistro } from "./instructions/instructions.ts";
import { quotaFor } from "./instructions/quota.ts";
import { byName } from "./instructions/steps.ts";
import { type PlannedLoss, planLoss } from "./loss.ts";
import { assumedClientUrls, type RestoreMemberSpec, sharedUrlWarnings } from "./member-urls.ts";
import type { ReplacedMember } from "./replace.ts";
import { agreedToken } from "./separate-runs.ts";
import { walDialectOf } from "./target-version.ts";

/** Where one member's files go. */
export interface MemberTarget {
  readonly name: string;
  readonly dataDir: string;
  /** When it is not `<data-dir>/member/wal`. */
  readonly walDir?: string;
}

export interface RestoreRequest extends DatabaseRequest {
  /** Every member of the new cluster, not yet checked. */
  readonly cluster: readonly RestoreMemberSpec[];
  /** Those whose directories this run writes, or with `perHost` one run on each host. */
  readonly targets: readonly MemberTarget[];
  /** A plan to be carried out by one run per target, each on a host of its own, so that directories may have the same names. */
  readonly perHost?: boolean;
  /** Whether the cluster is a copy beside the one that the source comes from. */
  readonly copy?: boolean;
  /** Who made up the cluster that the source comes from. */
  readonly formerMembers?: readonly FormerMember[];
  readonly distro?: MemberDistro | undefined;
  readonly repository?: RestorePlan["repository"];
  /** Version of etcdsafe, and when it plans: RFC 3339. */
  readonly tool: string;
  readonly plannedAt: string;
  /** Absent: a new one, `newToken`, is taken where that can form a cluster. */
  readonly token?: string | undefined;
  readonly newToken: string;
  /** SHA-256 of the database where `source.databaseSha256` is null, for a plan that is carried out later. */
  readonly unsignedSha256?: string | null;
  /** The command that restores one member in a run of its own, for the refusals that ask for what such runs must share. */
  command(member: string, token: string, bumpRevision: string): string;
  /** Distinguishes this run's staging directories. */
  readonly stageId: string;
}

/** Plain JSON; revisions are decimal strings, ids 16 hexadecimal digits. Documented in docs/cli.md. */
export interface RestorePlan extends DatabasePlan {
  readonly format: 1;
  /** Version of etcdsafe; another one may write other bytes. */
  readonly tool: string;
  /** RFC 3339. */
  readonly plannedAt: string;
  /** Where instructions were asked for. */
  readonly distro: MemberDistro | null;
  /** Each member's directory is on a host of its own; one run of `--from-plan` writes one of them. */
  readonly perHost: boolean;
  /** The cluster that the source comes from may live on beside this one, which does not take its place in the repository. */
  readonly copy: boolean;
  /** Where the source, or what is known of its cluster, was read, for the runs that go by the plan; null where no repository was named. */
  readonly repository: { readonly location: string; readonly cluster: string } | null;
  /** Members of the cluster that the source comes from: none of them may be alive, unless this is a copy. */
  readonly formerMembers: readonly FormerMember[];
  /** SHA-256 of a database that etcd left none for; null where it did, or nobody asked. Hexadecimal. */
  readonly unsignedSha256: string | null;
  readonly token: string;
  /** False: another run draws another token, and so gets other ids. */
  readonly tokenGiven: boolean;
  readonly clusterId: string;
  /** By name. */
  readonly members: readonly PlannedRestoreMember[];
  readonly loss: PlannedLoss;
  /** Which etcd's encoding of the WAL and .snap is written; every version reads both (etcd-formats §4.4). */
  readonly walDialect: "3.4" | "3.6" | "3.7";
  readonly stageId: string;
  /** What to start each member with, at least. */
  readonly quotaBackendBytes: number;
  /** Whether a member that is there may be replaced. */
  readonly replace: boolean;
  /** What --owner says, if anything. */
  readonly owner: Owner | null;
  readonly bytes: {
    readonly databasePerMember: number;
    readonly walPerMember: number;
    readonly total: number;
    readonly fileSystems: readonly PlannedFileSystem[];
  };
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
  /** Null where nothing is replaced, or the target was not looked at. */
  readonly replaces: ReplacedMember | null;
  /** Null where the target was not looked at. */
  readonly access: PlannedAccess | null;
}

/**
 * Computes the plan, but for what follows from the targets as they are: planTargets adds that. Throws MEMBERS_INVALID as etcd would refuse the
 * members, TOKEN_REQUIRED or USAGE when separate runs would each choose a token or a revision and never form a cluster, and what `planDatabase` throws.
 */
export function planRestore(request: RestoreRequest): RestorePlan {
  const { source } = request;
  const targets = request.targets.map(withoutDefaultWalDir);
  const database = planDatabase(request);
  const sizeBytes = databaseSizeBytes(database);
  const token = agreedToken(request, database.revision);
  const cluster = planCluster(request.cluster, token);
  requireReachable(cluster);
  for (const { name } of targets) memberNamed(cluster, name);
  // As people look for them; ids say nothing to anybody.
  const members = cluster.members.toSorted(byName).map(({ name, id, peerUrls }) => {
    const target = targets.find((each) => each.name === name);
    const clientUrls = request.cluster.find((each) => each.name === name)?.clientUrls;
    const client = { clientUrls: clientUrls ?? assumedClientUrls(peerUrls), clientUrlsAssumed: clientUrls === undefined };
    return { name, id: formatId(id), peerUrls, ...client, dataDir: target?.dataDir ?? null, walDir: target?.walDir ?? null, replaces: null, access: null };
  });
  if (request.perHost) for (const target of targets) requireOwnDirectories([target]);
  else requireOwnDirectories(targets);
  return {
    format: 1,
    tool: request.tool,
    plannedAt: request.plannedAt,
    distro: request.distro ?? null,
    perHost: request.perHost ?? false,
    copy: request.copy ?? false,
    repository: request.repository ?? null,
    formerMembers: request.formerMembers ?? [],
    unsignedSha256: request.unsignedSha256 ?? null,
    ...database,
    token,
    tokenGiven: request.token !== undefined,
    clusterId: formatId(cluster.clusterId),
    members,
    loss: planLoss(source, request.evidence.found, request.evidence.jumps),
    walDialect: walDialectOf(database.versions),
    stageId: request.stageId,
    quotaBackendBytes: quotaFor(sizeBytes),
    replace: false,
    owner: null,
    bytes: {
      databasePerMember: sizeBytes,
      walPerMember: WAL_PREALLOCATED_SIZE_BYTES,
      total: targets.length * (sizeBytes + WAL_PREALLOCATED_SIZE_BYTES),
      fileSystems: [],
    },
    warnings: [...databaseWarnings(database, request.evidence), ...sharedUrlWarnings(members)],
  };
}

/** etcd takes more than that, for its own tests (sockets) and where Go reads URLs as nobody else does; etcdutl writes it all. */
function requireReachable({ members }: PlannedCluster): void {
  for (const { name, peerUrls } of members) {
    const url = peerUrls.find((each) => !each.startsWith("http") || !URL.canParse(each));
    if (url === undefined) continue;
    const why = url.startsWith("unix") ? "is a socket, on which other hosts cannot reach the member" : "has a host that cannot be";
    throw new EtcdsafeError("MEMBERS_INVALID", `member ${JSON.stringify(name)}: the peer URL ${url} ${why}`, {
      hint: "Write it as http://host:port or https://host:port; a single member may have http://localhost:2380.",
    });
  }
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
