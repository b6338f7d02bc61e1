import { expect, test } from "vitest";
import type { MemberId, Revision } from "../../src/bytes/u64.ts";
import { judgeAgreement, possibleMajority } from "../../src/cluster/agreement.ts";
import type { MemberAnswer } from "../../src/cluster/compare.ts";
import { member } from "./reports.ts";

const [GOOD, BAD, WORSE] = [111, 222, 333];
const SERVING = 1n as MemberId;

/**
 * `g`ood, `b`ad, bad in another way (`x`), good and bad with a compaction of its own (`e`, `d`), `c`ompacted elsewhere so that the file cannot tell,
 * `s`ilent about its hash, `u`nreachable, `-` not asked; the first is the serving member.
 */
function judge(pattern: string, learners = 0, contradictedBy: readonly number[] = [], servingIsSure = true) {
  const answers: MemberAnswer[] = [...pattern].flatMap((kind, index): MemberAnswer[] => {
    const who = { memberId: BigInt(index + 1) as MemberId, name: `m${index + 1}`, endpoint: undefined };
    if (kind === "-") return [];
    if (kind === "u") return [{ ...who, outcome: "unreachable", why: "it is down" }];
    if (kind === "s") return [{ ...who, outcome: "not-comparable", why: "it is behind" }];
    const hash = kind === "b" ? BAD : kind === "x" || kind === "d" ? WORSE : GOOD;
    return [{ ...who, outcome: "answered", hash, compactRevision: (kind === "c" ? 7n : kind === "d" || kind === "e" ? 5n : 3n) as Revision }];
  });
  return judgeAgreement({
    revision: 9n as Revision,
    serving: SERVING,
    servingIsSure,
    members: Array.from({ length: pattern.length + learners }, (_, index) => member(index + 1, index >= pattern.length)),
    answers,
    contradictedBy: contradictedBy.map((id) => BigInt(id) as MemberId),
    fileHash: (revision, compactRevision) => (compactRevision <= 5n && revision === 9n ? { hash: GOOD } : { notComparable: "too far compacted" }),
  });
}

test.each([
  ["ggg", "proven"],
  ["-gg", "proven"],
  ["-gu", "proven"],
  ["-gb", "proven"],
  ["ugu", "proven"],
  ["-gguu", "proven"],
  ["-uu", "unconfirmed"],
  ["guu", "unconfirmed"],
  ["---", "unconfirmed"],
  ["-cc", "unconfirmed"],
  ["-guuu", "unconfirmed"],
  ["-", "unconfirmed"],
  ["g", "unconfirmed"],
  ["-g", "proven"],
  ["-u", "unconfirmed"],
  ["-b", "split"],
  ["-bu", "split"],
  ["-bs", "split"],
  ["-gbb", "split"],
  ["ggbb", "split"],
  ["-gg-bu", "split"],
  ["-bx", "split"],
  ["-bbxx", "split"],
  ["-gbxu", "split"],
  ["-bb", "minority"],
  ["gbb", "minority"],
  ["-bbbu", "minority"],
  ["-bd", "minority"],
  ["b", "minority"],
])("agreement: members that answer %s make the file %s", (pattern, verdict) => {
  expect(judge(pattern).verdict).toBe(verdict);
  expect(judge(pattern, 2).verdict).toBe(verdict); // Learners have no say.
});

test("agreement: a serving member that now says otherwise does not count for the file", () => {
  expect(judge("bgu")).toMatchObject({ verdict: "split", why: expect.stringMatching(/^m1 itself holds other data, and no majority decides: 1 of 3 /) });
  expect(judge("bgg").verdict).toBe("proven");
});

test("agreement: a serving member that does not vote does not count for the file either", () => {
  const answers: MemberAnswer[] = [
    { memberId: 2n as MemberId, name: "m2", endpoint: undefined, outcome: "answered", hash: GOOD, compactRevision: 3n as Revision },
  ];
  const given = { revision: 9n as Revision, serving: SERVING, servingIsSure: true, answers, contradictedBy: [], fileHash: () => ({ hash: GOOD }) };
  for (const members of [
    [member(2), member(3)],
    [member(1, true), member(2), member(3)],
  ])
    expect(judgeAgreement({ ...given, members })).toMatchObject({ verdict: "unconfirmed", why: "1 of 2 voting members holds this data; a majority is 2" });
  expect(judge("-").why).toBe("the cluster has only one member to compare with");
});

