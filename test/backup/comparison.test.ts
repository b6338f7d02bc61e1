import { expect, test } from "vitest";
import { type Answers, type Asking, askAgain, askMembers, comparedLately, compareWithMembers, hashesToCompute } from "../../src/backup/comparison.ts";
import type { MemberId, Revision } from "../../src/bytes/u64.ts";
import type { MemberClients } from "../../src/cluster/member-clients.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import type { HashKvResult } from "../../src/etcd-files/mvcc/hash-kv.ts";
import { ProtoWriter } from "../../src/proto/wire.ts";
import type { Manifest, MemberOutcome } from "../../src/repository/manifest.ts";
import { sampleManifest } from "../repository/sample-manifest.ts";
import { testRuntime } from "../support/test-runtime.ts";

const MEMBERS = [1n, 2n, 3n].map((id) => ({ id: id as MemberId, name: `m${id}`, peerUrls: [], clientUrls: [`http://m${id}`], isLearner: false }));
const SERVING = { memberId: 1n, name: "m1", endpoint: "http://m1" };
const ASKING = { selection: { members: MEMBERS }, serving: SERVING, which: "all", contradictedBy: [], givenUp: new Map() } as unknown as Parameters<
  typeof compareWithMembers
>[2];

function answers(...given: (readonly [hash: number, compactRevision: bigint] | "unreachable")[]): Answers {
  return {
    revision: 50n as Revision,
    doubt: undefined,
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
  expect(hashesToCompute(answers("unreachable", [7, 20n]))).toEqual(requests.slice(0, 2));
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
  expect(record.members.map(({ why, compactRevision }) => [why, compactRevision])).toEqual([
    [null, "-1"],
    [null, "30"],
    [null, "30"],
  ]);
  expect(agreement?.verdict).toBe("proven");
});

