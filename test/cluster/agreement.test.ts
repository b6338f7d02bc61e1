import { expect, test } from "vitest";
import type { MemberId, Revision } from "../../src/bytes/u64.ts";
import { judgeAgreement } from "../../src/cluster/agreement.ts";
import type { MemberAnswer } from "../../src/cluster/compare.ts";
import { member } from "./reports.ts";

const [GOOD, BAD] = [111, 222];
const SERVING = 1n as MemberId;

/** `g`ood, `b`ad, `c`ompacted elsewhere so that the file cannot tell, `u`nreachable, `-` not asked; the first is the serving member. */
function judge(pattern: string, learners = 0) {
  const answers: MemberAnswer[] = [...pattern].flatMap((kind, index): MemberAnswer[] => {
    const who = { memberId: BigInt(index + 1) as MemberId, name: `m${index + 1}`, endpoint: undefined };
    if (kind === "-") return [];
    if (kind === "u") return [{ ...who, outcome: "unreachable", why: "it is down" }];
    return [{ ...who, outcome: "answered", hash: kind === "b" ? BAD : GOOD, compactRevision: (kind === "c" ? 7n : 3n) as Revision }];
  });
  return judgeAgreement({
    revision: 9n as Revision,
    serving: SERVING,
    members: Array.from({ length: pattern.length + learners }, (_, index) => member(index + 1, index >= pattern.length)),
    answers,
    fileHash: (revision, compactRevision) => (compactRevision === 3n && revision === 9n ? { hash: GOOD } : { notComparable: "too far compacted" }),
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
  ["-bu", "unconfirmed"],
  ["-guuu", "unconfirmed"],
  ["-gg-bu", "unconfirmed"],
  ["-", "unconfirmed"],
  ["g", "unconfirmed"],
  ["-g", "proven"],
  ["-u", "unconfirmed"],
  ["-b", "unconfirmed"],
  ["-bb", "minority"],
  ["gbb", "minority"],
  ["-bbbu", "minority"],
  ["b", "minority"],
])("agreement: members that answer %s make the file %s", (pattern, verdict) => {
  expect(judge(pattern).verdict).toBe(verdict);
  expect(judge(pattern, 2).verdict).toBe(verdict); // Learners have no say.
});

test("agreement: a serving member that now says otherwise does not count for the file", () => {
  expect(judge("bgu").verdict).toBe("unconfirmed");
  expect(judge("bgg").verdict).toBe("proven");
});

test("agreement: tells of each member what a manifest records, and the counts in words", () => {
  const { members, why } = judge("gbcu");
  expect(members).toMatchObject([
    { memberId: 1n, serving: true, outcome: "agreed", hash: GOOD, fileHash: GOOD, compactRevision: 3n },
    { memberId: 2n, serving: false, outcome: "disagreed", hash: BAD, fileHash: GOOD, why: "its HashKV at revision 9 is 222, the file's 111" },
    { memberId: 3n, serving: false, outcome: "not-comparable", why: "too far compacted", compactRevision: 7n },
    { memberId: 4n, serving: false, outcome: "unreachable", why: "it is down" },
  ]);
  expect(why).toBe("1 of 4 voting members hold this data, 1 hold other data; a majority is 3");
});
