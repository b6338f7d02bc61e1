// What finished runs tell, as Prometheus' text. One registry of its own, with nothing of the process in it: a run that ends builds one and hands its text
// to textfile.ts or pushgateway.ts, a process that goes on records run after run.
import { Gauge, Registry } from "prom-client";
import type { BackupState } from "../repository/manifest.ts";
import type { VerificationLevel } from "../repository/sidecars.ts";
import type { AgentFacts } from "./agent-facts.ts";
import { FAMILIES, type FamilyName, type LabelsOf } from "./families.ts";
import type { FailureReason } from "./reasons.ts";
import type { ClusterEnd, RunAction, RunFacts, SavedFacts, VerifiedFacts } from "./run-facts.ts";
import { subjectKey } from "./subject.ts";

export interface Metrics {
  /** Prometheus' text format, 0.0.4, of the families that hold anything; empty before the first run. */
  text(): Promise<string>;
  record(facts: RunFacts): void;
  /** As it is now: what is no more, is not told any more. */
  recordAgent(facts: AgentFacts): void;
}

interface Sample<Name extends FamilyName> {
  readonly labels: LabelsOf<Name>;
  readonly value: number;
}

/** True for those that `latest` takes. */
const STATES: Readonly<Record<BackupState, boolean>> = { proven: true, unconfirmed: true, suspect: false, partial: false };

/** As sidecars.ts has them: each includes those before it. */
const LEVELS: readonly VerificationLevel[] = ["stored-bytes", "hash", "structure"];

/** `version`: of etcdsafe. */
export function createMetrics(version: string): Metrics {
  const families = new Families();
  return {
    text: () => families.text(),
    record: (facts) => {
      recordRun(families, facts, version);
      if (facts.saved !== null) recordSaved(families, facts.saved);
      for (const [cluster, level] of verifiedLevels(facts.verified)) recordPassed(families, facts.verified, { cluster, level });
      recordCounts(families, facts);
      recordRepositories(families, facts.repositories);
      for (const { cluster, backups } of facts.damaged) families.say("etcdsafe_repository_damaged_backups", [{ labels: { cluster }, value: backups }]);
    },
    recordAgent: (facts) => recordAgent(families, facts),
  };
}

function recordAgent(families: Families, { cluster, role, nextRuns, recoveryWindow, readAt, damagedBackups, certificates }: AgentFacts): void {
  const labels = { cluster };
  families.say(
    "etcdsafe_writer_lease_state",
    ["writer", "standby"].map((each) => ({ labels: { cluster, role: each }, value: each === role ? 1 : 0 })),
  );
  for (const [action, at] of Object.entries(nextRuns)) families.sayOrNot("etcdsafe_next_run_timestamp_seconds", { cluster, action }, at && seconds(at));
  families.sayOrNot("etcdsafe_recovery_window_start_timestamp_seconds", labels, recoveryWindow ? seconds(recoveryWindow.from) : null);
  // After a restart, and in standby, no save of this process has told it; and what one has told may be damaged since, or gone.
  if (recoveryWindow !== undefined) families.sayOrNot("etcdsafe_recovery_point_timestamp_seconds", labels, recoveryWindow && seconds(recoveryWindow.to));
  families.say("etcdsafe_repository_read_timestamp_seconds", [{ labels, value: seconds(readAt) }]);
  families.sayOrNot("etcdsafe_repository_damaged_backups", labels, damagedBackups);
  // Another agent verifies now. This one would go on saying what it has found, whatever becomes of it.
  if (role === "standby") for (const level of LEVELS) families.forget("etcdsafe_last_verification_backups", { cluster, level });
  families.say(
    "etcdsafe_certificate_expiry_timestamp_seconds",
    certificates.map(({ certificate, expiresAt }) => ({ labels: { cluster, certificate }, value: seconds(expiresAt) })),
  );
}

