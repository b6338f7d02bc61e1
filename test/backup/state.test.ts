import { expect, test } from "vitest";
import { notCompared } from "../../src/backup/comparison.ts";
import { stateOf } from "../../src/backup/state.ts";

const RECORD = { asked: "all" as const, why: null, revision: "7", members: [] };

test("state: what the members say decides", () => {
  const states = (["proven", "unconfirmed", "minority", "split"] as const).map((verdict) =>
    stateOf({ agreement: { verdict, why: "for a reason", members: [] }, record: RECORD }),
  );
  expect(states).toEqual([
    { state: "proven", stateWhy: "for a reason" },
    { state: "unconfirmed", stateWhy: "for a reason" },
    { state: "suspect", stateWhy: "for a reason" },
    { state: "suspect", stateWhy: "for a reason" },
  ]);
});

test("state: members that were not asked leave a backup unconfirmed, and it is said why", () => {
  expect(stateOf(notCompared("it was not asked for"))).toEqual({ state: "unconfirmed", stateWhy: "the members were not compared: it was not asked for" });
});
