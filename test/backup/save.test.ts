// Which members a save turns to, and what it ends with, when they send bad data, other data, or nothing: real members, a target that only says so.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type SaveRequest, save } from "../../src/backup/save.ts";
import type { Saved, SaveResult, SaveTarget } from "../../src/backup/save-target.ts";
import type { TakeOptions } from "../../src/backup/take.ts";
import { formatId } from "../../src/bytes/u64.ts";
import { type ErrorCode, EtcdsafeError } from "../../src/errors.ts";
import type { MemberOutcome } from "../../src/repository/manifest.ts";
import type { LogEvent } from "../../src/runtime.ts";
import { connectionTo } from "../e2e/cluster/members.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { quietRuntime } from "../support/saving.ts";

let cluster: EtcdCluster;

beforeAll(async () => {
  cluster = await startCluster({ size: 3 });
});
afterAll(() => cluster?.stop());

/** What comes of the first, second and third member that is tried: an error; or what the members say to its snapshot, itself first. */
type Script = readonly (ErrorCode | readonly MemberOutcome["outcome"][])[];

interface Tried {
  readonly name: string;
  readonly which: string;
  readonly contradictedBy: readonly string[];
  readonly givenUp: readonly string[];
}

interface Outcome {
  readonly result: SaveResult | undefined;
  readonly error: unknown;
  readonly tried: readonly Tried[];
  readonly logged: readonly LogEvent[];
}

async function saving(script: Script, more: Partial<SaveRequest> & { readonly comparedAlready?: string; readonly file?: null } = {}): Promise<Outcome> {
  const tried: Tried[] = [];
  const logged: LogEvent[] = [];
  const attempt = (take: TakeOptions): Saved => {
    const { selection, serving, which, contradictedBy, givenUp } = take;
    const nameOf = (id: bigint) => selection.members.find((member) => member.id === id)!.name;
    const step = script[tried.length]!;
    tried.push({ name: serving.name, which, contradictedBy: contradictedBy.map(nameOf), givenUp: [...givenUp.keys()].map(nameOf) });
    if (typeof step === "string") throw new EtcdsafeError(step, `${step} of ${serving.name}`);
    const voters = selection.members.filter(({ isLearner }) => !isLearner).map(({ id }) => id);
    const order = [serving.memberId, ...voters.filter((id) => id !== serving.memberId)];
    const members = step.map((outcome, index): MemberOutcome => {
      const id = order[index]!;
      const [hash, compactRevision] = outcome === "agreed" ? [1, "-1"] : outcome === "disagreed" ? [2, "-1"] : [null, null];
      return { id: formatId(id), name: nameOf(id), endpoint: null, serving: index === 0, outcome, why: null, compactRevision, hash, fileHash: 1 };
    });
    const agreed = step.filter((outcome) => outcome === "agreed").length;
    const state = agreed >= 2 ? "proven" : step.includes("disagreed") ? "suspect" : "unconfirmed";
    const facts = { revision: "1", rawSizeBytes: 1, databaseSha256: "", warnings: [] };
    return { manifest: null, file: more.file === undefined ? `${serving.name}.db` : more.file, state, stateWhy: `${agreed} agree`, members, ...facts };
  };
  const target: SaveTarget = {
    prepare: async () => undefined,
    comparedAlready: async () => more.comparedAlready,
    store: async (_observed, _spool, take) => attempt(take),
    passOn: async (_observed, take) => attempt(take),
    failed: async () => undefined,
  };
  const request = { connection: connectionTo(cluster.endpoints), checkMembers: "all" as const, stallLimitMs: 1000, spoolDirectory: undefined, target, ...more };
  const options = { signal: AbortSignal.timeout(30_000), runtime: { ...quietRuntime, log: (event: LogEvent) => void logged.push(event) } };
  const [ended] = await Promise.allSettled([save(request, options)]);
  const result = ended.status === "fulfilled" ? ended.value : undefined;
  return { result, error: ended.status === "rejected" ? ended.reason : undefined, tried, logged };
}

const [SELF, AGREED, OTHER, DOWN, UNKNOWN] = ["agreed", "agreed", "disagreed", "unreachable", "not-comparable"] as const;

test("save: a member that fails is replaced by the next, until none is left", async () => {
  const { result, tried } = await saving(["ETCD_STREAM_CUT", [SELF, AGREED, AGREED]]);
  expect(tried).toHaveLength(2);
  expect(tried[0]!.name).not.toBe(tried[1]!.name);
  expect(result).toMatchObject({ saved: { state: "proven" }, suspects: [] });
  const { error, tried: all } = await saving(["ETCD_STREAM_CUT", "ETCD_UNREACHABLE", "ETCD_STREAM_STALLED"]);
  expect(all).toHaveLength(3);
  expect(error).toMatchObject({ code: "ETCD_STREAM_STALLED" });
});

test("save: an endpoint that does not answer is named once", async () => {
  const { logged } = await saving([[SELF, AGREED, AGREED]], { connection: connectionTo([...cluster.endpoints, "http://127.0.0.1:1"]) });
  expect(logged).toContainEqual({ level: "warn", message: expect.stringMatching(/^not from http:\/\/127\.0\.0\.1:1: cannot connect: /) });
});

test("save: what is no fault of the member ends it", async () => {
  const { error, tried } = await saving(["STORAGE_FULL"]);
  expect([error, tried.length]).toMatchObject([{ code: "STORAGE_FULL" }, 1]);
});