test("comparison: the file's own hash is for its own revision", () => {
  const computed: HashKvResult[] = [
    { revision: 60n, compactRevision: 20n, hash: 1 },
    { revision: 50n, compactRevision: 20n, hash: 7 },
  ];
  const { record } = compareWithMembers(answers([7, 20n], [1, 20n]), computed, ASKING);
  expect(record.members.map(({ outcome }) => outcome)).toEqual(["agreed", "disagreed"]);
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

/**
 * Asks again after `first`, of members whose compaction revisions are these now; gives what is kept, and how often anybody was asked for HashKV. `status`
 * tells who answers at the serving member's endpoint, from the first time on; it is down where there is nobody.
 */
async function again(first: Answers, file: { readonly revision: bigint; readonly compactRevision: bigint }, now: readonly bigint[], status = [1, 1]) {
  let asked = 0;
  const answering = [...status];
  const clients = {
    secure: false,
    at: (endpoint: string) => ({
      endpoint,
      call: async (method: string) => {
        const id = method === "Maintenance/Status" ? answering.shift() : Number(endpoint.at(-1));
        if (id === undefined) throw new EtcdsafeError("ETCD_UNREACHABLE", "refused");
        const answer = new ProtoWriter().bytes(1, new ProtoWriter().varint(2, id).finish());
        if (method === "Maintenance/Status") return answer.finish();
        asked++;
        return answer
          .varint(2, 7)
          .varint(3, now[id - 1]!)
          .finish();
      },
    }),
  } as unknown as MemberClients;
  const order = MEMBERS.map(({ id, name }) => ({ memberId: id, endpoint: `http://${name}` }));
  const selection = { ...ASKING.selection, order } as unknown as Asking["selection"];
  const runtime = testRuntime();
  const kept = await askAgain(first, file, { ...ASKING, selection, clients, givenUp: new Map(), signal: AbortSignal.timeout(10_000), runtime });
  return { kept, asked, logged: runtime.logged.map(({ message }) => message) };
}

test("comparison: members are asked again, at the file's own revision, only where that may make more answers comparable", async () => {
  const file = { revision: 60n, compactRevision: 50n };
  // Compacted while the snapshot was on its way: what the members said of before cannot be had from the file any more.
  const before = answers([7, 20n], [7, 20n], "unreachable");
  const { kept, asked } = await again(before, file, [50n, 50n, 50n]);
  expect([asked, kept]).toMatchObject([3, { revision: 60n, answers: Array(3).fill({ outcome: "answered", compactRevision: 50n }) }]);
  expect((await again(before, file, [20n, 20n, 20n])).kept).toEqual(before);
  const half = answers([7, 50n], [7, 20n], [7, 20n]);
  expect((await again(half, file, [50n, 20n, 20n])).kept).toEqual(half);
  expect((await again(half, file, [50n, 50n, 20n])).kept).toMatchObject({ revision: 60n });
});

test("comparison: a member that was given up, and one that no endpoint leads to, have to give a sign of life before they are asked", async () => {
  const signs: string[] = [];
  const clients = {
    secure: false,
    at: (endpoint: string) => ({
      endpoint,
      call: async (method: string) => {
        if (method === "Maintenance/Status") signs.push(endpoint);
        return new ProtoWriter()
          .bytes(1, new ProtoWriter().varint(2, Number(endpoint.at(-1))).finish())
          .varint(2, 7)
          .finish();
      },
    }),
  } as unknown as MemberClients;
  const order = MEMBERS.slice(0, 2).map(({ id, name }) => ({ memberId: id, endpoint: `http://${name}` }));
  const signsOf = async (givenUp: ReadonlyMap<MemberId, string>) => {
    signs.length = 0;
    const selection = { ...ASKING.selection, order } as unknown as Asking["selection"];
    await askMembers(50n as Revision, { ...ASKING, which: "others", selection, clients, givenUp, signal: AbortSignal.timeout(10_000), runtime: testRuntime() });
    return signs.filter((endpoint) => endpoint !== SERVING.endpoint);
  };
  expect(await signsOf(new Map())).toEqual(["http://m3"]);
  expect(await signsOf(new Map([[2n as MemberId, "it stood still"]]))).toEqual(["http://m2", "http://m3"]);
});

test.each([
  ["all that answered can be compared", answers([7, 50n], [7, 55n], "unreachable"), { revision: 60n, compactRevision: 50n }],
  ["nothing is compacted, however the members say that", answers([7, 0n], [7, -1n], [7, -1n]), { revision: 60n, compactRevision: 0n }],
  ["the file is at the revision that was asked for", answers([7, 20n], [7, 20n], [7, 20n]), { revision: 50n, compactRevision: 30n }],
] as const)("comparison: nobody is asked again when %s", async (_, first, file) => {
  expect(await again(first, file, [60n, 60n, 60n])).toEqual({ kept: first, asked: 0, logged: [] });
});

test("comparison: after the stream it is made sure once more that the serving member alone answers at its endpoint", async () => {
  const [first, file] = [answers([7, 50n]), { revision: 60n, compactRevision: 50n }];
  const found = async (status: number[], before: Answers = first) => {
    const { kept, logged } = await again(before, file, [50n], status);
    expect(logged).toEqual(kept.doubt === before.doubt ? [] : [`${kept.doubt}; give --endpoints that lead to one member each`]);
    return kept.doubt;
  };
  const several = "http://m1 leads to more than one member (0000000000000001 and 0000000000000002), so the snapshot may be of any of them";
  expect(await found([1, 1])).toBeUndefined();
  expect(await found([2, 1])).toBe(several);
  expect(await found([1, 2])).toBe(several);
  expect(await found([])).toBe("whether the snapshot is of 0000000000000001 could not be made sure of: refused");
  expect(await found([1, 1], { ...first, doubt: "from before" })).toBe("from before");
});

test("comparison: where the snapshot may be of another member, the serving one counts by its own answer only, and is not comparable without one", () => {
  const computed: HashKvResult[] = [{ revision: 50n, compactRevision: -1n, hash: 7 }];
  const others = answers([7, -1n], [7, -1n]);
  const [serving, other] = others.answers;
  const doubt = "many answer there";
  const unasked = compareWithMembers({ ...others, answers: [other!], doubt }, computed, ASKING);
  expect(unasked.agreement?.verdict).toBe("unconfirmed");
  expect(unasked.record.members).toMatchObject([
    { name: "m1", endpoint: "http://m1", serving: true, outcome: "not-comparable", why: doubt },
    { name: "m2", outcome: "agreed" },
  ]);
  const asked = compareWithMembers({ ...others, doubt }, computed, ASKING);
  expect(asked.agreement?.verdict).toBe("proven");
  expect(asked.record.members).toMatchObject([{ name: serving!.name, serving: true, outcome: "agreed" }, { outcome: "agreed" }]);
});

const HOUR_MS = 3_600_000;
const NOW_MS = Date.parse("2026-11-21T12:00:00.000Z");

/** A backup of some minutes ago, to which the members said this. */
function backupOf(minutesAgo: number, state: Manifest["state"], ...outcomes: readonly MemberOutcome["outcome"][]): Manifest {
  const members = outcomes.map((outcome, index): MemberOutcome => {
    const none = { endpoint: null, why: null, compactRevision: null, hash: null, fileHash: null };
    return { ...none, id: String(index).padStart(16, "0"), name: `m${index}`, serving: index === 0, outcome };
  });
  return sampleManifest({
    createdAt: new Date(NOW_MS - minutesAgo * 60_000).toISOString(),
    state,
    comparison: { asked: "all", why: null, revision: "1", members },
  });
}

const proven = (minutesAgo: number) => backupOf(minutesAgo, "proven", "agreed", "agreed", "unreachable");

test.each<[string, boolean, readonly Manifest[]]>([
  ["a majority agreed", true, [proven(59)]],
  ["the only member agreed", true, [backupOf(1, "unconfirmed", "agreed")]],
  ["it has been followed by some that did not compare", true, [backupOf(1, "unconfirmed"), backupOf(2, "unconfirmed", "unreachable"), proven(3)]],
  ["there is none", false, []],
  ["it was too long ago", false, [proven(61)]],
  ["its clock was ahead", false, [proven(-5)]],
  ["the serving member agreed with itself alone", false, [backupOf(1, "unconfirmed", "agreed", "unreachable", "unreachable")]],
  ["it could not be told", false, [backupOf(1, "unconfirmed", "agreed", "not-comparable", "not-comparable")]],
  ["a member held other data", false, [backupOf(1, "proven", "agreed", "agreed", "disagreed"), proven(2)]],
  ["it is suspect", false, [backupOf(1, "suspect", "agreed", "disagreed", "disagreed"), proven(2)]],
  ["it is of another cluster", false, [{ ...proven(1), clusterId: "1f0a9c3b5d7e2468" }, proven(2)]],
])("comparison: that a backup compared the members lately is reason not to ask when %s: %s", (_, settled, manifests) => {
  const found = comparedLately(manifests, { clusterId: "cdf818194e3a8c32", nowMs: NOW_MS, everyMs: HOUR_MS });
  expect(found).toBe(settled ? manifests.at(-1) : undefined);
});
