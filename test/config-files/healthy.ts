// Clusters that are backed up as config/alerts.rules.yaml takes for granted, and what they tell Prometheus.
import type { FamilyName, LabelsOf } from "../../src/metrics/families.ts";
import { always, DAY, every, HOUR, type SeriesMap, type Values } from "./scenario.ts";

/** The labels by which Prometheus knows who told. */
export type Target = Readonly<Record<string, string>>;
/** By a Pushgateway, with `honor_labels`. */
export const PUSHED: Target = { job: "etcdsafe" };
/** By node_exporter on that host. */
export const textfileOf = (host: string): Target => ({ job: "node", instance: `${host}:9100` });

export function series<Name extends FamilyName>(name: Name, labels: LabelsOf<Name>, target: Target = PUSHED): string {
  const all = Object.entries<string>({ ...labels, ...target });
  return `${name}{${all.map(([label, value]) => `${label}="${value}"`).join(",")}}`;
}

/** Saved every hour; verified every day, in depth every week; pruned every day. */
export function healthy(cluster: string, target: Target = PUSHED): SeriesMap {
  return {
    ...runs(cluster, "save", every(HOUR), target),
    ...runs(cluster, "verify", every(DAY), target),
    ...runs(cluster, "prune", every(DAY), target),
    ...backups(cluster, every(HOUR, 10), target),
    [series("etcdsafe_recovery_point_timestamp_seconds", { cluster }, target)]: every(HOUR, 10),
    [series("etcdsafe_last_verified_timestamp_seconds", { cluster, level: "stored-bytes" }, target)]: every(DAY, 60),
    [series("etcdsafe_last_verified_timestamp_seconds", { cluster, level: "structure" }, target)]: every(7 * DAY, 60),
    [series("etcdsafe_last_verification_backups", { cluster, level: "structure", outcome: "failed" }, target)]: always(0),
    [series("etcdsafe_repository_size_bytes", { cluster, store: "s3" }, target)]: always(1e15),
  };
}

/** An action's runs, which began at those times, and succeeded two minutes later. */
export function runs(cluster: string, action: string, began: Values, target: Target = PUSHED): SeriesMap {
  return {
    [series("etcdsafe_last_attempt_timestamp_seconds", { cluster, action }, target)]: began,
    [series("etcdsafe_last_success_timestamp_seconds", { cluster, action }, target)]: (now) => {
      const time = began(now);
      return time === undefined ? undefined : time + 120;
    },
  };
}

/** What is told of the last backup, of that time; all is well with it but what `unusual` says. */
export function backups(cluster: string, taken: Values, target: Target = PUSHED, unusual: Readonly<Record<string, Values>> = {}): SeriesMap {
  const well: Readonly<Record<string, number>> = { proven: 1, agreed: 2 };
  const value = (name: string): Values => unusual[name] ?? ((now) => (taken(now) === undefined ? undefined : (well[name] ?? 0)));
  return {
    [series("etcdsafe_last_backup_timestamp_seconds", { cluster }, target)]: taken,
    ...Object.fromEntries(
      ["proven", "unconfirmed", "suspect", "partial"].map((state) => [series("etcdsafe_last_backup_state", { cluster, state }, target), value(state)]),
    ),
    ...Object.fromEntries(
      ["agreed", "disagreed", "not-comparable", "unreachable"].map((answer) => [
        series("etcdsafe_last_backup_members", { cluster, answer }, target),
        value(answer),
      ]),
    ),
  };
}
