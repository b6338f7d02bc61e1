// What agents may say of themselves, from all well to everything failing.

import { recoveryStatus } from "../../../src/agent/recovery.ts";
import type { AgentStatus, BackupStatus, CatalogueStatus, FinishedJob, RunningJob, TaskStatus } from "../../../src/agent/status.ts";

const NOW = "2026-11-22T03:07:12.345Z";
const NOW_MS = Date.parse(NOW);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export function ago(ageMs: number): string {
  return new Date(NOW_MS - ageMs).toISOString();
}

export function backup(ageMs: number, changes: Partial<BackupStatus> = {}): BackupStatus {
  const createdAt = ago(ageMs);
  const id = `${createdAt.slice(0, 19).replaceAll(/[-:]/g, "")}Z-${(ageMs % 1_048_576).toString(32).padStart(6, "a")}`;
  return {
    id,
    createdAt,
    state: "proven",
    revision: String(48_211_930 - Math.floor(ageMs / 1000)),
    storedSizeBytes: 71_300_000,
    verified: null,
    isPinned: false,
    ...changes,
  };
}

/** `backups`: newest first. */
export function catalogue(backups: readonly BackupStatus[], changes: Partial<CatalogueStatus> = {}): CatalogueStatus {
  const good = backups.filter(({ state, createdAt }) => createdAt !== null && (state === "proven" || state === "unconfirmed"));
  const single = good.length === 0 ? null : { count: good.length, from: good.at(-1)!.createdAt!, to: good[0]!.createdAt! };
  return { readAt: ago(4 * MINUTE_MS), backups, total: backups.length, points: { windows: [], gaps: [], single }, failed: [], ...changes };
}

export function task(kind: TaskStatus["kind"], changes: Partial<TaskStatus> = {}): TaskStatus {
  return { kind, schedule: null, timezone: "UTC", nextRunAt: null, isRetry: false, expectedAt: null, failuresInARow: 0, running: null, last: null, ...changes };
}

export function finished(kind: TaskStatus["kind"], ageMs: number, changes: Partial<FinishedJob> = {}): FinishedJob {
  const id = `${kind}-0000000${Math.floor(ageMs / 1000)}`;
  return { id, kind, state: "done", startedAt: ago(ageMs + 41_000), finishedAt: ago(ageMs), failure: null, lines: [], ...changes };
}

/** As an agent computes it. */
export function recoveryOf(catalogue: CatalogueStatus | null): AgentStatus["recovery"] {
  return recoveryStatus(catalogue, new Date(NOW_MS));
}

export function status(changes: Partial<AgentStatus> = {}): AgentStatus {
  return {
    version: "0.1.0",
    host: "etcd-backup-7c9d5f6b8-x2x7q",
    pid: 1,
    startedAt: ago(9 * DAY_MS + 3 * HOUR_MS),
    now: NOW,
    cluster: "prod-eu-1",
    repositories: ["s3://acme-etcd-backups/prod", "file:///var/backups/etcd"],
    role: "writer",
    lease: { holder: { host: "etcd-backup-7c9d5f6b8-x2x7q", pid: 1, since: ago(2 * DAY_MS) }, error: null },
    tasks: [],
    recovery: recoveryOf(changes.catalogue ?? null),
    catalogue: null,
    unreadable: null,
    configuration: { loadedAt: ago(9 * DAY_MS), refused: null },
    ...changes,
  };
}

const expectedAt = ago(-53 * MINUTE_MS);
const save = { schedule: "0 * * * *", nextRunAt: expectedAt, expectedAt };
const verify = { schedule: "30 4 * * *", nextRunAt: ago(-83 * MINUTE_MS) };
const prune = { schedule: "15 5 * * 0", nextRunAt: ago(-26 * HOUR_MS) };

function hourly(count: number, skip: (index: number) => boolean = () => false): BackupStatus[] {
  const all = Array.from({ length: count }, (_, index) =>
    backup(7 * MINUTE_MS + index * HOUR_MS + (index % 3) * 4_000, {
      verified: index % 24 === 1 ? { level: "structure", finishedAt: ago(index * HOUR_MS) } : null,
      isPinned: index === 30,
      state: index % 17 === 5 ? "unconfirmed" : "proven",
    }),
  );
  return all.filter((_, index) => !skip(index));
}

