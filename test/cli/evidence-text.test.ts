import { expect, test } from "vitest";
import { evidenceText, revisionFacts } from "../../src/cli/evidence-text.ts";
import type { Evidence } from "../../src/restore/evidence.ts";
import type { PlannedLoss } from "../../src/restore/loss.ts";
import type { PlannedRevision } from "../../src/restore/revision.ts";

const SOURCE: Evidence = { kind: "source", where: "old.db", revision: "762", isUpperBound: false, at: null };
const LOG: Evidence = { kind: "data-directory", where: "/var/lib/etcd/member/wal", revision: "900", isUpperBound: true, at: "2026-01-01T01:00:00.000Z" };
const MOVED: PlannedRevision = { before: "762", after: "1000000900", bump: "auto", bumpedBy: "1000000138", markCompacted: true, evidence: [SOURCE, LOG] };
const NO_LOSS: PlannedLoss = { newest: null, revisions: null, secondsBetween: null, upperBound: false };

function rows(loss: PlannedLoss, revision = MOVED): Record<string, string> {
  return Object.fromEntries(revisionFacts({ revision, loss }));
}

test("loss: counted to the newest evidence, at most where it is an upper bound, and never called nothing", () => {
  const known: PlannedLoss = { newest: LOG, revisions: "138", secondsBetween: 7200, upperBound: true };
  expect(rows(known)["lost"]).toBe("at most 138 revisions in 2 h 0 min, up to 900 (/var/lib/etcd/member/wal)");
  expect(rows({ ...known, upperBound: false, secondsBetween: null })["lost"]).toBe("at least 138 revisions, up to 900 (/var/lib/etcd/member/wal)");
  expect(rows({ ...known, upperBound: false, revisions: "0" })["lost"]).toMatch(
    /^no revision that is known, but .* an earlier restore went on at 900, 2 h 0 min after the source /,
  );
  expect(rows(NO_LOSS)["lost"]).toBe("nothing newer than the source is known");
});

test("revision: where it goes on, and by how much it was moved", () => {
  expect(rows(NO_LOSS)).toMatchObject({
    "revision before": "762",
    "revision after": "1000000900 (moved ahead by 1000000138; all before is marked as compacted)",
  });
  expect(rows(NO_LOSS, { ...MOVED, bump: "none", bumpedBy: null, markCompacted: false, after: "762" })["revision after"]).toBe("762");
});

test("evidence: each with how far it goes and when, unless there is only the source", () => {
  expect(evidenceText(MOVED).split("\n").slice(1, 3)).toEqual([
    expect.stringMatching(/^old\.db +762 *$/),
    expect.stringMatching(/^\/var\/lib\/etcd\/member\/wal +≤ 900 +2026-01-01T01:00:00\.000Z$/),
  ]);
  expect(evidenceText({ ...MOVED, evidence: [SOURCE] })).toBe("");
});
