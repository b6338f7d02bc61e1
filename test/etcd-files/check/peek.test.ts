import fc from "fast-check";
import { expect, test } from "vitest";
import { EtcdsafeError } from "../../../src/errors.ts";
import { bufferPageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import { checkSnapshot } from "../../../src/etcd-files/check/check-snapshot.ts";
import { peekSnapshot } from "../../../src/etcd-files/check/peek.ts";
import { runs, SEED } from "../../support/counts.ts";
import { plainRows, randomHistory } from "../../support/random-history.ts";
import { buildSnapshot } from "../../support/snapshots.ts";

test("peek: a few pages tell the same as the whole check", () => {
  fc.assert(
    fc.property(
      fc.nat(1_000_000),
      fc.constantFrom(1024, 4096, 65_536),
      fc.constantFrom("none" as const, "finished" as const, "interrupted" as const),
      (seed, pageSizeBytes, compaction) => {
        const snapshot = buildSnapshot({
          ...randomHistory(seed, { revisions: 60, compaction }),
          pageSizeBytes,
          alarms: [{ memberId: 7n, alarm: 1 }],
          authEnabled: true,
        });
        const source = bufferPageSource(snapshot);
        const { facts } = checkSnapshot(source, { hashes: [] });
        const { trailer, compactRevision, ...peeked } = peekSnapshot("file", source);
        expect(facts).toMatchObject(peeked);
        expect(compactRevision).toBe(facts!.scheduledCompactRevision > facts!.compactRevision ? facts!.scheduledCompactRevision : facts!.compactRevision);
        expect(trailer).toBe(Buffer.from(snapshot.subarray(-32)).toString("hex"));
      },
    ),
    { seed: SEED, numRuns: runs(25, 1_000) },
  );
});

test("peek: an empty keyspace is at revision 1, and a file without a hash has none", () => {
  expect(peekSnapshot("file", bufferPageSource(buildSnapshot({ trailer: false })))).toMatchObject({ revision: 1n, compactRevision: -1n, trailer: undefined });
});

test.each([{ compactRevision: 9 }, { scheduledCompactRevision: 9 }])("peek: a compaction that removed the last rows tells the revision: %j", (compaction) => {
  const revisionOf = (count: number) => peekSnapshot("file", bufferPageSource(buildSnapshot({ rows: plainRows(count), ...compaction }))).revision;
  expect([0, 3, 11].map(revisionOf)).toEqual([9n, 9n, 12n]);
});

test("peek: a damaged file ends in an error that names it, never in anything else", () => {
  const snapshot = new Uint8Array(buildSnapshot(randomHistory(5, { revisions: 80 }))); // Slicing a Buffer copies nothing.
  fc.assert(
    fc.property(fc.nat(snapshot.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = snapshot.slice();
      damaged[at]! ^= flip;
      try {
        peekSnapshot("the-file", bufferPageSource(damaged));
      } catch (error) {
        expect(error).toBeInstanceOf(EtcdsafeError);
        expect((error as EtcdsafeError).message).toContain("the-file");
      }
    }),
    { seed: SEED, numRuns: runs(2_000, 100_000) },
  );
});
