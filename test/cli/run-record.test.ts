import { expect, test } from "vitest";
import { RunRecord } from "../../src/cli/run-record.ts";
import type { PrunedRepository } from "../../src/cli/save-prune.ts";

const done = (failures: number): PrunedRepository =>
  ({ location: "a", result: { failures: Array.from({ length: failures }, () => ({})) }, failure: null }) as unknown as PrunedRepository;
const refused = { location: "b", result: null, failure: { code: "PRUNE_TOO_MUCH", message: "too much", hint: "" } } as PrunedRepository;

test.each([
  ["nothing to prune", [], null],
  ["all done", [done(0), done(0)], { failure: null }],
  ["some not removed", [done(0), done(2)], { failure: "partly-done" }],
  ["refused in one of two", [done(0), refused], { failure: "refused" }],
])("run record: what came of the prunes of a save: %s", (_, prunes, pruned) => {
  const record = new RunRecord({ monotonicMs: () => 0 });
  record.notePrunes(prunes);
  expect(record.pruned).toEqual(pruned);
});