const UNREACHABLE = {
  code: "ETCD_UNREACHABLE",
  message:
    "none of the endpoints answers:\n  https://10.0.3.11:2379: connection refused\n  https://10.0.3.12:2379: no answer within 10 s\n  https://10.0.3.13:2379: connection refused",
  hint: "Check --endpoints, the network, and that etcd runs.",
};

export const allWell = status({
  tasks: [
    task("save", {
      ...save,
      last: finished("save", 6 * MINUTE_MS, { lines: ["backup 20261122T030012Z-aaaaaa: proven, revision 48211511", "71.3 MB stored in 2 repositories"] }),
    }),
    task("verify", { ...verify, last: finished("verify", 22 * HOUR_MS, { lines: ["1 backup passed at level structure"] }) }),
    task("prune", { ...prune, last: finished("prune", 6 * DAY_MS, { lines: ["168 kept, 24 removed"] }) }),
  ],
  catalogue: catalogue(hourly(72)),
});

export const nothingYet = status({
  startedAt: ago(20_000),
  tasks: [task("save", { ...save, expectedAt: null }), task("verify", verify), task("prune")],
  catalogue: catalogue([]),
  configuration: { loadedAt: ago(20_000), refused: null },
});

const NO_STORE = { code: "STORAGE_UNREACHABLE", message: "s3://acme-etcd-backups/prod: getaddrinfo EAI_AGAIN minio.storage.svc" };
export const notReadYet = status({
  startedAt: ago(20_000),
  role: "standby",
  lease: { holder: null, error: NO_STORE },
  tasks: [task("save", { schedule: save.schedule }), task("verify", { schedule: verify.schedule })],
  unreadable: { since: ago(19_000), ...NO_STORE },
});

export const standby = status({
  role: "standby",
  lease: { holder: { host: "etcd-backup-7c9d5f6b8-p4mzt", pid: 1, since: ago(2 * DAY_MS) }, error: null },
  tasks: [task("save", { schedule: save.schedule, expectedAt }), task("verify", { schedule: verify.schedule }), task("prune")],
  catalogue: catalogue(hourly(30)),
});

/** For 20 minutes; nobody noticed by anything else. */
export const unreadable = status({
  ...allWell,
  catalogue: { ...allWell.catalogue!, readAt: ago(24 * MINUTE_MS) },
  unreadable: {
    since: ago(20 * MINUTE_MS),
    code: "REPOSITORY_INVALID",
    message: "etcdsafe-repository.json of s3://acme-etcd-backups/prod is no JSON: Expected property name or '}' at position 1",
  },
});

export const everythingFails = status({
  lease: {
    holder: { host: "etcd-backup-7c9d5f6b8-x2x7q", pid: 1, since: ago(2 * DAY_MS) },
    error: { code: "STORAGE_THROTTLED", message: "renewing the writer's lease took 28 s: s3://acme-etcd-backups/prod asks for fewer requests" },
  },
  tasks: [
    task("save", {
      ...save,
      nextRunAt: ago(-4 * MINUTE_MS),
      expectedAt: ago(28 * HOUR_MS + 7 * MINUTE_MS),
      isRetry: true,
      failuresInARow: 29,
      last: finished("save", 6 * MINUTE_MS, { state: "failed", failure: { reason: "etcd-unreachable", message: UNREACHABLE.message, hint: UNREACHABLE.hint } }),
    }),
    task("verify", {
      ...verify,
      failuresInARow: 1,
      last: finished("verify", 22 * HOUR_MS, {
        state: "failed",
        failure: {
          reason: "corrupt",
          message: "20261120T200012Z-qpm4sd: s3://acme-etcd-backups/prod/prod-eu-1/objects/snapshot.zst: chunk 12 at byte 50331648: checksum differs",
          hint: "The stored object was changed after it was written; use another backup.",
        },
      }),
    }),
    task("prune", {
      ...prune,
      failuresInARow: 2,
      last: finished("prune", 2 * DAY_MS, {
        state: "failed",
        failure: {
          reason: "refused",
          message: "the plan removes 61 of 72 backups, and at most 10 % go without --yes-remove",
          hint: "Look at the plan with `etcdsafe prune --plan`. Nothing was removed.",
        },
      }),
    }),
  ],
  catalogue: catalogue(
    hourly(72, (index) => index < 29).map((each, index) =>
      index === 2 || index === 9 ? { ...each, state: "damaged" } : index === 5 ? { ...each, state: "suspect" } : each,
    ),
    {
      failed: [
        ...Array.from({ length: 29 }, (_, index) => ({
          action: "save" as const,
          phase: "connecting to etcd",
          backup: null,
          startedAt: ago(6 * MINUTE_MS + index * HOUR_MS + 30_000),
          finishedAt: ago(6 * MINUTE_MS + index * HOUR_MS),
          failure: UNREACHABLE,
        })),
        {
          action: "prune" as const,
          phase: "removing",
          backup: null,
          startedAt: ago(2 * DAY_MS),
          finishedAt: ago(2 * DAY_MS),
          failure: {
            code: "PRUNE_TOO_MUCH",
            message: "the plan removes 61 of 72 backups, and at most 10 % go without --yes-remove",
            hint: "Look at the plan with `etcdsafe prune --plan`.",
          },
        },
      ],
    },
  ),
  configuration: {
    loadedAt: ago(9 * DAY_MS),
    refused: { at: ago(50 * MINUTE_MS), message: '/etc/etcdsafe/config.yaml: save-schedule: "0 25 * * *" is no schedule: hours are 0 to 23' },
  },
});

