import fc from "fast-check";
import { expect, test } from "vitest";
import { chooseTimeline, type TimelineFacts } from "../../src/repository/timeline.ts";
import { runs, SEED } from "../support/counts.ts";
import { sampleManifest } from "./sample-manifest.ts";

const OLD = "aaaabbbbcccc";
const NEW = "nnnneeeewwww";
const previous = sampleManifest({ timeline: OLD, revision: "100", raftIndex: "200", raftTerm: "5" });
const begun = { id: OLD, reason: "first-backup", after: null, beganAt: "2026-11-21T09:30:00.000Z" } as const;
const facts: TimelineFacts = {
  begunLast: begun,
  previous,
  current: { clusterId: previous.clusterId, revision: "150", raftIndex: "260", raftTerm: "5" },
  lineage: { verdict: "agrees", compared: 10, firstDifference: null },
  newTimelineId: NEW,
};
const current = (changes: Partial<TimelineFacts["current"]>) => ({ current: { ...facts.current, ...changes } });

test.each<[string, Partial<TimelineFacts>]>([
  ["more of everything", {}],
  ["an idle cluster", current({ revision: "100", raftIndex: "200", raftTerm: "5" })],
  ["a new leader", current({ raftTerm: "6" })],
  ["an etcd that stores no term", current({ raftTerm: null })],
  ["a backup that does not tell its index", { previous: { ...previous, raftIndex: null, raftTerm: null } }],
  ["samples that cannot tell", { lineage: { verdict: "unknown", compared: 0, firstDifference: null } }],
  ["no comparison of samples", { lineage: undefined }],
  [
    "a timeline begun after another backup, which nobody went on with",
    { begunLast: { ...begun, id: "zzzzyyyyxxxx", after: "20260101T000000Z-0000000000000000001-aaaaaa" } },
  ],
])("timeline: goes on with %s", (_, changes) => {
  expect(chooseTimeline({ ...facts, ...changes })).toEqual({ timeline: OLD, began: null });
});

test.each<[string, Partial<TimelineFacts>, string, string]>([
  ["another cluster id", current({ clusterId: "1f0a9c3b5d7e2468" }), "cluster-id-changed", "1f0a9c3b5d7e2468"],
  ["a raft term that went back, whatever the revision", current({ raftTerm: "4", revision: "1000000150" }), "raft-term-went-back", "from 5 to 4"],
  [
    "an applied index that went back, whatever the revision",
    current({ raftIndex: "3", raftTerm: "5", revision: "1000000150" }),
    "raft-index-went-back",
    "from 200 to 3",
  ],
  ["a revision that went back", current({ revision: "99" }), "revision-went-back", "from 100 to 99"],
  [
    "a revision that went back over a power of ten",
    { ...current({ revision: "99" }), previous: { ...previous, revision: "1000" } },
    "revision-went-back",
    "from 1000 to 99",
  ],
  ["other data", { lineage: { verdict: "disagrees", compared: 9, firstDifference: "42" } }, "lineage-disagrees", "revision 42"],
])("timeline: begins a new one for %s", (_, changes, reason, detail) => {
  const decision = chooseTimeline({ ...facts, ...changes });
  expect(decision).toMatchObject({
    timeline: NEW,
    began: {
      reason,
      detail: expect.stringContaining(detail),
      after: { backup: previous.id, timeline: OLD, revision: (changes.previous ?? previous).revision },
    },
  });
});

test("timeline: begins the first where there is no backup", () => {
  expect(chooseTimeline({ ...facts, previous: undefined, begunLast: null, lineage: undefined })).toMatchObject({
    timeline: NEW,
    began: { reason: "first-backup", after: null },
  });
});

test("timeline: joins one that was begun after the same backup, by another save or by this one before it failed", () => {
  const broken = { ...facts, ...current({ revision: "99" }) };
  expect(chooseTimeline({ ...broken, begunLast: { ...begun, id: "jjjjooooiiii", after: previous.id } }).timeline).toBe("jjjjooooiiii");
  expect(chooseTimeline({ ...broken, begunLast: { ...begun, id: "jjjjooooiiii", after: null } }).timeline).toBe(NEW);
  const first = { ...facts, previous: undefined, lineage: undefined };
  expect(chooseTimeline({ ...first, begunLast: begun }).timeline).toBe(OLD);
  expect(chooseTimeline({ ...first, begunLast: { ...begun, after: previous.id } }).timeline).toBe(NEW);
});

test("timeline: goes on exactly when nothing went back", () => {
  const counter = fc.bigInt(0n, 2n ** 63n - 1n);
  const pair = fc.record({ revision: counter, raftIndex: counter, raftTerm: counter });
  fc.assert(
    fc.property(pair, pair, (before, now) => {
      const text = ({ revision, raftIndex, raftTerm }: typeof before) => ({ revision: `${revision}`, raftIndex: `${raftIndex}`, raftTerm: `${raftTerm}` });
      const decision = chooseTimeline({ ...facts, previous: { ...previous, ...text(before) }, ...current(text(now)) });
      const forward = now.revision >= before.revision && now.raftIndex >= before.raftIndex && now.raftTerm >= before.raftTerm;
      expect(decision.began === null).toBe(forward);
    }),
    { seed: SEED, numRuns: runs(300, 20_000) },
  );
});
