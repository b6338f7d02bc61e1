import fc from "fast-check";
import { expect, test } from "vitest";
import type { Evidence } from "../../src/restore/evidence.ts";
import { planLoss } from "../../src/restore/loss.ts";
import { planRevision, type RevisionBump, revisionWarnings } from "../../src/restore/revision.ts";
import type { SourceFacts } from "../../src/restore/source.ts";
import { runs, SEED } from "../support/counts.ts";
import { snapshotFacts } from "../support/restore-request.ts";

function source(revision: string | number, createdAt: string | null = null): SourceFacts {
  return snapshotFacts({ location: "old.db", createdAt, revision: String(revision), databaseSha256: null, storageVersion: null, clusterVersion: null });
}

function seen(revision: string | number, changes: Partial<Evidence> = {}): Evidence {
  return { kind: "backup", where: "a backup", revision: String(revision), isUpperBound: false, at: null, ...changes };
}

const amounts = fc.bigInt({ min: 1n, max: 2n ** 50n }).map(String);
const revisions = fc.bigInt({ min: 1n, max: 2n ** 50n }).map(String);
const evidences = fc.array(
  fc.record({ revision: revisions, isUpperBound: fc.boolean() }).map(({ revision, isUpperBound }) => seen(revision, { isUpperBound })),
);

test("revision: auto ends above all evidence and is compacted up to there; an amount is added to the source's revision; none stays", () => {
  expect(planRevision(source(762), "auto", [seen(5000), seen(900)])).toMatchObject({ after: "1000005000", bumpedBy: "1000004238", markCompacted: true });
  expect(planRevision(source(762), "auto", [seen(5)])).toMatchObject({ after: "1000000762", bumpedBy: "1000000000", bump: "auto" });
  expect(planRevision(source(762), "10", [seen(5000)])).toMatchObject({ before: "762", after: "772", bumpedBy: "10", markCompacted: true, bump: "10" });
  expect(planRevision(source(762), "none", [seen(5000)])).toMatchObject({ before: "762", after: "762", bumpedBy: null, markCompacted: false });
});

test("revision: the evidence is shown, the source first", () => {
  expect(planRevision(source(762, "2026-01-01T00:00:00.000Z"), "auto", [seen(5)]).evidence).toEqual([
    { kind: "source", where: "old.db", revision: "762", isUpperBound: false, at: "2026-01-01T00:00:00.000Z" },
    seen(5),
  ]);
});

test("revision: auto is never at or below any evidence, whatever there is", () => {
  fc.assert(
    fc.property(revisions, evidences, (revision, found) => {
      const planned = planRevision(source(revision), "auto", found);
      for (const each of planned.evidence) expect(BigInt(planned.after)).toBeGreaterThan(BigInt(each.revision));
      expect(BigInt(planned.after)).toBe(BigInt(planned.before) + BigInt(planned.bumpedBy!));
      expect(revisionWarnings(planned)).toEqual([]);
    }),
    { seed: SEED, numRuns: runs(300, 5000) },
  );
});

test("revision: however often a cluster is restored, from whichever of its backups, and written to between: it never goes back", () => {
  const step = fc.record({ writes: fc.nat({ max: 10_000_000 }), isSaved: fc.boolean(), pick: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { minLength: 2, maxLength: 12 }), (steps) => {
      let revision = 1n;
      const saved = [1n];
      const found: Evidence[] = [];
      for (const { writes, isSaved, pick } of steps) {
        revision += BigInt(writes);
        if (isSaved) {
          saved.push(revision);
          found.push(seen(revision.toString()));
        }
        // What is not saved lies in the data directory that is replaced.
        const replaced = seen(revision.toString(), { kind: "data-directory" });
        const after = BigInt(planRevision(source(saved[pick % saved.length]!.toString()), "auto", [...found, replaced]).after);
        expect(after).toBeGreaterThan(revision);
        revision = after;
        found.push(seen(revision.toString(), { kind: "restore-record" }));
      }
    }),
    { seed: SEED, numRuns: runs(100, 2000) },
  );
});