test.each([
  ["-gg", "proven"],
  ["-gu", "unconfirmed"],
  ["sg", "unconfirmed"],
  ["cg", "unconfirmed"],
  ["ug", "unconfirmed"],
  ["gg", "proven"],
  ["bg", "split"],
])("agreement: where the file may not be of the serving member, members that answer %s make it %s", (pattern, verdict) => {
  expect(judge(pattern, 0, [], false).verdict).toBe(verdict);
});

test("agreement: where no majority decides, it is said who holds other data", () => {
  expect(judge("-bu").why).toBe(
    "m2 holds other data, and no majority decides: 1 of 3 voting members holds this data, 1 holds other data, 1 did not answer; a majority is 2",
  );
  expect(judge("-bx").why).toMatch(/^m2, m3 hold other data, and no majority decides: 1 of 3 /);
});

test("agreement: a member that contradicted before and does not answer now still contradicts, unless a majority holds this data", () => {
  expect(judge("-us", 0, [2])).toMatchObject({ verdict: "split", why: expect.stringMatching(/^m2 holds other data, and no majority decides: 1 of 3 /) });
  expect(judge("-sg", 0, [2]).verdict).toBe("proven");
  expect(judge("-guu", 0, [2]).verdict).toBe("unconfirmed"); // It agrees now.
  expect(judge("-bu", 0, [2]).why).toMatch(/^m2 holds other data/);
  expect(judge("-su", 0, [9]).why).toMatch(/^0{15}9 holds other data/); // One that has left meanwhile.
});

test.each([
  ["-bb", [2, 3]],
  ["-bu", []],
  ["-bs", [2]],
  ["-bc", [2]],
  ["-bx", []],
  ["-bd", [2, 3]],
  ["-bbx", []],
  ["-bes", []],
  ["-bbss", [2, 3]],
  ["-bxs", []],
  ["-gbsu", []],
  ["-gbbs", [3, 4]],
  ["gbb", [2, 3]],
] as const)("agreement: after a snapshot on which members answer %s, those of %j may be of a majority", (pattern, expected) => {
  const found = possibleMajority(judge(pattern).members, pattern.length);
  expect(found.map(({ memberId }) => Number(memberId))).toEqual(expected);
});

test("agreement: tells of each member what a manifest records, and the counts in words", () => {
  const { members, why } = judge("gbcu");
  expect(why).toBe(
    "m2 holds other data, and no majority decides: 1 of 4 voting members holds this data, 1 holds other data, 1 did not answer, m3 cannot be compared (too far compacted); a majority is 3",
  );
  expect(members).toMatchObject([
    { memberId: 1n, serving: true, outcome: "agreed", hash: GOOD, fileHash: GOOD, compactRevision: 3n },
    { memberId: 2n, serving: false, outcome: "disagreed", hash: BAD, fileHash: GOOD, why: "its HashKV at revision 9 is 222, the file's 111" },
    { memberId: 3n, serving: false, outcome: "not-comparable", why: "too far compacted", compactRevision: 7n },
    { memberId: 4n, serving: false, outcome: "unreachable", why: "it is down" },
  ]);
  expect(judge("gs").members[1]).toMatchObject({ outcome: "not-comparable", why: "it is behind" });
  expect(judge("gcuu").why).toBe("1 of 4 voting members holds this data, 2 did not answer, m2 cannot be compared (too far compacted); a majority is 3");
});

test("agreement: who cannot be compared is said to hold nothing, and why", () => {
  expect(judge("ccc").why).toBe("none of 3 voting members is known to hold this data, m1, m2, m3 cannot be compared (too far compacted); a majority is 2");
  expect(judge("cgs")).toMatchObject({
    verdict: "proven",
    why: "1 of 3 voting members holds this data, which m1 has sent, m1 cannot be compared (too far compacted), m3 cannot be compared (it is behind)",
  });
  expect(judge("-cu").why).toBe("1 of 3 voting members holds this data, 1 did not answer, m2 cannot be compared (too far compacted); a majority is 2");
  expect(judge("sg", 0, [], false).why).toBe("1 of 2 voting members holds this data, m1 cannot be compared (it is behind); a majority is 2");
});