function recordRun(families: Families, facts: RunFacts, version: string): void {
  const { action, startedAt, finishedAt, failure, clusters, pruned } = facts;
  for (const end of clusters.length === 0 ? [{ failure }] : clusters) {
    recordEnd(families, facts, { ...end, action, version });
    if (pruned !== null) recordEnd(families, facts, { ...end, ...pruned, action: "prune", version });
  }
  if (failure !== null) return; // How far it came would be taken for what it needs.
  // Of several clusters together: which of them took it is not known, and with each it would be counted again.
  const labels = { ...(clusters.length === 1 && { cluster: clusters[0]!.cluster }), action };
  families.say("etcdsafe_last_success_duration_seconds", [{ labels, value: (finishedAt.getTime() - startedAt.getTime()) / 1000 }]);
  families.say(
    "etcdsafe_last_success_phase_duration_seconds",
    [...facts.phases].map(([phase, value]) => ({ labels: { ...labels, phase }, value })),
  );
  families.say(
    "etcdsafe_last_success_moved_bytes",
    facts.moved.map(({ store, direction, sizeBytes }) => ({ labels: { ...labels, store, direction }, value: sizeBytes })),
  );
}

interface End extends Partial<ClusterEnd> {
  readonly action: RunAction;
  readonly failure: FailureReason | null;
  readonly version: string;
}

function recordEnd(families: Families, { startedAt, finishedAt }: RunFacts, { failure, version, ...labels }: End): void {
  families.say("etcdsafe_build_info", [{ labels: { ...labels, version }, value: 1 }]);
  families.say("etcdsafe_last_attempt_timestamp_seconds", [{ labels, value: seconds(startedAt) }]);
  if (failure === null) families.say("etcdsafe_last_success_timestamp_seconds", [{ labels, value: seconds(finishedAt) }]);
  else families.say("etcdsafe_last_failure_timestamp_seconds", [{ labels: { ...labels, reason: failure }, value: seconds(finishedAt) }]);
}

function recordSaved(families: Families, { cluster, createdAt, state, rawSizeBytes, storedSizeBytes, members, isDamaged }: SavedFacts): void {
  const labels = { cluster };
  families.say("etcdsafe_last_backup_timestamp_seconds", [{ labels, value: seconds(createdAt) }]);
  if (STATES[state] && !isDamaged) families.say("etcdsafe_recovery_point_timestamp_seconds", [{ labels, value: seconds(createdAt) }]);
  families.say(
    "etcdsafe_last_backup_state",
    Object.keys(STATES).map((each) => ({ labels: { cluster, state: each }, value: each === state ? 1 : 0 })),
  );
  families.say("etcdsafe_last_backup_raw_size_bytes", [{ labels, value: rawSizeBytes }]);
  families.say("etcdsafe_last_backup_stored_size_bytes", [{ labels, value: storedSizeBytes }]);
  families.say(
    "etcdsafe_last_backup_members",
    Object.entries(members).map(([answer, value]) => ({ labels: { cluster, answer }, value })),
  );
}

type VerifiedSubject = Pick<VerifiedFacts, "cluster" | "level">;

function verifiedLevels(verified: readonly VerifiedFacts[]): readonly (readonly [string, VerifiedFacts["level"]])[] {
  return [...new Map(verified.map(({ cluster, level }) => [`${cluster} ${level}`, [cluster, level] as const])).values()];
}

/** What was found bad moves no time. */
function recordPassed(families: Families, verified: readonly VerifiedFacts[], { cluster, level }: VerifiedSubject): void {
  const labels = { cluster, level };
  const passed = verified.filter((each) => each.cluster === cluster && each.level === level && each.outcome === "passed");
  if (passed.length === 0) return;
  families.say("etcdsafe_last_verified_timestamp_seconds", [{ labels, value: Math.max(...passed.map(({ finishedAt }) => seconds(finishedAt))) }]);
  families.say("etcdsafe_verified_backup_timestamp_seconds", [{ labels, value: Math.max(...passed.map(({ createdAt }) => seconds(createdAt))) }]);
}

