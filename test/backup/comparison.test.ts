import { expect, test } from "vitest";
import { type Answers, compareWithMembers, hashesToCompute } from "../../src/backup/comparison.ts";
import type { MemberId, Revision } from "../../src/bytes/u64.ts";
import type { HashKvResult } from "../../src/etcd-files/mvcc/hash-kv.ts";

const MEMBERS = [1n, 2n, 3n].map((id) => ({ id: id as MemberId, name: `m${id}`, peerUrls: [], clientUrls: [`http://m${id}`], isLearner: false }));
const ASKING = { selection: { members: MEMBERS }, serving: { memberId: 1n }, which: "all", contradictedBy: [] } as unknown as Parameters<
  typeof compareWithMembers
>[2];

function answers(...given: (readonly [hash: number, compactRevision: bigint] | "unreachable")[]): Answers {
  return {
    revision: 50n as Revision,
    answers: given.map((answer, index) => {
      const { id: memberId, name } = MEMBERS[index]!;
      const member = { memberId, name, endpoint: `http://${name}` };
      if (answer === "unreachable") return { ...member, outcome: "unreachable", why: "refused" };
      return { ...member, outcome: "answered", hash: answer[0], compactRevision: answer[1] as Revision };
    }),
  };
}

test("comparison: the file is hashed by its own compaction revision first, then once for each that a member has", () => {
  const requests = hashesToCompute(answers([7, 20n], [7, 20n], [9, 30n]));
  expect(requests).toEqual([{ revision: 0n }, { revision: 50n, compactRevision: 20n }, { revision: 50n, compactRevision: 30n }]);
  expect(hashesToCompute(undefined)).toEqual([{ revision: 0n }]);
});

test("comparison: each member is judged by the hash for its own compaction revision; 0 and -1 both mean none", () => {
  const computed: HashKvResult[] = [
    { revision: 60n, compactRevision: 20n, hash: 1 },
    { revision: 50n, compactRevision: -1n, hash: 7 },
    { revision: 50n, compactRevision: 30n, hash: 9 },
  ];
  const { agreement, record } = compareWithMembers(answers([7, 0n], [9, 30n], [8, 30n]), computed, ASKING);
  expect(record.members.map(({ outcome, fileHash }) => [outcome, fileHash])).toEqual([
    ["agreed", 7],
    ["agreed", 9],
    ["disagreed", 9],
  ]);
  expect(agreement?.verdict).toBe("proven");
});

test("comparison: who contradicted before is passed on to be judged", () => {
  const computed: HashKvResult[] = [{ revision: 60n, compactRevision: -1n, hash: 1 }];
  const { agreement } = compareWithMembers(answers("unreachable", "unreachable", "unreachable"), computed, { ...ASKING, contradictedBy: [3n as MemberId] });
  expect(agreement).toMatchObject({ verdict: "split", why: expect.stringContaining("m3 holds other data") });
});

test("comparison: what the file cannot give is not comparable, never agreement", () => {
  const computed: HashKvResult[] = [
    { revision: 60n, compactRevision: 20n, hash: 1 },
    { revision: 50n, compactRevision: 10n, notComparable: "the file is compacted at 20" },
  ];
  const { agreement, record } = compareWithMembers(answers([7, 10n], [7, 10n], "unreachable"), computed, ASKING);
  expect(record.members.map(({ outcome }) => outcome)).toEqual(["not-comparable", "not-comparable", "unreachable"]);
  expect(record.members[0]?.why).toBe("the file is compacted at 20");
  expect(agreement?.verdict).toBe("unconfirmed");
});

test("comparison: a majority that holds other data leaves the serving member in the minority", () => {
  const computed: HashKvResult[] = [
    { revision: 60n, compactRevision: -1n, hash: 1 },
    { revision: 50n, compactRevision: -1n, hash: 7 },
  ];
  expect(compareWithMembers(answers([7, -1n], [8, -1n], [8, -1n]), computed, ASKING).agreement?.verdict).toBe("minority");
});
