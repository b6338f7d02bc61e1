// config/alerts.rules.yaml, by the real promtool: each rule fires when it should and not before, is silent when all is well, and ends. Whatever else fires at
// these times fails the test, too.
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { FAILURE_REASONS } from "../../src/metrics/reasons.ts";
import { rowsOf, sectionOf } from "../support/markdown.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { backups, healthy, PUSHED, runs, series, type Target, textfileOf } from "./healthy.ts";
import { unknownIn } from "./known-series.ts";
import { promtool } from "./promtool.ts";
import { always, between, DAY, every, HOUR, promtoolTest, type Scenario, type SeriesMap, standing, type Values } from "./scenario.ts";
import { readBack, told, verification } from "./told.ts";

interface Rule {
  readonly alert?: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

const RULES = fileURLToPath(new URL("../../config/alerts.rules.yaml", import.meta.url));
const text = readFileSync(RULES, "utf8");
const rulesOf = (yaml: string): Rule[] => parse(yaml).groups.flatMap(({ rules }: { readonly rules: readonly Rule[] }) => rules);
const rules = new Map(rulesOf(text).map((rule) => [rule.alert ?? "", rule]));
/** With what is there as comments, to be made one's own. */
const withSamples = text.replaceAll(/^( +)# (- (?:alert|record): .*\n(?:\1# {3}.*\n)*)/gm, (_, indent: string, sample: string) =>
  `${indent}${sample}`.replaceAll(/^( +)# {3}/gm, "$1  "),
);

/** Two clusters that are well: one tells by a Pushgateway, one by node_exporter. A scenario changes the first one. */
const WELL: SeriesMap = { ...healthy("prod"), ...healthy("stage", textfileOf("cp1")) };
const attempt = (action: string, cluster = "prod") => series("etcdsafe_last_attempt_timestamp_seconds", { cluster, action });
const success = (action: string, cluster = "prod") => series("etcdsafe_last_success_timestamp_seconds", { cluster, action });
const failure = (action: string, reason: string, cluster = "prod") => series("etcdsafe_last_failure_timestamp_seconds", { cluster, action, reason });
const verified = (level: string, cluster = "prod") => series("etcdsafe_last_verified_timestamp_seconds", { cluster, level });
const recoveryPoint = (cluster = "prod") => series("etcdsafe_recovery_point_timestamp_seconds", { cluster });
const changed = (change: (values: Values) => Values, ...keys: readonly string[]): SeriesMap => Object.fromEntries(keys.map((key) => [key, change(WELL[key]!)]));
const allOf = (cluster: string): string[] => Object.keys(WELL).filter((key) => key.includes(`cluster="${cluster}"`));
const allButStage: SeriesMap = Object.fromEntries(Object.entries(WELL).filter(([key]) => key.includes(`cluster="stage"`)));

const AGENT: Target = { job: "etcdsafe-agent", instance: "etcdsafe-0:9379" };
const STANDBY: Target = { job: "etcdsafe-agent", instance: "etcdsafe-1:9379" };
const lease = (role: string, target: Target) => series("etcdsafe_writer_lease_state", { cluster: "agent", role }, target);
const expiry = series("etcdsafe_certificate_expiry_timestamp_seconds", { cluster: "agent", certificate: "client" }, AGENT);

/** What the alert says with these labels; a text without a template is as the rule has it. */
function says(
  alert: string,
  at: string,
  labels: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>>,
): NonNullable<Scenario["says"]> {
  const rule = rules.get(alert)!;
  const { description = "", runbook_url = "" } = rule.annotations;
  return {
    at,
    alert,
    labels: { ...labels, ...rule.labels },
    annotations: { ...(description.includes("{{") ? {} : { description }), runbook_url, ...annotations },
  };
}

/** All is well, but for what verifications have found, which a scenario tells. */
const DAMAGE: SeriesMap = Object.fromEntries(Object.entries(WELL).filter(([key]) => !/verif/.test(key) || key.includes(`cluster="stage"`)));

/** Saves that fail from an hour on, until another. */
const failing = (action: string, reason: string, from: number, to: number): SeriesMap => ({
  ...changed((values) => standing(values, from - 1, to), success(action)),
  [failure(action, reason)]: (now) => (now < from ? undefined : every(HOUR, 60)(Math.min(now, to - 1))),
});
/** Reasons that the next run will meet again. */
const LASTING = ["usage", "partly-done", "corrupt", "not-found", "refused", "cannot-decrypt"];

const SCENARIOS: readonly Scenario[] = [
  { name: "all is well for hours", series: WELL, firing: { "0m": [], "5m": [], "1h": [], "1h55m": [], "5h": [] } },
  { name: "all is well for days", series: WELL, everyMinutes: 60, firing: { "1d": [], "3d": [], "7d": [], "15d": [] } },
  {
    name: "a cluster is new, and verified for the first time a day later",
    series: {
      ...WELL,
      ...Object.fromEntries(
        Object.entries(healthy("new")).map(([key, values]) => {
          const from = /verif/.test(key) ? 26 * HOUR : 2 * HOUR;
          return [key, between(from, Number.POSITIVE_INFINITY, values)];
        }),
      ),
    },
    firing: { "2h": [], "2h5m": [], "4h": [], "8h": [], "25h": [], "30h": [] },
  },
  {
    name: "EtcdsafeRecoveryPointOld",
    series: { ...WELL, ...changed((values) => standing(values, 0, 4 * HOUR), recoveryPoint()) },
    firing: { "2h35m": [], "2h40m": ["EtcdsafeRecoveryPointOld prod"], "3h55m": ["EtcdsafeRecoveryPointOld prod"], "4h": [] },
    says: says("EtcdsafeRecoveryPointOld", "2h40m", { cluster: "prod" }, { summary: "The newest good backup of etcd cluster prod is 2h 39m 50s old." }),
  },
  {
    name: "EtcdsafeNoRecoveryPoint: saves have failed from the first one on",
    series: {
      ...WELL,
      [attempt("save", "new")]: every(HOUR),
      [failure("save", "etcd-unreachable", "new")]: (now) => (now < 4 * HOUR ? every(HOUR, 30)(now) : 3 * HOUR + 30),
      [success("save", "new")]: between(4 * HOUR, Number.POSITIVE_INFINITY, every(HOUR, 60)),
      [recoveryPoint("new")]: between(4 * HOUR, Number.POSITIVE_INFINITY, every(HOUR, 10)),
    },
    firing: { "2h55m": ["EtcdsafeSaveFailing new"], "3h": ["EtcdsafeNoRecoveryPoint new", "EtcdsafeSaveFailing new"], "4h": [] },
    says: says(
      "EtcdsafeNoRecoveryPoint",
      "3h",
      { cluster: "new" },
      {
        summary: "etcd cluster new has no good backup at all.",
        description: "Saves were tried, the last one at 1970-01-01 03:00:00 +0000 UTC, but none has stored a proven or unconfirmed backup yet.",
      },
    ),
  },
  {
    name: "EtcdsafeNoRecoveryPoint: all backups are partial",
    series: { ...WELL, ...runs("new", "save", every(HOUR)), ...backups("new", every(HOUR, 10), PUSHED, { partial: always(1) }) },
    firing: {
      "0m": [],
      "5m": ["EtcdsafeBackupPartial new"],
      "2h55m": ["EtcdsafeBackupPartial new"],
      "3h": ["EtcdsafeBackupPartial new", "EtcdsafeNoRecoveryPoint new"],
    },
  },
  { name: "saves into a file have no recovery point", series: { ...WELL, ...runs("files", "save", every(HOUR)) }, firing: { "3h": [], "10h": [] } },
  {
    name: "EtcdsafeClockAhead",
    series: { ...WELL, [recoveryPoint()]: between(HOUR, 2 * HOUR, every(HOUR, HOUR), every(HOUR, 10)) },
    firing: { "1h": [], "1h5m": ["EtcdsafeClockAhead prod"], "1h45m": ["EtcdsafeClockAhead prod"], "1h50m": [], "2h": [] },
    says: says("EtcdsafeClockAhead", "1h5m", { cluster: "prod" }, { summary: "What etcdsafe tells of cluster prod is dated 55m 0s in the future." }),
  },
  {
    name: "EtcdsafeNothingReported",
    series: Object.fromEntries(Object.entries(WELL).map(([key, values]) => [key, between(5 * HOUR, Number.POSITIVE_INFINITY, values)])),
    firing: { "2h55m": [], "3h": ["EtcdsafeNothingReported  action=save"], "4h55m": ["EtcdsafeNothingReported  action=save"], "5h": [], "6h": [] },
    says: says("EtcdsafeNothingReported", "3h", { action: "save" }, { summary: "No save of any etcd cluster tells Prometheus anything." }),
  },
  {
    name: "EtcdsafeMetricsVanished: and comes back",
    series: { ...WELL, ...changed((values) => between(2 * HOUR, 6 * HOUR, () => undefined, values), ...allOf("prod")) },
    firing: { "3h55m": [], "4h": ["EtcdsafeMetricsVanished prod"], "5h55m": ["EtcdsafeMetricsVanished prod"], "6h": [] },
    says: says(
      "EtcdsafeMetricsVanished",
      "4h",
      { cluster: "prod" },
      {
        summary: "Prometheus no longer hears of the backups of etcd cluster prod.",
        description: "The last save that it heard of began at 1970-01-01 01:00:00 +0000 UTC. No other alert about this cluster's backups can fire.",
      },
    ),
  },
  {
    name: "EtcdsafeMetricsVanished: for three days, of a cluster that is gone with its metrics",
    series: { ...WELL, ...changed((values) => between(0, 2 * HOUR, values), ...allOf("prod")) },
    everyMinutes: 30,
    firing: { "3d1h": ["EtcdsafeMetricsVanished prod"], "3d2h": [] },
  },
  {
    name: "EtcdsafeSaveNotRunning",
    series: { ...WELL, ...changed((values) => standing(values, HOUR, 4 * HOUR), attempt("save"), success("save"), recoveryPoint()) },
    firing: { "3h5m": [], "3h10m": ["EtcdsafeSaveNotRunning prod"], "3h40m": ["EtcdsafeSaveNotRunning prod", "EtcdsafeRecoveryPointOld prod"], "4h": [] },
    says: says("EtcdsafeSaveNotRunning", "3h10m", { cluster: "prod" }, { summary: "No save of etcd cluster prod was even tried for 2h 10m 0s." }),
  },
  {
    name: "a cluster is gone, and what it told stays",
    series: { ...WELL, ...changed((values) => standing(values, HOUR), ...allOf("prod")) },
    everyMinutes: 60,
    firing: {
      "2d": ["EtcdsafeSaveNotRunning prod", "EtcdsafeRecoveryPointOld prod"],
      "9d": [
        "EtcdsafeSaveNotRunning prod",
        "EtcdsafeRecoveryPointOld prod",
        "EtcdsafeJobNotRunning prod action=verify",
        "EtcdsafeJobNotRunning prod action=prune",
        "EtcdsafeStoredBytesNotVerified prod",
        "EtcdsafeHashNotVerified prod",
        "EtcdsafeStructureNotVerified prod",
      ],
    },
  },
  {
    name: "a job that runs elsewhere now has left on a host what it told there",
    series: {
      ...WELL,
      ...runs("stage", "save", always(0), textfileOf("cp2")),
      ...backups("stage", always(0), textfileOf("cp2"), { suspect: always(1), partial: always(1), disagreed: always(2) }),
      [series("etcdsafe_recovery_point_timestamp_seconds", { cluster: "stage" }, textfileOf("cp2"))]: always(0),
      [series("etcdsafe_last_verified_timestamp_seconds", { cluster: "stage", level: "structure" }, textfileOf("cp2"))]: always(0),
      [series("etcdsafe_last_failure_timestamp_seconds", { cluster: "stage", action: "save", reason: "refused" }, textfileOf("cp2"))]: always(-1),
    },
    firing: { "10m": [], "5h": [] },
  },
  ...FAILURE_REASONS.map(
    (reason): Scenario => ({
      name: `saves fail: ${reason}`,
      series: { ...WELL, ...failing("save", reason, HOUR, 3 * HOUR) },
      firing: LASTING.includes(reason)
        ? { "1h": [], "1h5m": [`EtcdsafeSaveFailed prod reason=${reason}`], "2h55m": [`EtcdsafeSaveFailed prod reason=${reason}`], "3h": [] }
        : { "1h": [], "2h10m": [], "2h15m": ["EtcdsafeSaveFailing prod"], "2h55m": ["EtcdsafeSaveFailing prod"], "3h": [] },
      ...(reason === "refused" && {
        says: says(
          "EtcdsafeSaveFailed",
          "1h5m",
          { cluster: "prod", reason },
          {
            summary: "The last save of etcd cluster prod failed: refused.",
            description: "It ended at 1970-01-01 01:01:00 +0000 UTC. The next one will most likely fail for the same reason.",
          },
        ),
      }),
    }),
  ),
  {
    name: "EtcdsafeSaveFailing: for one reason after another",
    series: {
      ...WELL,
      ...failing("save", "etcd-unreachable", HOUR, 2 * HOUR),
      ...failing("save", "locked", 2 * HOUR, 3 * HOUR),
      [success("save")]: standing(WELL[success("save")]!, HOUR - 1, 3 * HOUR),
    },
    firing: { "2h10m": [], "2h15m": ["EtcdsafeSaveFailing prod"], "3h": [] },
    says: says(
      "EtcdsafeSaveFailing",
      "2h15m",
      { cluster: "prod" },
      { summary: "The last saves of etcd cluster prod failed: locked.", description: "The last one ended at 1970-01-01 02:01:00 +0000 UTC." },
    ),
  },
  {
    name: "one save fails, and the next one does not",
    series: { ...WELL, ...failing("save", "locked", HOUR, 2 * HOUR) },
    firing: { "1h55m": [], "2h15m": [], "3h": [] },
  },
  ...["verify", "prune"].map(
    (action): Scenario => ({
      name: `EtcdsafeJobNotRunning: ${action}`,
      series: { ...WELL, ...changed((values) => standing(values, 0, 3 * DAY), attempt(action), success(action)) },
      everyMinutes: 60,
      firing: { "51h": [], "52h": [`EtcdsafeJobNotRunning prod action=${action}`], "3d": [] },
      says: says("EtcdsafeJobNotRunning", "52h", { cluster: "prod", action }, { summary: `No ${action} of etcd cluster prod was even tried for 2d 4h 0m 0s.` }),
    }),
  ),
  ...(
    [
      ["EtcdsafeMembersDisagree", "disagreed", 2, "2 members of etcd cluster prod hold other data than the last backup."],
      ["EtcdsafeBackupSuspect", "suspect", 1, "The last backup of etcd cluster prod is suspect."],
      ["EtcdsafeBackupPartial", "partial", 1, "The last backup of etcd cluster prod is partial."],
    ] as const
  ).map(
    ([alert, what, value, summary]): Scenario => ({
      name: alert,
      series: { ...WELL, ...backups("prod", every(HOUR, 10), PUSHED, { [what]: between(HOUR, 2 * HOUR, always(value), always(0)) }) },
      firing: { "1h": [], "1h5m": [`${alert} prod`], "1h55m": [`${alert} prod`], "2h": [] },
      says: says(alert, "1h5m", { cluster: "prod" }, { summary }),
    }),
  ),
  {
    name: "EtcdsafeRepositoryNearQuota",
    series: {
      ...WELL,
      'etcdsafe:repository_quota_bytes{cluster="prod",store="s3"}': always(1000),
      [series("etcdsafe_repository_size_bytes", { cluster: "prod", store: "s3" })]: between(HOUR, 3 * HOUR, always(810), always(800)),
      // One that is not watched, and one of a host that has not run for long.
      [series("etcdsafe_repository_size_bytes", { cluster: "prod", store: "gs" })]: always(1e6),
      [series("etcdsafe_repository_size_bytes", { cluster: "prod", store: "s3" }, textfileOf("cp9"))]: always(1e6),
      [series("etcdsafe_last_attempt_timestamp_seconds", { cluster: "prod", action: "save" }, textfileOf("cp9"))]: always(-2 * DAY),
    },
    firing: { "55m": [], "1h25m": [], "1h30m": ["EtcdsafeRepositoryNearQuota prod store=s3"], "3h": [] },
    says: says(
      "EtcdsafeRepositoryNearQuota",
      "1h30m",
      { cluster: "prod", store: "s3" },
      { summary: "The backups of etcd cluster prod fill 81% of their quota on s3." },
    ),
  },
  {
    name: "EtcdsafeDamageFound: one backup, whatever good ones are read by then, until all were looked at",
    series: {
      ...DAMAGE,
      ...(await told([
        verification(0, ["passed", "passed"]),
        verification(HOUR, ["passed", "failed"]),
        readBack(2 * HOUR, "structure", "passed"), // save --verify
        verification(3 * HOUR, ["passed"], { looks: [] }), // verify ID
        verification(4 * HOUR, ["passed"], { looks: [], failure: "repository-unreachable" }), // It began to look, and could not go on.
        verification(5 * HOUR, ["passed", "passed"]),
      ])),
    },
    firing: {
      "1h": [],
      "1h10m": ["EtcdsafeDamageFound prod"],
      "2h55m": ["EtcdsafeDamageFound prod"],
      "3h55m": ["EtcdsafeDamageFound prod"],
      "4h55m": ["EtcdsafeDamageFound prod", "EtcdsafeVerifyFailing prod reason=repository-unreachable"],
      "5h5m": [],
    },
    says: says("EtcdsafeDamageFound", "1h10m", { cluster: "prod" }, { summary: "Backups of etcd cluster prod are damaged." }),
  },
  {
    name: "EtcdsafeDamageFound: by the save that reads its backup back, until all were looked at",
    series: {
      ...DAMAGE,
      ...(await told([
        verification(0, ["passed"]),
        readBack(HOUR, "stored-bytes", "failed"),
        readBack(2 * HOUR, "stored-bytes", "passed"),
        verification(3 * HOUR, ["passed", "passed"]),
      ])),
    },
    firing: { "1h": [], "1h10m": ["EtcdsafeDamageFound prod"], "2h55m": ["EtcdsafeDamageFound prod"], "3h5m": [] },
  },
  {
    name: "EtcdsafeDamageFound: the repository itself, so that no backup is counted, and then cannot be reached either",
    series: {
      ...DAMAGE,
      ...(await told([
        verification(0, ["passed"]),
        verification(HOUR, [], { failure: "corrupt" }),
        verification(2 * HOUR, [], { failure: "repository-unreachable" }),
        verification(3 * HOUR, ["passed"]),
      ])),
    },
    firing: {
      "1h": [],
      "1h10m": ["EtcdsafeDamageFound prod"],
      "2h20m": ["EtcdsafeDamageFound prod", "EtcdsafeVerifyFailing prod reason=repository-unreachable"],
      "3h5m": [],
    },
  },
  {
    name: "EtcdsafeDamageFound: the repository itself, by a run about all clusters, which knew none of them",
    series: {
      ...WELL,
      [series("etcdsafe_last_failure_timestamp_seconds", { action: "verify", reason: "corrupt" })]: between(HOUR, 2 * DAY, always(HOUR)),
    },
    everyMinutes: 15,
    firing: { "45m": [], "1h15m": ["EtcdsafeDamageFound "], "23h": ["EtcdsafeDamageFound "], "1d": [] },
    says: says("EtcdsafeDamageFound", "1h15m", {}, { summary: "Backups of etcd clusters, or their repository, are damaged." }),
  },
  {
    name: "EtcdsafeDamageFound: of a host that no longer verifies, until another one has done so for longer than a week",
    series: {
      ...WELL,
      [series("etcdsafe_last_verification_backups", { cluster: "prod", level: "structure", outcome: "failed" }, textfileOf("cp9"))]: always(1),
      [series("etcdsafe_repository_damaged_backups", { cluster: "prod" }, textfileOf("cp9"))]: always(1),
      [series("etcdsafe_last_attempt_timestamp_seconds", { cluster: "prod", action: "verify" }, textfileOf("cp9"))]: always(HOUR),
    },
    everyMinutes: 60,
    firing: { "2h": ["EtcdsafeDamageFound prod"], "8d": ["EtcdsafeDamageFound prod"], "9d1h": [] },
  },
  {
    name: "EtcdsafeDamageFound: by a save of a host that last verified long ago",
    series: {
      ...WELL,
      [series("etcdsafe_last_verification_backups", { cluster: "prod", level: "stored-bytes", outcome: "failed" }, textfileOf("cp9"))]: always(1),
      [series("etcdsafe_last_attempt_timestamp_seconds", { cluster: "prod", action: "verify" }, textfileOf("cp9"))]: always(-90 * DAY),
      [series("etcdsafe_last_failure_timestamp_seconds", { cluster: "prod", action: "save", reason: "corrupt" }, textfileOf("cp9"))]: always(-DAY),
    },
    firing: { "30m": ["EtcdsafeDamageFound prod"] },
  },
  {
    name: "EtcdsafeDamageFound: on record in the repository, as agents read it",
    series: {
      ...WELL,
      [series("etcdsafe_repository_damaged_backups", { cluster: "agent" }, AGENT)]: between(HOUR, 2 * HOUR, always(1), always(0)),
      [series("etcdsafe_repository_damaged_backups", { cluster: "agent" }, STANDBY)]: always(0),
    },
    firing: { "1h": [], "1h5m": ["EtcdsafeDamageFound agent"], "2h": [] },
  },
  {
    name: "EtcdsafeNeverVerified",
    series: {
      ...WELL,
      ...runs("new", "save", every(HOUR)),
      [recoveryPoint("new")]: every(HOUR, 10),
      [verified("stored-bytes", "new")]: between(51 * HOUR, Number.POSITIVE_INFINITY, always(51 * HOUR)),
    },
    everyMinutes: 30,
    firing: { "49h30m": [], "50h": ["EtcdsafeNeverVerified new"], "51h": [] },
    says: says(
      "EtcdsafeNeverVerified",
      "50h",
      { cluster: "new" },
      {
        summary: "No backup of etcd cluster new was ever read back.",
        description: "The last good one is of 1970-01-03 02:00:10 +0000 UTC. That it was stored says nothing of what the store gives back.",
      },
    ),
  },
  {
    name: "EtcdsafeStoredBytesNotVerified",
    series: { ...WELL, ...changed((values) => standing(values, 0, 3 * DAY), verified("stored-bytes")) },
    everyMinutes: 60,
    firing: { "51h": [], "52h": ["EtcdsafeStoredBytesNotVerified prod"], "3d": [] },
    says: says("EtcdsafeStoredBytesNotVerified", "52h", { cluster: "prod" }, { summary: "No backup of etcd cluster prod was read back for 2d 3h 59m 0s." }),
  },
  {
    name: "deeper levels count as stored bytes and as hashes",
    series: { ...allButStage, ...runs("prod", "save", every(HOUR)), [verified("structure")]: every(DAY) },
    everyMinutes: 60,
    firing: { "3d": [], "10d": [] },
  },
  {
    name: "EtcdsafeHashNotVerified: hashes were all that was verified deeper",
    series: {
      ...WELL,
      [verified("hash")]: standing(every(DAY, 60), 0, 9 * DAY),
      [verified("structure")]: () => undefined,
    },
    everyMinutes: 60,
    firing: { "8d1h": [], "8d2h": ["EtcdsafeHashNotVerified prod"], "9d": [] },
    says: says(
      "EtcdsafeHashNotVerified",
      "8d2h",
      { cluster: "prod" },
      { summary: "No backup of etcd cluster prod was decrypted and unpacked for 8d 1h 59m 0s." },
    ),
  },
  {
    name: "EtcdsafeStructureNotVerified: hashes go on",
    series: { ...WELL, [verified("hash")]: every(DAY, 60), ...changed((values) => standing(values, 0, 9 * DAY), verified("structure")) },
    everyMinutes: 60,
    firing: { "8d1h": [], "8d2h": ["EtcdsafeStructureNotVerified prod"], "9d": [] },
    says: says(
      "EtcdsafeStructureNotVerified",
      "8d2h",
      { cluster: "prod" },
      { summary: "No stored backup of etcd cluster prod was looked into as a database for 8d 1h 59m 0s." },
    ),
  },
  ...FAILURE_REASONS.flatMap((reason): Scenario[] => {
    const alerts = {
      verify: [reason === "corrupt" ? "EtcdsafeDamageFound" : "EtcdsafeVerifyFailing"],
      prune: [reason === "refused" ? "EtcdsafePruneRefused" : "EtcdsafePruneFailing"],
    };
    return Object.entries(alerts).map(([action, names]) => {
      const firing = names.map((alert) => (alert === "EtcdsafeDamageFound" ? `${alert} prod` : `${alert} prod reason=${reason}`));
      return {
        name: `${action} fails: ${reason}`,
        series: { ...WELL, ...failing(action, reason, HOUR, DAY) },
        everyMinutes: 60,
        firing: { "1h": [], "2h": firing, "23h": firing, "1d": [] },
      };
    });
  }),
  {
    name: "EtcdsafeVerifyFailing: a run about all clusters fails before it knows any of them",
    series: {
      ...WELL,
      [series("etcdsafe_last_attempt_timestamp_seconds", { action: "verify" })]: between(HOUR, Number.POSITIVE_INFINITY, always(HOUR)),
      [series("etcdsafe_last_failure_timestamp_seconds", { action: "verify", reason: "repository-unreachable" })]: between(
        HOUR,
        Number.POSITIVE_INFINITY,
        always(HOUR + 5),
      ),
    },
    everyMinutes: 15,
    firing: {
      "1h": [],
      "1h15m": ["EtcdsafeVerifyFailing  reason=repository-unreachable"],
      "23h": ["EtcdsafeVerifyFailing  reason=repository-unreachable"],
      "1d": [],
      "3d12h": [],
    },
    says: says(
      "EtcdsafeVerifyFailing",
      "1h15m",
      { reason: "repository-unreachable" },
      {
        summary: "The last verification of all etcd clusters failed: repository-unreachable.",
        description: "It ended at 1970-01-01 01:00:05 +0000 UTC. It did not find damage: it could not look.",
      },
    ),
  },
  {
    name: "EtcdsafePruneRefused",
    series: { ...WELL, ...failing("prune", "refused", HOUR, DAY) },
    firing: { "1h10m": [], "1h15m": ["EtcdsafePruneRefused prod reason=refused"] },
    says: says("EtcdsafePruneRefused", "1h15m", { cluster: "prod", reason: "refused" }, { summary: "The prune of etcd cluster prod was refused." }),
  },
  {
    name: "EtcdsafePruneFailing",
    series: { ...WELL, ...failing("prune", "locked", HOUR, DAY) },
    firing: { "1h10m": [], "1h15m": ["EtcdsafePruneFailing prod reason=locked"] },
    says: says(
      "EtcdsafePruneFailing",
      "1h15m",
      { cluster: "prod", reason: "locked" },
      {
        summary: "The last prune of etcd cluster prod failed: locked.",
        description: "It ended at 1970-01-01 01:01:00 +0000 UTC. Saves go on; the repository grows.",
      },
    ),
  },
  {
    name: "an agent starts anew, and knows nothing of former runs but the repository",
    series: {
      ...allButStage,
      ...Object.fromEntries(
        Object.entries(healthy("agent", AGENT)).map(([key, values]) => {
          const until = /recovery_point/.test(key) ? 0 : /verif|prune/.test(key) ? DAY : 3 * HOUR;
          return [key, between(2 * HOUR + 600, until, () => undefined, values)];
        }),
      ),
      [lease("writer", AGENT)]: always(1),
      [lease("standby", AGENT)]: always(0),
      [lease("writer", STANDBY)]: always(0),
      [lease("standby", STANDBY)]: always(1),
      [expiry]: always(365 * DAY),
    },
    firing: { "2h15m": [], "2h55m": [], "5h": [], "25h": [] },
  },
  {
    name: "EtcdsafeNoWriter",
    series: { ...WELL, [lease("writer", AGENT)]: between(HOUR, 2 * HOUR, always(0), always(1)), [lease("writer", STANDBY)]: always(0) },
    firing: { "1h": [], "1h5m": ["EtcdsafeNoWriter agent"], "1h55m": ["EtcdsafeNoWriter agent"], "2h": [] },
    says: says("EtcdsafeNoWriter", "1h5m", { cluster: "agent" }, { summary: "No agent writes the backups of etcd cluster agent." }),
  },
  {
    name: "EtcdsafeRepositoryUnread",
    series: {
      ...WELL,
      [series("etcdsafe_repository_read_timestamp_seconds", { cluster: "agent" }, AGENT)]: standing(every(300), HOUR, 3 * HOUR),
      [series("etcdsafe_repository_read_timestamp_seconds", { cluster: "agent" }, STANDBY)]: every(300),
    },
    firing: { "1h30m": [], "1h40m": ["EtcdsafeRepositoryUnread agent"], "3h5m": [] },
    says: says(
      "EtcdsafeRepositoryUnread",
      "1h40m",
      { cluster: "agent", ...AGENT },
      { summary: "The agent etcdsafe-0:9379 has not read the backups of etcd cluster agent for 40m 0s." },
    ),
  },
  {
    name: "EtcdsafeSeveralWriters",
    series: { ...WELL, [lease("writer", AGENT)]: always(1), [lease("writer", STANDBY)]: between(HOUR, 2 * HOUR, always(1), always(0)) },
    firing: { "1h": [], "1h5m": ["EtcdsafeSeveralWriters agent"], "1h55m": ["EtcdsafeSeveralWriters agent"], "2h": [] },
    says: says("EtcdsafeSeveralWriters", "1h5m", { cluster: "agent" }, { summary: "2 agents write the backups of etcd cluster agent." }),
  },
  {
    name: "EtcdsafeCertificateExpiring",
    series: { ...WELL, [expiry]: (now) => (now < 5 * HOUR ? 7 * DAY + HOUR : 365 * DAY) },
    firing: { "1h": [], "2h": [], "2h5m": ["EtcdsafeCertificateExpiring agent"], "5h": [] },
    says: says(
      "EtcdsafeCertificateExpiring",
      "2h5m",
      { cluster: "agent", certificate: "client", instance: "etcdsafe-0:9379" },
      {
        summary: "The client certificate of the agent of etcd cluster agent ends in 6d 22h 55m 0s.",
        description: "It is in a file that the agent etcdsafe-0:9379 was given. Once it has ended, saves fail, or nobody reaches the agent.",
      },
    ),
  },
];

/** What promtool says of the scenarios that went otherwise. It looks at the rules as often in all tests of a file. */
async function otherwise(ruleFile: string, scenarios: readonly Scenario[]): Promise<string> {
  const runs = [...Map.groupBy(scenarios, ({ everyMinutes = 5 }) => everyMinutes)].map(([minutes, some]) =>
    promtool(["test", "rules"], JSON.stringify({ rule_files: [ruleFile], evaluation_interval: `${minutes}m`, tests: some.map(promtoolTest) })),
  );
  return (await Promise.all(runs)).map(({ exitCode, stdout, stderr }) => (exitCode === 0 ? "" : `${stdout}${stderr}`)).join("");
}

test("alerts: promtool finds nothing wrong with the rules", async () => {
  for (const yaml of [text, withSamples]) {
    const { exitCode, stdout, stderr } = await promtool(["check", "rules", "--lint=all", "--lint-fatal"], yaml);
    expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: expect.stringContaining(`${rulesOf(yaml).length} rules found`), stderr: "" });
  }
  expect(rulesOf(withSamples)).toHaveLength(rulesOf(text).length + 2);
});

