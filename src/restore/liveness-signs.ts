// What each sign of a living etcd means for a restore: who answers at a URL, a static pod, a unit. Pure.
import { isPathWithin } from "../bytes/path-within.ts";
import type { Answer } from "../cluster/who-answers.ts";
import { urlsOf } from "./former-members.ts";
import type { LivenessSubject, Seen, Sign } from "./liveness.ts";
import type { EtcdPod, SeenManifests } from "./liveness-manifests.ts";
import type { EtcdUnit, SeenUnits } from "./liveness-units.ts";

/** All URLs that the plan gives its members. */
export function plannedUrls({ members }: Pick<LivenessSubject, "members">): string[] {
  return members.flatMap(({ peerUrls, clientUrls, clientUrlsAssumed }) => [...peerUrls, ...(clientUrlsAssumed ? [] : clientUrls)]);
}

export function answerSign({ url, answer }: Seen["answers"][number], subject: LivenessSubject, seen: Seen): Sign {
  const isPlanned = plannedUrls(subject).includes(url);
  const former = seen.former.find((member) => urlsOf(member).includes(url));
  const place = isPlanned ? "in the plan" : `${former?.name || former?.id} of the former cluster`;
  const found = (outcome: Sign["outcome"], detail: string): Sign => ({
    kind: "url",
    what: url,
    outcome,
    detail: `${place}: ${detail}`,
  });
  if (answer.kind === "nobody") return found("stopped", "nothing listens there");
  if (answer.kind === "other") return found("stopped", `what answers is no etcd (${answer.what})`);
  if (answer.kind === "unreachable") return found("unknown", answer.why);
  if (hasNewIds(subject, seen) && isOfNewCluster(url, answer, subject, seen))
    return found("stopped", "a member of the new cluster, restored and started already");
  if (answer.kind === "unnamed") return found("alive", `somebody takes the connection and does not say who it is (${answer.why})`);
  const { clusterId } = answer;
  if (clusterId === null) return found("alive", `an etcd answers${answer.version === null ? "" : ` (${answer.version})`}, and does not say of which cluster`);
  if (clusterId === subject.clusterId) {
    const why = hasIdsOf(seen.source, subject)
      ? "the cluster of the source has that id too: its token was used before, so that old members cannot be told from new ones"
      : "what is to be replaced here is of that cluster already: this restore was done here before, or another one with its token";
    return found("alive", `a member of cluster ${clusterId} answers, and ${why}`);
  }
  if (answer.memberIds.some((id) => seen.former.some((member) => member.id === id)))
    return found("alive", `a member of the former cluster, ${clusterId}, answers`);
  if (!isPlanned && isLoopback(url)) return found("stopped", `what answers on this host is an etcd of another cluster, ${clusterId}`);
  return found("alive", `an etcd of another cluster, ${clusterId}, answers`);
}

/**
 * Members to be written that have run already, or were removed since, as a running member of the new cluster says: a restored one that never ran has no
 * client URLs there. Restored once more, such a member would have forgotten entries that it acknowledged, and could make a majority without them.
 */
export function startedSigns(subject: LivenessSubject, seen: Seen): Sign[] {
  if (!hasNewIds(subject, seen)) return [];
  return subject.members.flatMap(({ name, id, dataDir, peerUrls }): Sign[] => {
    if (dataDir === null) return [];
    const says = (what: string, url: string): Sign[] => [
      {
        kind: "started",
        what: name,
        outcome: "alive",
        detail: `${what} (${url} says so); etcdctl member remove ${id}, etcdctl member add ${name} --peer-urls=${peerUrls.join(",")}`,
      },
    ];
    for (const { url, answer } of seen.answers) {
      if (answer.kind !== "etcd" || answer.clusterId !== subject.clusterId || answer.memberIds.length === 0) continue;
      if (answer.startedMemberIds.includes(id)) return says("it has run already in the new cluster", url);
      if (plannedPeerUrls(subject).includes(url) && !answer.memberIds.includes(id)) return says("the new cluster has removed it", url);
    }
    return [];
  });
}

function plannedPeerUrls({ members }: LivenessSubject): string[] {
  return members.flatMap(({ peerUrls }) => peerUrls);
}

/** Else old members cannot be told from new ones. */
function hasNewIds(subject: LivenessSubject, { former }: Seen): boolean {
  return !hasIdsOf(former, subject);
}