/** That backups are damaged, whoever reads them says; that none is, who has looked at all, and at least as deep. */
function recordCounts(families: Families, { verified, looks }: RunFacts): void {
  for (const cluster of new Set([...verified, ...looks].map((each) => each.cluster))) {
    const look = looks.find((each) => each.cluster === cluster);
    const depth = look === undefined ? -1 : LEVELS.indexOf(look.level);
    for (const [index, level] of LEVELS.entries()) {
      const all = verified.filter((each) => each.cluster === cluster && LEVELS.indexOf(each.level) >= index);
      const failed = all.filter(({ outcome }) => outcome === "failed").length;
      if (failed === 0 && index > depth) continue;
      families.say("etcdsafe_last_verification_backups", [
        { labels: { cluster, level, outcome: "passed" }, value: all.length - failed },
        { labels: { cluster, level, outcome: "failed" }, value: failed },
      ]);
    }
  }
}

function recordRepositories(families: Families, repositories: RunFacts["repositories"]): void {
  const sums = new Map<
    string,
    { readonly labels: { readonly cluster: string; readonly store: string }; readonly backups: number; readonly sizeBytes: number }
  >();
  for (const { cluster, store, backups, sizeBytes } of repositories) {
    const key = `${cluster} ${store}`;
    const before = sums.get(key);
    sums.set(key, { labels: { cluster, store }, backups: (before?.backups ?? 0) + backups, sizeBytes: (before?.sizeBytes ?? 0) + sizeBytes });
  }
  const all = [...sums.values()];
  families.say(
    "etcdsafe_repository_backups",
    all.map(({ labels, backups }) => ({ labels, value: backups })),
  );
  families.say(
    "etcdsafe_repository_size_bytes",
    all.map(({ labels, sizeBytes }) => ({ labels, value: sizeBytes })),
  );
}

function seconds(time: Date): number {
  return time.getTime() / 1000;
}

/** What was said last of each family about each subject (subject.ts). */
class Families {
  readonly #registry = new Registry();
  readonly #said = new Map<FamilyName, Map<string, readonly Sample<FamilyName>[]>>();

  say<Name extends FamilyName>(name: Name, samples: readonly Sample<Name>[]): void {
    if (samples.length === 0) return;
    const bySubject = this.#said.get(name) ?? this.#register(name);
    for (const [subject, about] of Map.groupBy(samples, ({ labels }) => subjectKey(labels))) bySubject.set(subject, about);
  }

  /** `value`: null where there is nothing to tell, also of what was told before. */
  sayOrNot<Name extends FamilyName>(name: Name, labels: LabelsOf<Name>, value: number | null): void {
    if (value === null) this.forget(name, labels);
    else this.say(name, [{ labels, value }]);
  }

  forget<Name extends FamilyName>(name: Name, labels: LabelsOf<Name>): void {
    this.#said.get(name)?.delete(subjectKey(labels));
  }

  async text(): Promise<string> {
    const names = (Object.keys(FAMILIES) as FamilyName[]).filter((name) => this.#said.has(name));
    const texts = await Promise.all(names.map((name) => this.#registry.getSingleMetricAsString(name)));
    return texts.map((text) => `${text}\n`).join("");
  }

  #register(name: FamilyName): Map<string, readonly Sample<FamilyName>[]> {
    const bySubject = new Map<string, readonly Sample<FamilyName>[]>();
    this.#said.set(name, bySubject);
    const { labels, help } = FAMILIES[name];
    const registers = [this.#registry];
    const collect = function (this: Gauge) {
      this.reset();
      for (const { labels, value } of [...bySubject.values()].flat()) this.set(labels, value);
    };
    new Gauge({ name, help, labelNames: labels, registers, collect });
    return bySubject;
  }
}