test("alerts: no rule asks for a metric or a label that there is not", () => {
  for (const { alert, expr } of rulesOf(withSamples)) expect([alert, unknownIn(expr)]).toEqual([alert, []]);
});

test("alerts: each fires when it should and not before, says what is wrong, and ends", async () => {
  expect(await otherwise(RULES, SCENARIOS)).toBe("");
});

test("alerts: the samples in the comments watch a cluster by its name, and a repository's size", async () => {
  await using directory = await temporaryDirectory("alerts");
  const file = join(directory.path, "rules.yaml");
  await writeFile(file, withSamples);
  const scenario: Scenario = {
    name: "samples",
    series: {
      ...allButStage,
      [series("etcdsafe_repository_size_bytes", { cluster: "prod", store: "s3" }, textfileOf("cp1"))]: always(90 * 1024 ** 3),
      [series("etcdsafe_last_attempt_timestamp_seconds", { cluster: "prod", action: "prune" }, textfileOf("cp1"))]: every(DAY),
    },
    firing: {
      "2h55m": ["EtcdsafeRepositoryNearQuota prod store=s3"],
      "3h": ["EtcdsafeNothingReported prod action=save", "EtcdsafeRepositoryNearQuota prod store=s3"],
    },
  };
  expect(await otherwise(file, [scenario])).toBe("");
});

test("alerts: each has a severity, a runbook that is there, and a scenario in which it fires", () => {
  const page = readFileSync(new URL("../../docs/alerts.md", import.meta.url), "utf8");
  const sections = [...page.matchAll(/^### (Etcdsafe\w+)$/gm)].map(([, name]) => name);
  expect(sections).toEqual([...rules.keys()]);
  for (const [name, { labels, annotations }] of rules) {
    expect([name, labels["severity"]]).toEqual([name, expect.stringMatching(/^(critical|warning)$/)]);
    expect(annotations["runbook_url"]).toBe(`docs/alerts.md#${name.toLowerCase()}`);
    expect([name, SCENARIOS.some(({ says }) => says?.alert === name)]).toEqual([name, true]);
  }
});

test("alerts: the table of docs/alerts.md says of each how severe it is and after what time it fires", () => {
  const rows = rowsOf(sectionOf("alerts.md", "What there is")).map(([name, severity, , after]) => [name, severity, after]);
  expect(rows).toEqual([...rules].map(([name, { for: after, labels }]) => [`[${name}](#${name.toLowerCase()})`, labels["severity"], after]));
});