export const running: RunningJob = {
  id: "save-7f3c9a2b",
  kind: "save",
  state: "running",
  startedAt: ago(34_000),
  steps: [
    { step: "receiving the snapshot", doneBytes: 1_421_000_000, totalBytes: 2_147_483_648 },
    { step: "storing", doneBytes: 301_000_000, totalBytes: null },
  ],
};

export const aSaveRuns = status({
  tasks: [
    task("save", {
      ...save,
      nextRunAt: null,
      expectedAt: ago(7 * MINUTE_MS),
      running,
      last: finished("save", 66 * MINUTE_MS, { lines: ["backup 20261122T020012Z-aaaaaa: proven"] }),
    }),
    task("verify", verify),
    task("prune", prune),
  ],
  catalogue: catalogue(hourly(40).slice(1)),
});

const windowed = hourly(5 * 24 + 60, (index) => (index > 6 && index < 16) || (index > 44 && index < 52));
export const manyBackups = status({
  tasks: [task("save", { ...save, last: finished("save", 6 * MINUTE_MS) }), task("verify", verify), task("prune", prune)],
  catalogue: catalogue(
    [
      ...windowed,
      ...Array.from({ length: 500 - windowed.length }, (_, index) =>
        backup((8 + index * 0.7) * DAY_MS, { state: index === 100 ? "damaged" : index % 40 === 7 ? "suspect" : "proven" }),
      ),
    ],
    {
      total: 1_234,
      points: {
        windows: [
          {
            timeline: "t1",
            backup: windowed[6]!.id,
            firstRevision: "48180000",
            lastRevision: "48211930",
            isOpen: true,
            from: windowed[6]!.createdAt!,
            to: ago(12_000),
          },
          {
            timeline: "t1",
            backup: windowed[100]!.id,
            firstRevision: "47100000",
            lastRevision: "48100000",
            isOpen: false,
            from: windowed[100]!.createdAt!,
            to: windowed[40]!.createdAt!,
          },
        ],
        gaps: [{ timeline: "t1", firstRevision: "48100001", lastRevision: "48179999" }],
        single: { count: 380, from: ago(300 * DAY_MS), to: ago(8 * DAY_MS) },
      },
      failed: [5, 8, 9, 11, 30, 46, 47].map((hours, index) => ({
        action: index === 4 ? ("verify" as const) : ("save" as const),
        phase: "uploading",
        backup: null,
        startedAt: ago(hours * HOUR_MS),
        finishedAt: ago(hours * HOUR_MS),
        failure: {
          code: "STORAGE_UNREACHABLE",
          message: "s3://acme-etcd-backups/prod: no answer within 60 s",
          hint: "Check the repository's URL, the mount or the network.",
        },
      })),
    },
  ),
});

export const ALL = { allWell, nothingYet, notReadYet, standby, unreadable, everythingFails, aSaveRuns, manyBackups };
