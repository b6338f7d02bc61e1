// Looks whether etcd is stopped: on this host, and wherever the plan and the former cluster have members. All at once; only a host that says nothing
// makes it wait.
import { realpath } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { ConnectionOptions } from "../cluster/connection-options.ts";
import type { TlsIdentity } from "../cluster/tls-identity.ts";
import { whoAnswers } from "../cluster/who-answers.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { type FormerMember, formerMembersIn, urlsOf } from "./former-members.ts";
import { judgeLiveness, type Liveness, type LivenessSubject, type Seen } from "./liveness.ts";
import { seeLocks } from "./liveness-locks.ts";
import { compareWithTargets, type SeenManifests, seeManifests } from "./liveness-manifests.ts";
import { refuseLiveness } from "./liveness-refusal.ts";
import { plannedUrls } from "./liveness-signs.ts";
import { seeUnits } from "./liveness-units.ts";

/** What the operator says of this run, and how it is to look. */
export interface LivenessOptions {
  readonly etcdIsStopped: boolean;
  /** Where the host's file system is; `/` but for runs in a container. */
  readonly hostRoot: string;
  /** A client certificate that members with TLS accept: without one they do not say of which cluster they are. */
  readonly certificate?: Pick<ConnectionOptions, "certPath" | "keyPath">;
}

export interface LookOptions extends CallOptions {
  /** Where left out: nothing is said, and the host's file system is this one. */
  readonly liveness?: LivenessOptions | undefined;
}

/** How a plan says what is to be looked at. */
export interface LivenessPlan extends LivenessSubject {
  /** The cluster is a copy beside the one that the source comes from, which may live on. */
  readonly copy: boolean;
  readonly formerMembers: readonly FormerMember[];
}

interface Target {
  readonly dataDir: string;
  readonly walDir: string | null;
}

const NOTHING_SAID: LivenessOptions = { etcdIsStopped: false, hostRoot: "/" };
/** Of all that a URL is asked; they are asked together. */
const ASK_LIMIT_MS = 3_000;

/** Throws CONFIG_INVALID or FILE_FAILED for a certificate that is no good. */
export async function lookForEtcd(plan: LivenessPlan, options: LookOptions): Promise<Liveness> {
  const said = options.liveness ?? NOTHING_SAID;
  const targets = targetsOf(plan);
  const locks = await Promise.all(targets.map((target) => seeLocks(target, options)));
  const replaced = locks.flatMap(({ files }) => files.filter(({ path }) => path.endsWith("/db")).flatMap(({ path }) => formerMembersIn(path)));
  const isBeside = plan.copy && locks.every(({ files }) => files.length === 0);
  const urls = new Set([...plannedUrls(plan), ...[...(plan.copy ? [] : plan.formerMembers), ...replaced].flatMap(urlsOf)]);
  const tls = [...urls].some((url) => url.startsWith("https:")) ? await clientIdentity(said) : undefined;
  const [answers, manifests, units] = await Promise.all([
    Promise.all([...urls].map(async (url) => ({ url, answer: await whoAnswers(url, { ...options, tls, limitMs: ASK_LIMIT_MS }) }))),
    isBeside ? undefined : manifestsAround(targets, said.hostRoot),
    isBeside ? undefined : said.hostRoot === "/" ? seeUnits(options) : { unasked: "those of the host cannot be asked from a container (--host-root)" },
  ]);
  const seen: Seen = { locks, answers, manifests, units, former: [...plan.formerMembers, ...replaced], source: plan.formerMembers };
  return judgeLiveness(await asTheHostSays(plan, said.hostRoot), seen, said);
}

async function manifestsAround(targets: readonly Target[], hostRoot: string): Promise<SeenManifests> {
  const directories = targets.flatMap(({ dataDir, walDir }) => (walDir === null ? [dataDir] : [dataDir, walDir]));
  return compareWithTargets(await seeManifests(hostRoot), directories, hostRoot);
}

async function clientIdentity({ certificate }: LivenessOptions): Promise<TlsIdentity> {
  const { readTlsIdentity } = await import("../cluster/tls-identity.ts");
  return readTlsIdentity({ ...certificate, insecureSkipVerify: true }, true);
}

/** Says which signs it goes past because --etcd-is-stopped says so. Throws ETCD_MAY_BE_ALIVE. */
export async function requireEtcdStopped(plan: LivenessPlan, options: LookOptions & { readonly runtime: Pick<Runtime, "log"> }): Promise<void> {
  const liveness = await lookForEtcd(plan, options);
  refuseLiveness(liveness);
  for (const { what, detail, outcome, allowedBy } of liveness.checks) {
    if (outcome === "alive") options.runtime.log({ level: "warn", message: `${what}: ${detail}; going on, as ${allowedBy} says` });
  }
}

/** Whether an etcd was started while the files were written. Throws ETCD_MAY_BE_ALIVE for a lock. */
export async function requireUnlocked(plan: LivenessPlan, options: CallOptions): Promise<void> {
  const locks = await Promise.all(targetsOf(plan).map((target) => seeLocks(target, options)));
  refuseLiveness(judgeLiveness(plan, { locks, answers: [], manifests: undefined, units: undefined, former: [], source: [] }, { etcdIsStopped: true }));
}

/** Each once: in a plan for several hosts, directories may have the same names. */
function targetsOf({ members }: LivenessSubject): Target[] {
  const targets = members.flatMap(({ dataDir, walDir }) => (dataDir === null ? [] : [{ dataDir, walDir }]));
  return targets.filter((target, index) => targets.findIndex((other) => isDeepStrictEqual(other, target)) === index);
}

/** Directories without links, and as manifests of the host call them. */
async function asTheHostSays<Plan extends LivenessSubject>(plan: Plan, hostRoot: string): Promise<Plan> {
  const rename = async (path: string | null) => {
    if (path === null) return null;
    const real = await realpath(path).catch(() => path);
    return resolve("/", relative(await realpath(hostRoot).catch(() => hostRoot), real));
  };
  const members = plan.members.map(async (member) => ({ ...member, dataDir: await rename(member.dataDir), walDir: await rename(member.walDir) }));
  return { ...plan, members: await Promise.all(members) };
}
