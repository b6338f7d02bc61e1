// Which members a restore makes, and which of them this run writes: from --members FILE, or from the flags that etcdutl has.
import type { Config } from "../config/config.ts";
import { EtcdsafeError } from "../errors.ts";
import type { RestoreMemberSpec } from "../restore/member-urls.ts";
import type { MemberTarget } from "../restore/plan.ts";
import type { CallOptions } from "../runtime.ts";

export interface RestoreMembers {
  readonly cluster: readonly RestoreMemberSpec[];
  readonly targets: readonly MemberTarget[];
  readonly token: string | undefined;
  /** Only to be planned: each member is to be written by a run on its own host. */
  readonly perHost: boolean;
}

/** etcd resolves peer host names for this long when advertised URLs and --initial-cluster differ as texts (etcd-formats §4.1). */
const RESOLVE_LIMIT_MS = 30_000;

/** Throws USAGE where it is not said which members to write, and MEMBERS_INVALID. */
export async function restoreMembers(config: Config, options: CallOptions): Promise<RestoreMembers> {
  const file = config.get("members");
  if (file === undefined) return fromFlags(config, options);
  const { readMembersFile } = await import("../config/members-file.ts");
  const { members, token } = await readMembersFile(file);
  const all = config.get("all-members");
  const named = config.origin("name").kind !== "default";
  const name = named ? config.get("name") : members.length === 1 ? members[0]!.name : undefined;
  const perHost = !all && name === undefined && config.get("plan");
  if (!all && !perHost && name === undefined)
    throw new EtcdsafeError("USAGE", `${file} names ${members.length} members`, {
      hint: "Say which of them to write with --name, write all of them with --all-members, or plan for a run on each host with --plan.",
    });
  if (!all && !perHost && !members.some((member) => member.name === name)) {
    throw new EtcdsafeError(
      "MEMBERS_INVALID",
      `the member ${JSON.stringify(name)} is not in ${file}, which names ${members.map((member) => JSON.stringify(member.name)).join(", ")}`,
    );
  }
  return {
    cluster: members,
    targets: members
      .filter((member) => all || perHost || member.name === name)
      .map(({ name, dataDir, walDir }) => ({ name, dataDir, ...(walDir === undefined ? {} : { walDir }) })),
    token: config.get("initial-cluster-token") ?? token,
    perHost,
  };
}

async function fromFlags(config: Config, { signal }: CallOptions): Promise<RestoreMembers> {
  if (config.get("all-members")) throw new EtcdsafeError("USAGE", "--all-members needs --members FILE, which says where each member's directory is");
  const name = config.get("name");
  const [{ parseAdvertisedPeerUrls, parseInitialCluster }, { memberNamed, planCluster }, { checkAdvertisedPeerUrls }] = await Promise.all([
    import("../etcd-files/membership/initial-cluster.ts"),
    import("../etcd-files/membership/plan-cluster.ts"),
    import("../etcd-files/membership/advertised-urls.ts"),
  ]);
  // As etcdutl: its default cluster is the one member that --name names.
  const cluster = parseInitialCluster(config.get("initial-cluster") ?? `${name}=http://localhost:2380`);
  if (config.get("plan") && cluster.length > 1 && config.origin("name").kind === "default") return forEachHost(config, cluster);
  const advertised = parseAdvertisedPeerUrls(config.get("initial-advertise-peer-urls"));
  const member = memberNamed(planCluster(cluster, config.get("initial-cluster-token") ?? ""), name);
  await checkAdvertisedPeerUrls(member, advertised, resolveHost, { signal: AbortSignal.any([signal, AbortSignal.timeout(RESOLVE_LIMIT_MS)]) });
  return { cluster, targets: [targetFor(config, name)], token: config.get("initial-cluster-token"), perHost: false };
}

/** Every member of --initial-cluster, all with the same directories, as hosts of a distribution have them. */
function forEachHost(config: Config, cluster: readonly RestoreMemberSpec[]): RestoreMembers {
  if (config.origin("initial-advertise-peer-urls").kind !== "default") {
    throw new EtcdsafeError("USAGE", "--initial-advertise-peer-urls is one member's, and without --name all members are planned", {
      hint: "Leave it out: --initial-cluster has the peer URLs of all.",
    });
  }
  return { cluster, targets: cluster.map(({ name }) => targetFor(config, name)), token: config.get("initial-cluster-token"), perHost: true };
}

function targetFor(config: Config, name: string): MemberTarget {
  const walDir = config.get("wal-dir");
  return { name, dataDir: config.get("data-dir") ?? `${name}.etcd`, ...(walDir === undefined ? {} : { walDir }) };
}

/** A look-up cannot be taken back, only waited for no longer. */
async function resolveHost(host: string, { signal }: CallOptions): Promise<string> {
  const { lookup } = await import("node:dns/promises");
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    lookup(host).then(({ address }) => resolve(address), reject);
  });
}
