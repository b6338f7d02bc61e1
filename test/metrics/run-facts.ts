// Runs as their commands would tell of them.
import type { ClusterEnd, Look, MovedBytes, RunFacts, SavedFacts, VerifiedFacts } from "../../src/metrics/run-facts.ts";

const STARTED = Date.UTC(2026, 10, 21, 7, 0, 0);

/** Minutes after seven o'clock of that day. */
export function minute(minutes: number): Date {
  return new Date(STARTED + minutes * 60_000);
}

/** As it is printed. */
export function minuteSeconds(minutes: number): string {
  return String(minute(minutes).getTime() / 1000);
}

export function savedFacts(changes: Partial<SavedFacts> = {}): SavedFacts {
  return {
    cluster: "prod",
    createdAt: minute(1),
    state: "proven",
    rawSizeBytes: 4_000_000,
    storedSizeBytes: 1_000_000,
    members: { agreed: 2, disagreed: 0, "not-comparable": 1, unreachable: 0 },
    isDamaged: false,
    ...changes,
  };
}

export function verifiedFacts(changes: Partial<VerifiedFacts> = {}): VerifiedFacts {
  return { cluster: "prod", level: "structure", createdAt: minute(1), finishedAt: minute(4), outcome: "passed", ...changes };
}

export interface RunChanges extends Partial<Omit<RunFacts, "clusters">> {
  /** Names, of which became what became of the run; or each with its own end. */
  readonly clusters?: readonly (string | ClusterEnd)[];
}

/** A save that did all it should, from minute 0 to 2. */
export function saveRun({ clusters = ["prod"], ...changes }: RunChanges = {}): RunFacts {
  const { failure = null } = changes;
  const moved: readonly MovedBytes[] = [{ store: "s3", direction: "written", sizeBytes: 1_000_100 }];
  return {
    action: "save",
    clusters: clusters.map((each) => (typeof each === "string" ? { cluster: each, failure } : each)),
    startedAt: minute(0),
    finishedAt: minute(2),
    failure,
    phases: new Map([
      ["stream", 3.5],
      ["check", 1.25],
      ["upload", 7],
    ]),
    moved,
    saved: savedFacts(),
    pruned: null,
    verified: [],
    looks: [],
    damaged: [],
    repositories: [{ store: "s3", cluster: "prod", backups: 12, sizeBytes: 12_000_000 }],
    ...changes,
  };
}

/** One that ended before it had stored anything. */
export function failedRun(changes: RunChanges = {}): RunFacts {
  return saveRun({
    startedAt: minute(60),
    finishedAt: minute(61),
    failure: "etcd-unreachable",
    phases: new Map(),
    moved: [],
    saved: null,
    repositories: [],
    ...changes,
  });
}

/** Of all that there is, by a schedule, from minute 3 to 5. */
export function verifyRun(verified: readonly VerifiedFacts[] = [verifiedFacts()], changes: RunChanges = {}): RunFacts {
  return saveRun({
    action: "verify",
    startedAt: minute(3),
    finishedAt: minute(5),
    phases: new Map([["read", 90]]),
    moved: [{ store: "s3", direction: "read", sizeBytes: 1_000_000 }],
    saved: null,
    verified,
    looks: [...Map.groupBy(verified, ({ cluster }) => cluster)].map(([cluster, [first]]): Look => ({ cluster, level: first!.level })),
    repositories: [],
    ...changes,
  });
}
