// Whether etcd may be alive where a restore is to write, or the cluster that it replaces somewhere else: the verdict over all that was seen. Pure.
// A lock that is held is a fact. All else are signs, which the operator may know better: a URL may have become somebody else's.
import { resolve } from "node:path";
import type { Answer } from "../cluster/who-answers.ts";
import type { FormerMember } from "./former-members.ts";
import type { SeenLocks } from "./liveness-locks.ts";
import type { EtcdPod, SeenManifests } from "./liveness-manifests.ts";
import type { EtcdUnit, SeenUnits } from "./liveness-units.ts";

/** Plain JSON, part of the plan. */
export interface Liveness {
  readonly checks: readonly LivenessCheck[];
  /** stopped: nothing keeps the restore from writing. unknown: it cannot be found out whether what is to be replaced is in use. */
  readonly verdict: "stopped" | "alive" | "unknown";
}

export interface LivenessCheck {
  readonly kind: "lock" | "url" | "manifest" | "unit";
  /** What was looked at: a directory, a URL, a file, a unit. */
  readonly what: string;
  /** stopped: no sign of a running etcd that matters here. */
  readonly outcome: "stopped" | "alive" | "unknown";
  readonly detail: string;
  /** The option for which the restore goes on in spite of it. */
  readonly allowedBy: "--etcd-is-stopped" | null;
}

/** All that the probes brought. */
export interface Seen {
  readonly locks: readonly SeenLocks[];
  readonly answers: readonly { readonly url: string; readonly answer: Answer }[];
  /** Undefined where they do not matter. */
  readonly manifests: SeenManifests | undefined;
  readonly units: SeenUnits | undefined;
  /** Members of the source's cluster, and of what is replaced. */
  readonly former: readonly FormerMember[];
}

/** What of a plan the verdict depends on. */
export interface LivenessSubject {
  readonly clusterId: string;
  readonly members: readonly {
    readonly name: string;
    readonly peerUrls: readonly string[];
    readonly clientUrls: readonly string[];
    /** True: customary ones, which nobody named; they are not asked. */
    readonly clientUrlsAssumed: boolean;
    readonly dataDir: string | null;
    readonly walDir: string | null;
  }[];
}

/** `etcdIsStopped`: the operator's word, which stands against everything but a lock. */
export function judgeLiveness(subject: LivenessSubject, seen: Seen, words: { readonly etcdIsStopped: boolean }): Liveness {
  const found: Found[] = [
    ...seen.locks.flatMap(lockChecks),
    ...seen.answers.map((each) => answerCheck(each, subject, seen)),
    ...(seen.manifests === undefined ? [] : manifestChecks(seen.manifests, subject, seen)),
    ...(seen.units === undefined ? [] : unitChecks(seen.units, subject)),
  ];
  const checks = found.map(({ isFact, ...check }): LivenessCheck => {
    if (check.allowedBy !== null || check.outcome === "stopped" || isFact || !words.etcdIsStopped) return check;
    return { ...check, allowedBy: "--etcd-is-stopped" };
  });
  const open = checks.filter(({ allowedBy }) => allowedBy === null);
  // That a host is down, or systemd is not there, is no reason to stop; that nobody can tell whether the files are in use is.
  const nothingKnown = open.length > 0 && checks.every(({ outcome }) => outcome === "unknown");
  const isUnknown = nothingKnown || open.some(({ kind, outcome }) => kind === "lock" && outcome === "unknown");
  return { checks, verdict: open.some(({ outcome }) => outcome === "alive") ? "alive" : isUnknown ? "unknown" : "stopped" };
}

/** All URLs that the plan gives its members. */
export function plannedUrls({ members }: Pick<LivenessSubject, "members">): string[] {
  return members.flatMap(({ peerUrls, clientUrls, clientUrlsAssumed }) => [...peerUrls, ...(clientUrlsAssumed ? [] : clientUrls)]);
}

type Found = LivenessCheck & { readonly isFact?: true };

