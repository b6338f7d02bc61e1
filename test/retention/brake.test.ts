import { expect, test } from "vitest";
import { type PruneRun, requireIntended } from "../../src/retention/brake.ts";
import { expectThrown } from "../support/failures.ts";

const TEN_RUNS = [1, 2, 1, 2, 1, 2, 1, 2, 1, 2];

function run(removing: number, total: number, other: Partial<PruneRun> = {}): PruneRun {
  return { removing, total, removedByRuns: [], isTerminal: false, yesRemove: undefined, ...other };
}

test.each([
  run(0, 0),
  run(1, 1), // One backup is never too much,
  run(1, 20, { removedByRuns: Array(10).fill(0) }),
  run(5, 10), // nor is half of them.
  run(6, 10, { isTerminal: true }),
  run(6, 10, { yesRemove: 6 }),
  run(6, 10, { yesRemove: 7 }),
  run(15, 100, { removedByRuns: TEN_RUNS }), // As many as ten runs together.
  run(40, 100, { removedByRuns: TEN_RUNS.slice(1) }), // Nine make no habit,
  run(40, 100, { removedByRuns: [...TEN_RUNS.slice(1), 0, 0, 0] }), // nor do runs without work.
  run(16, 100, { removedByRuns: TEN_RUNS, isTerminal: true }),
  run(16, 100, { removedByRuns: TEN_RUNS, yesRemove: 16 }),
])("brake: lets %j pass", (intended) => {
  requireIntended(intended);
});

test.each([
  [run(2, 3), /^2 of 3 backups would be removed: that is more than half$/, "--yes-remove 2"],
  [run(6, 10, { yesRemove: 5 }), /^6 of 10 backups would be removed: that is more than half$/, "--yes-remove 6"],
  [run(6, 10, { yesRemove: 0 }), /more than half$/, "--yes-remove 6"],
  [run(16, 100, { removedByRuns: TEN_RUNS }), /^16 of 100 .*: the last 10 prunes that removed any removed 15 together$/, "--yes-remove 16"],
  [run(16, 100, { removedByRuns: [0, ...TEN_RUNS.slice(0, 5), 0, ...TEN_RUNS.slice(5), 50] }), /removed 15 together$/, "--yes-remove 16"],
  [run(60, 100, { removedByRuns: TEN_RUNS }), /: that is more than half, and the last 10 prunes/, "--yes-remove 60"],
])("brake: stops %j", async (intended, message, hint) => {
  const error = await expectThrown("PRUNE_TOO_MUCH", () => requireIntended(intended), message);
  expect(error.hint).toContain(hint);
  expect(error.hint).toContain("etcdsafe prune --plan");
});
