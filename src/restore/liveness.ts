// Whether etcd may be alive where a restore is to write, or the cluster that it replaces somewhere else: the verdict over all that was seen. Pure.
// A lock that is held is a fact, and so is what the new cluster says of its own members. All else are signs, which the operator may know better: a URL may
// have become somebody else's.
import type { Answer } from "../cluster/who-answers.ts";
import type { FormerMember } from "./former-members.ts";
import type { SeenLocks } from "./liveness-locks.ts";
import type { SeenManifests } from "./liveness-manifests.ts";
import { type FormerQuorum, formerQuorum } from "./liveness-quorum.ts";
import { answerSign, manifestSigns, startedSigns, unitSigns } from "./liveness-signs.ts";
import type { SeenUnits } from "./liveness-units.ts";

/** Plain JSON, printed with the plan: what holds at the moment, on this host, is no part of it. */
export interface Liveness {
  readonly checks: readonly LivenessCheck[];
  /** stopped: nothing keeps the restore from writing. unknown: it cannot be found out whether what is to be replaced is in use. */
  readonly verdict: "stopped" | "alive" | "unknown";
  /** Set where a majority of the former cluster answers: perhaps nothing has to be restored. */
  readonly formerQuorum: FormerQuorum | null;
}

/** What was seen, and what it means. */
export interface Sign {
  /** started: a member that is to be written has run already since this very plan restored it. */
  readonly kind: "lock" | "started" | "url" | "manifest" | "unit";
  /** What was looked at: a directory, a URL, a file, a unit; of one that has run, the member. */
  readonly what: string;
  /** stopped: no sign of a running etcd that matters here. */
  readonly outcome: "stopped" | "alive" | "unknown";
  readonly detail: string;
}

export interface LivenessCheck extends Sign {
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
  /** Those of the source's cluster alone. */
  readonly source: readonly FormerMember[];
}

/** What of a plan the verdict depends on. */
export interface LivenessSubject {
  readonly clusterId: string;
  readonly members: readonly {
    readonly name: string;
    readonly id: string;
    readonly peerUrls: readonly string[];
    readonly clientUrls: readonly string[];
    /** True: customary ones, which nobody named; they are not asked. */
    readonly clientUrlsAssumed: boolean;
    readonly dataDir: string | null;
    readonly walDir: string | null;
  }[];
}

/** `etcdIsStopped`: the operator's word, which stands against everything but facts. */
export function judgeLiveness(subject: LivenessSubject, seen: Seen, words: { readonly etcdIsStopped: boolean }): Liveness {
  const signs: Sign[] = [
    ...seen.locks.flatMap(lockSigns),
    ...startedSigns(subject, seen),
    ...seen.answers.map((each) => answerSign(each, subject, seen)),
    ...(seen.manifests === undefined ? [] : manifestSigns(seen.manifests, subject, seen)),
    ...(seen.units === undefined ? [] : unitSigns(seen.units, subject)),
  ];
  const isFact = ({ kind, outcome }: Sign) => (kind === "lock" || kind === "started") && outcome === "alive";
  const isAllowed = (sign: Sign) => words.etcdIsStopped && sign.outcome !== "stopped" && !isFact(sign);
  const checks = signs.map((sign): LivenessCheck => ({ ...sign, allowedBy: isAllowed(sign) ? "--etcd-is-stopped" : null }));
  const open = checks.filter(({ allowedBy }) => allowedBy === null);
  // That a host is down, or systemd is not there, is no reason to stop; that nobody can tell whether the files are in use is.
  const nothingKnown = seen.manifests !== undefined && open.length > 0 && checks.every(({ outcome }) => outcome === "unknown");
  const isUnknown = nothingKnown || open.some(({ kind, outcome }) => kind === "lock" && outcome === "unknown");
  const verdict = open.some(({ outcome }) => outcome === "alive") ? "alive" : isUnknown ? "unknown" : "stopped";
  return { checks, verdict, formerQuorum: formerQuorum(subject, seen) };
}

function lockSigns({ dataDir, files }: SeenLocks): Sign[] {
  const held = files.filter(({ locked }) => locked);
  const holder = held.find(({ processId }) => processId !== null) ?? held[0];
  const base = { kind: "lock", what: dataDir } as const;
  if (holder !== undefined) {
    const others = held.length > 1 ? `, and ${held.length - 1} more of its files` : "";
    const who =
      holder.processId === null
        ? "a process that cannot be named from here: of another container, or of the host"
        : `process ${holder.processId}${holder.program === null ? "" : ` (${holder.program})`}`;
    return [{ ...base, outcome: "alive", detail: `${holder.path} is locked${others}; by ${who}` }];
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