function lockChecks({ dataDir, files }: SeenLocks): Found[] {
  const held = files.filter(({ locked }) => locked);
  const holder = held.find(({ processId }) => processId !== null) ?? held[0];
  const base = { kind: "lock", what: dataDir, allowedBy: null } as const;
  if (holder !== undefined) {
    const others = held.length > 1 ? `, and ${held.length - 1} more of its files` : "";
    const who =
      holder.processId === null
        ? "a process that cannot be named from here: of another container, or of the host"
        : `process ${holder.processId}${holder.program === null ? "" : ` (${holder.program})`}`;
    return [{ ...base, outcome: "alive", isFact: true, detail: `${holder.path} is locked${others}; by ${who}` }];
  }
  if (files.length === 0) return [];
  if (files.some(({ locked }) => locked === false)) return [{ ...base, outcome: "stopped", detail: "nobody has a lock on the database or the WAL" }];
  return [
    {
      ...base,
      outcome: "unknown",
      detail: "whether somebody has a lock on the database or the WAL cannot be found out: neither the program flock nor /proc/locks is of use here",
    },
  ];
}

function answerCheck({ url, answer }: Seen["answers"][number], subject: LivenessSubject, seen: Seen): Found {
  const isPlanned = plannedUrls(subject).includes(url);
  const former = seen.former.find((member) => urlsOf(member).includes(url));
  const whose = isPlanned ? "of the plan" : `of ${former?.name || former?.id} of the former cluster`;
  const base = { kind: "url", what: url } as const;
  const stopped = (detail: string): Found => ({ ...base, outcome: "stopped", detail: `${whose}: ${detail}`, allowedBy: null });
  const alive = (detail: string): Found => ({ ...base, outcome: "alive", detail: `${whose}: ${detail}`, allowedBy: null });
  if (answer.kind === "nobody") return stopped("nothing listens there");
  if (answer.kind === "other") return stopped(`what answers is no etcd (${answer.what})`);
  if (answer.kind === "unreachable") return { ...base, outcome: "unknown", detail: `${whose}: ${answer.why}`, allowedBy: null };
  if (isOfNewCluster(url, answer, subject, seen)) return stopped("a member of the new cluster, restored and started already");
  if (answer.kind === "unnamed") return alive(`somebody takes the connection and does not say who it is (${answer.why})`);
  if (answer.clusterId === null) return alive(`an etcd answers${answer.version === null ? "" : ` (${answer.version})`}, and does not say of which cluster`);
  if (answer.memberIds.some((id) => seen.former.some((member) => member.id === id)))
    return alive(`a member of the former cluster (${answer.clusterId}) answers`);
  if (!isPlanned && isLoopback(url)) return stopped(`what answers on this host is an etcd of another cluster (${answer.clusterId})`);
  return alive(`an etcd of another cluster (${answer.clusterId}) answers`);
}

/** A client URL does not tell its cluster where authentication is on; its member's peer URL does. */
function isOfNewCluster(url: string, answer: Answer, { clusterId, members }: LivenessSubject, { answers }: Seen): boolean {
  if (answer.kind === "etcd" && answer.clusterId !== null) return answer.clusterId === clusterId;
  const peerUrls = members.filter(({ clientUrls }) => clientUrls.includes(url)).flatMap((member) => member.peerUrls);
  return answers.some((other) => peerUrls.includes(other.url) && other.answer.kind === "etcd" && other.answer.clusterId === clusterId);
}

function manifestChecks({ directory, pods, why }: SeenManifests, subject: LivenessSubject, seen: Seen): Found[] {
  const base = { kind: "manifest", allowedBy: null } as const;
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
    return { ...base, what: pod.path, outcome: "alive", detail: "a static pod of etcd: as long as its manifest is there, the kubelet starts it again" };
  });
}

/** A host may run two, such as one for events. Known only where it is given other directories and other URLs than any of this cluster's. */
function isAnotherEtcd({ directories, urls }: EtcdPod, subject: LivenessSubject, { former }: Seen): boolean {
  if (directories.length === 0 || urls.length === 0 || former.length === 0) return false;
  const ours = [...plannedUrls(subject), ...former.flatMap(urlsOf)].map(withoutSlash);
  return !directories.some((directory) => isTarget(directory, subject)) && !urls.some((url) => ours.includes(withoutSlash(url)));
}

function unitChecks(units: SeenUnits, subject: LivenessSubject): Found[] {
  const base = { kind: "unit", allowedBy: null } as const;
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
  return targets.some((target) => isWithin(target, directory) || isWithin(directory, target));
}

function isWithin(inner: string, outer: string): boolean {
  return `${resolve(inner)}/`.startsWith(`${resolve(outer)}/`);
}

export function urlsOf({ peerUrls, clientUrls }: FormerMember): string[] {
  return [...peerUrls, ...clientUrls];
}

function withoutSlash(url: string): string {
  return url.replace(/\/$/, "");
}

/** A snapshot from another host calls that host so. */
function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}