test("revision: an amount that ends below what was served, and none, are warned of, with the clients that break; any other amount is not", () => {
  const warned = (bump: RevisionBump, found: Evidence[] = []) => revisionWarnings(planRevision(source(762), bump, found)).join();
  expect(warned("10", [seen(5000)])).toMatch(/^--bump-revision 10 IS TOO LITTLE: it ends at 772, but the cluster has served 5000 \(a backup\)\. .*API servers/);
  expect(warned("10", [seen(5000, { isUpperBound: true })])).toContain("has served up to 5000 (a backup)");
  expect(warned("10", [seen(772)])).toMatch(/^--bump-revision 10 IS TOO LITTLE: it ends at 772/);
  expect(warned("10", [seen(771)])).toBe("");
  expect(warned("none", [seen(5000)])).toMatch(/^The revision goes back: the cluster has served 5000 \(a backup\), and will start at 762\. .*API servers/);
  expect(warned("none")).toMatch(/^The revision stays at 762\. .*kubelets/);
  fc.assert(
    fc.property(revisions, amounts, evidences, (revision, bump, found) => {
      const planned = planRevision(source(revision), bump, found);
      const isBehind = planned.evidence.some((each) => BigInt(each.revision) >= BigInt(planned.after));
      expect(revisionWarnings(planned)).toHaveLength(isBehind ? 1 : 0);
    }),
    { seed: SEED, numRuns: runs(100, 1000) },
  );
});

test("revision: what leaves no room for revisions to come is refused, and where auto would, the way on is named", () => {
  const attempt = (bump: RevisionBump, ...found: Evidence[]) => expect(() => planRevision(source(762), bump, found));
  const room = 2n ** 52n;
  attempt((room - 762n).toString()).not.toThrow();
  attempt((room - 761n).toString()).toThrow(/leaves no room for revisions to come$/);
  attempt("auto", seen((room - 1_000_000_000n).toString())).not.toThrow();
  attempt("auto", seen((room - 999_999_999n).toString())).toThrow(
    expect.objectContaining({ code: "USAGE", hint: expect.stringContaining("--bump-revision 1") }),
  );
  attempt("none", seen(room.toString())).not.toThrow();
});

test("loss: what lies between the source and the newest evidence, in revisions and time", () => {
  const from = source(762, "2026-01-01T00:00:00.000Z");
  const newest = seen(900, { at: "2026-01-01T01:00:00.000Z" });
  expect(planLoss(from, [seen(800), newest], [])).toEqual({ newest, revisions: "138", secondsBetween: 3600, upperBound: false });
  const log = seen(905, { isUpperBound: true });
  expect(planLoss(from, [newest, log], [])).toEqual({ newest: log, revisions: "143", secondsBetween: null, upperBound: true });
  for (const none of [[], [seen(762)], [seen(1)]])
    expect(planLoss(from, none, [])).toEqual({ newest: null, revisions: null, secondsBetween: null, upperBound: false });
  expect(planLoss(from, [seen(900, { at: "2025-12-31T23:00:00.000Z" })], []).secondsBetween).toBeNull();
});

test("loss: revisions that a restore jumped over never were, and are not lost", () => {
  const lost = (from: number, to: number, ...jumps: (readonly [number, number])[]) =>
    planLoss(
      source(from),
      [seen(to)],
      jumps.map(([start, end]) => ({ from: BigInt(start), to: BigInt(end) })),
    ).revisions;
  expect(lost(5000, 1_000_006_300, [5000, 1_000_005_300])).toBe("1000");
  expect(lost(4000, 1_000_006_300, [5000, 1_000_005_300])).toBe("2000");
  expect(lost(5000, 2_000_007_400, [5000, 2_000_007_300], [5000, 1_000_005_300])).toBe("100");
  expect(lost(1_000_005_400, 1_000_006_300, [5000, 1_000_005_300])).toBe("900");
  expect(lost(100, 200, [500, 600])).toBe("100");
  // One restore after the other, in whatever order their records are listed.
  const [first, second] = [
    [5000, 1_000_004_000],
    [1_000_005_000, 2_000_006_000],
  ] as const;
  for (const jumps of [
    [first, second],
    [second, first],
  ])
    expect(lost(4000, 2_000_007_400, ...jumps)).toBe("3400");
});