function hasIdsOf(others: Seen["former"], { members }: LivenessSubject): boolean {
  return members.some(({ id }) => others.some((member) => member.id === id));
}

/** A client URL does not tell its cluster where authentication is on; its member's peer URL does. */
function isOfNewCluster(url: string, answer: Answer, { clusterId, members }: LivenessSubject, { answers }: Seen): boolean {
  if (answer.kind === "etcd" && answer.clusterId !== null) return answer.clusterId === clusterId;
  const peerUrls = members.filter(({ clientUrls }) => clientUrls.includes(url)).flatMap((member) => member.peerUrls);
  return answers.some((other) => peerUrls.includes(other.url) && other.answer.kind === "etcd" && other.answer.clusterId === clusterId);
}

export function manifestSigns({ directory, pods, why }: SeenManifests, subject: LivenessSubject, seen: Seen): Sign[] {
  const base = { kind: "manifest" } as const;
  if (pods === null) return [{ ...base, what: directory, outcome: "unknown", detail: `cannot be read: ${why}` }];
  if (pods.length === 0) return [{ ...base, what: directory, outcome: "stopped", detail: "no static pod of etcd" }];
  return pods.map((pod) => {
    if (isAnotherEtcd(pod, subject, seen)) {
      return {
        ...base,
        what: pod.path,
        outcome: "stopped",
        detail: `a static pod of another etcd: its directories (${pod.directories.join(", ")}) and URLs are not those of this one`,
      };
    }
    if (pod.unclear !== undefined)
      return { ...base, what: pod.path, outcome: "alive", detail: `mentions etcd and cannot be understood, so that it may be its static pod (${pod.unclear})` };
    return { ...base, what: pod.path, outcome: "alive", detail: "a static pod of etcd: as long as its manifest is there, the kubelet starts it again" };
  });
}

/** A host may run two, such as one for events. Known only where it is given other directories and other URLs than any of this cluster's. */
function isAnotherEtcd({ directories, urls, isOfTarget }: EtcdPod, subject: LivenessSubject, { former }: Seen): boolean {
  if (isOfTarget === true) return false;
  if (directories.length === 0 || urls.length === 0 || former.length === 0) return false;
  const ours = [...plannedUrls(subject), ...former.flatMap(urlsOf)].map(withoutSlash);
  return !directories.some((directory) => isTarget(directory, subject)) && !urls.some((url) => ours.includes(withoutSlash(url)));
}

export function unitSigns(units: SeenUnits, subject: LivenessSubject): Sign[] {
  const base = { kind: "unit" } as const;
  if ("unasked" in units) return [{ ...base, what: "units of systemd", outcome: "unknown", detail: units.unasked }];
  if (units.running.length === 0) return [{ ...base, what: "units of systemd", outcome: "stopped", detail: "none of etcd, k3s or RKE2 is running" }];
  return units.running.map((unit) => {
    const { name, state, dataDir } = unit;
    if (dataDir !== null && !mayUse(unit, subject))
      return { ...base, what: name, outcome: "stopped", detail: `${state}, with another data directory (${dataDir})` };
    return {
      ...base,
      what: name,
      outcome: "alive",
      detail: `${state}${dataDir === null ? "; which data directory it has cannot be told" : `, with the data directory ${dataDir}`}`,
    };
  });
}

/** k3s and RKE2 may be given their directory in a file of their own; what they call it below that is always the same. */
function mayUse({ name, dataDir }: EtcdUnit, subject: LivenessSubject): boolean {
  if (dataDir !== null && isTarget(dataDir, subject)) return true;
  return /^(k3s|rke2)/.test(name) && subject.members.some((member) => /\/server\/db\/etcd\/?$/.test(member.dataDir ?? ""));
}

/** Whether a directory is one to be written, or lies in one, or around one. */
function isTarget(directory: string, { members }: LivenessSubject): boolean {
  const targets = members.flatMap(({ dataDir, walDir }) => [dataDir, walDir]).filter((each) => each !== null);
  return targets.some((target) => isPathWithin(target, directory) || isPathWithin(directory, target));
}

function withoutSlash(url: string): string {
  return url.replace(/\/$/, "");
}

/** A snapshot from another host calls that host so. */
function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}