test("save: one in the minority is replaced by members of the majority, which are told whom they contradict", async () => {
  const { result, tried, logged } = await saving([
    [SELF, OTHER, OTHER],
    [SELF, AGREED, OTHER],
  ]);
  expect(tried.map(({ contradictedBy }) => contradictedBy)).toEqual([[], [tried[0]!.name]]);
  expect(result).toMatchObject({ saved: { state: "proven" }, suspects: [{ state: "suspect" }] });
  expect(logged).toContainEqual({ level: "warn", message: expect.stringMatching(/ holds other data than .*; taking a snapshot of a member that/) });
});

test("save: a member that says other than its own snapshot is named as what it is", async () => {
  const { error, tried } = await saving([[OTHER, OTHER, DOWN], "ETCD_UNREACHABLE"]);
  const { name } = tried[0]!;
  expect(error).toMatchObject({ code: "MEMBER_IN_MINORITY", message: expect.stringMatching(`^${name} holds other data than it says itself, m\\d: `) });
});

test("save: where no majority decides and none can, no other member is tried", async () => {
  const { error, tried, logged } = await saving([[SELF, OTHER, DOWN]]);
  expect(tried).toHaveLength(1);
  expect(error).toMatchObject({ code: "MEMBERS_DISAGREE", message: expect.stringContaining(`${tried[0]!.name} may be wrong: 1 agree; the snapshot of`) });
  expect((error as Error).message).not.toContain("--member");
  const warnings = logged.filter(({ level }) => level === "warn").map(({ message }) => message);
  expect(warnings.slice(-2)).toEqual([
    expect.stringMatching(/^m\d holds other data than this snapshot \(HashKV 2 instead of 1\)$/),
    "The members hold different data. Do not restart or compact anything before the differing member is known: `etcdctl endpoint hashkv --cluster --rev N`, with the smallest revision that `etcdctl endpoint status --cluster -w json` shows. With every member in --endpoints, and without --member, a save takes one that a majority agrees with.",
  ]);
});

test("save: where a member that could not be compared may make a majority, the other side is tried, and nobody twice", async () => {
  const found = await saving([
    [SELF, OTHER, UNKNOWN],
    [SELF, UNKNOWN, OTHER],
  ]);
  expect(found.tried).toHaveLength(2);
  expect(found.error).toMatchObject({ code: "MEMBERS_DISAGREE" });
  const { result } = await saving([
    [SELF, OTHER, UNKNOWN],
    [SELF, OTHER, AGREED],
  ]);
  expect(result).toMatchObject({ saved: { state: "proven" }, suspects: [{ state: "suspect" }] });
});

test("save: members that then fail do not hide that one is suspect; a repository that then fails is the error", async () => {
  const unreachable = await saving([[SELF, OTHER, OTHER], "ETCD_UNREACHABLE", "ETCD_STREAM_CUT"]);
  expect(unreachable.tried).toHaveLength(3);
  expect(unreachable.error).toMatchObject({ code: "MEMBER_IN_MINORITY", message: expect.stringContaining(unreachable.tried[0]!.name) });
  for (const [index, code] of ["ETCD_UNREACHABLE", "ETCD_STREAM_CUT"].entries())
    expect(unreachable.logged).toContainEqual({ level: "warn", message: expect.stringContaining(`${code} of ${unreachable.tried[index + 1]!.name}`) });
  expect((await saving([[SELF, OTHER, OTHER], "STORAGE_FULL"])).error).toMatchObject({ code: "STORAGE_FULL" });
});

test.each([
  [[SELF, OTHER, OTHER], "MEMBER_IN_MINORITY"],
  [[SELF, OTHER, UNKNOWN], "MEMBERS_DISAGREE"],
] as const)("save: a member named with --member is the only one, whatever %j say, and the error says so", async (outcomes, code) => {
  const { name } = cluster.members[1]!;
  const { error, tried } = await saving([outcomes], { member: name });
  expect(tried.map((each) => each.name)).toEqual([name]);
  expect(error).toMatchObject({ code, message: expect.stringMatching(/ is kept as suspect, m1\.db, and no other member was tried, as --member demands$/) });
});

test("save: a suspect snapshot that was not kept is not said to be", async () => {
  const { error } = await saving([[SELF, OTHER, DOWN]], { file: null });
  expect((error as Error).message).toMatch(/: 1 agree; the snapshot of m\d is not kept$/);
});

test("save: members that were compared lately are not asked, unless one has sent bad data since", async () => {
  const comparedAlready = "a backup compared them";
  const good = [SELF, AGREED, AGREED] as const;
  const which = async (script: Script) => (await saving(script, { comparedAlready })).tried.map((each) => each.which);
  expect(await which([good])).toEqual(["none"]);
  expect(await which(["ETCD_STREAM_CUT", good])).toEqual(["none", "none"]);
  for (const code of ["SNAPSHOT_HASH_MISMATCH", "SNAPSHOT_DAMAGED", "SNAPSHOT_TRUNCATED"] as const) expect(await which([code, good])).toEqual(["none", "all"]);
});

test("save: a member that broke off is one that may be silent, one that sent bad data is not", async () => {
  const { tried } = await saving(["ETCD_STREAM_CUT", "SNAPSHOT_DAMAGED", [SELF, AGREED, AGREED]]);
  expect(tried.map(({ givenUp }) => givenUp)).toEqual([[], [tried[0]!.name], [tried[0]!.name]]);
});

test("save: learners are no part of a majority", async () => {
  await cluster.addMember("learner");
  const { tried } = await saving([
    [SELF, OTHER, UNKNOWN],
    [SELF, AGREED, AGREED],
  ]);
  expect(tried).toHaveLength(2);
});
