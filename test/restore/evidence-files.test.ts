import { mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { GatheredEvidence } from "../../src/restore/evidence.ts";
import { dataDirectoryEvidence, givenEvidence } from "../../src/restore/evidence-files.ts";
import { type Journal, setGuard } from "../../src/restore/journal.ts";
import { doMove, movesOf, withInodes } from "../../src/restore/moves.ts";
import type { LogPosition } from "../../src/restore/source.ts";
import { createStage } from "../../src/restore/stage.ts";
import { KILLED_LOG, LIVE_IDS, liveSegment, TWO_SEGMENTS } from "../etcd-files/wal/live-log.ts";
import { plainRows } from "../support/random-history.ts";
import { buildSnapshot, SNAPSHOT_MEMBER } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const options = { signal: new AbortController().signal };
/** Raft indexes of the last entries of the logs in test/golden/wal. */
const [KILLED_END, TWO_SEGMENTS_END] = [51, 53];

interface TestMember {
  /** Of the database; absent: none. */
  readonly revisions?: number;
  readonly consistentIndex?: number;
  readonly database?: Uint8Array;
  readonly log?: Readonly<Record<string, Uint8Array>>;
}

async function place(): Promise<string> {
  const directory = await temporaryDirectory("evidence");
  onTestFinished(() => directory.remove());
  return directory.path;
}

function ofMember(id: bigint, revisions: number, consistentIndex = 1000): Uint8Array {
  return buildSnapshot({ rows: plainRows(revisions - 1), consistentIndex, members: [{ ...SNAPSHOT_MEMBER, id }] }).slice(0, -32);
}

async function member(path: string, { revisions, consistentIndex, database, log }: TestMember, walDir = join(path, "wal")): Promise<void> {
  await mkdir(join(path, "snap"), { recursive: true });
  await mkdir(walDir, { recursive: true });
  const built = revisions === undefined ? undefined : ofMember(LIVE_IDS.memberId, revisions, consistentIndex);
  const bytes = database ?? built;
  if (bytes !== undefined) await writeFile(join(path, "snap/db"), bytes);
  for (const [name, content] of Object.entries(log ?? {})) await writeFile(join(walDir, name), content);
}

const killed = () => ({ [KILLED_LOG]: liveSegment("killed-3.5", KILLED_LOG) });
const twoSegments = () => Object.fromEntries(TWO_SEGMENTS.map((name) => [name, liveSegment("two-segments-3.7", name)]));

test("evidence of a data directory: the database's revision, and as many more as its log has entries that are not in it yet", async () => {
  const path = await place();
  await member(join(path, "member"), { revisions: 30, consistentIndex: 40, log: killed() });
  const { found, warnings } = await dataDirectoryEvidence(path, undefined, options);
  expect(found).toEqual([
    { kind: "data-directory", where: join(path, "member/snap/db"), revision: "30", isUpperBound: false, at: expect.stringMatching(/^20.*Z$/) },
    {
      kind: "data-directory",
      where: join(path, "member/wal"),
      revision: String(30 + KILLED_END - 40),
      isUpperBound: true,
      at: expect.stringMatching(/^20.*Z$/),
    },
  ]);
  expect(warnings).toEqual([]);
});

test("evidence of a data directory: records behind the end of its log are not counted, and that is said", async () => {
  const path = await place();
  const name = KILLED_LOG;
  const log = Buffer.concat([killed()[name]!, Buffer.alloc(512), killed()[name]!]);
  await member(join(path, "member"), { revisions: 30, consistentIndex: KILLED_END, log: { [name]: log } });
  const { found, warnings } = await dataDirectoryEvidence(path, undefined, options);
  expect(found).toHaveLength(1);
  expect(warnings.join("\n")).toMatch(
    /\/member\/wal is damaged \(data follows the end of its records, at byte \d+\): entries that lie behind the damage are not counted\.$/,
  );
});

test("evidence of a data directory: a log whose entries are all in the database shows nothing more", async () => {
  const path = await place();
  await member(join(path, "member"), { revisions: 30, consistentIndex: KILLED_END, log: killed() });
  expect((await dataDirectoryEvidence(path, undefined, options)).found).toHaveLength(1);
});

test("evidence of a data directory: of several segments the last one counts, and where that is empty, its name", async () => {
  const path = await place();
  await member(join(path, "member"), { revisions: 30, consistentIndex: 10, log: twoSegments() });
  expect((await dataDirectoryEvidence(path, undefined, options)).found[1]).toMatchObject({ revision: String(30 + TWO_SEGMENTS_END - 10) });
  const cut = await place();
  const [first, second] = TWO_SEGMENTS;
  await member(join(cut, "member"), { revisions: 30, consistentIndex: 10, log: { ...twoSegments(), [second]: twoSegments()[second]!.slice(0, 16) } });
  expect((await dataDirectoryEvidence(cut, undefined, options)).found[1]).toMatchObject({ revision: String(30 + 0x34 - 1 - 10) });
  expect(first).toMatch(/^0{16}-/);
});

test("evidence of a data directory: a log of its own directory is read there, and what earlier restores have kept counts as well", async () => {
  const [path, wal] = [await place(), await place()];
  await member(join(path, "member"), { revisions: 5, consistentIndex: 50, log: killed() }, wal);
  await member(
    join(path, "member.before-restore-20260101T000000Z"),
    { revisions: 80, consistentIndex: 40, log: twoSegments() },
    join(wal, "before-restore-20260101T000000Z"),
  );
  const { found, warnings } = await dataDirectoryEvidence(path, wal, options);
  expect(found.map(({ revision }) => revision)).toEqual(["5", "6", "80", String(80 + TWO_SEGMENTS_END - 40)]);
  expect(warnings).toEqual([]);
});

test("evidence of a data directory: of a member that an interrupted restore has begun to move, its own database and log, wherever they are by now", async () => {
  const [path, walDir] = [await place(), await place()];
  await member(join(path, "member"), { revisions: 30, consistentIndex: 10, log: twoSegments() }, walDir);
  const stage = await createStage({ name: "m", dataDir: path, walDir }, "id", 1);
  await writeFile(stage.walPath, liveSegment("killed-3.5", KILLED_LOG));
  const kept = { memberDir: join(path, "member"), keptAs: join(path, "member.before-restore-t"), walKeptAs: join(walDir, "before-restore-t") };
  const moves = await withInodes(movesOf(stage, { ...kept, databaseSizeBytes: null, revision: null }, await readdir(walDir)));
  const result = {} as Journal["result"];
  await setGuard(path, { format: 1, id: "id", startedAt: "", request: "", result, dataDirs: [path], moves, owners: [] });
  const revisions = async () => (await dataDirectoryEvidence(path, walDir, options)).found.map(({ revision }) => revision);
  expect(await revisions()).toEqual(["30", String(30 + TWO_SEGMENTS_END - 10)]);
  for (const move of moves) {
    await doMove(move);
    expect(await revisions(), `${move.part} to ${move.to}`).toEqual(["30", String(30 + TWO_SEGMENTS_END - 10)]);
  }
  expect(moves.map(({ part }) => part)).toEqual(["old-member", "old-wal", "old-wal", "new-wal", "new-member"]);
});

test("evidence of a data directory: none where there is no directory, or nothing in it", async () => {
  const path = await place();
  for (const directory of [path, join(path, "none")])
    expect(await dataDirectoryEvidence(directory, undefined, options)).toEqual({ found: [], jumps: [], warnings: [] });
});

test("evidence of a data directory: whatever cannot be read is told with what it means", async () => {
  const warned = async (content: TestMember) => {
    const path = await place();
    await member(join(path, "member"), content);
    return (await dataDirectoryEvidence(path, undefined, options)).warnings.join("\n").replaceAll(path, "");
  };
  expect(await warned({ revisions: 9 })).toMatch(/^\/member has no log: what etcd had not brought from there into the database is not counted/);
  expect(await warned({ database: ofMember(7n, 9, 51), log: killed() })).toMatch(
    /^\/member\/wal is that of member adb1d8106038d2b8, which is not among the members in the database beside it: it was removed .* not counted\.$/,
  );
  expect(await warned({ log: killed() })).toMatch(/^\/member has a log, but no database: .* not counted/);
  expect(await warned({ database: Buffer.from("nothing of the kind"), log: killed() })).toMatch(/^\/member\/snap\/db cannot be read \(.*\): .* not counted/);
  const damaged = Buffer.from(killed()[KILLED_LOG]!);
  damaged[400]! ^= 0xff;
  expect(await warned({ revisions: 9, consistentIndex: 2, log: { [KILLED_LOG]: damaged } })).toMatch(
    /^\/member\/wal is damaged \(.*\): entries that lie behind the damage are not counted/,
  );
  expect(await warned({ revisions: 9, consistentIndex: 60, log: killed() })).toMatch(
    /^\/member\/wal ends with entry 51, before entry 60, which \/member\/snap\/db holds: it has lost its end, .* not counted/,
  );
  const cutShort = Buffer.concat([killed()[KILLED_LOG]!, Buffer.alloc(100_000)]).fill(0xff, 600, 608);
  expect(await warned({ revisions: 9, consistentIndex: 13, log: { [KILLED_LOG]: cutShort } })).toMatch(/^\/member\/wal ends with entry \d, before entry 13/);
  const emptied = { ...twoSegments(), [TWO_SEGMENTS[1]]: new Uint8Array(0) };
  expect(await warned({ revisions: 9, consistentIndex: 51, log: emptied })).toMatch(/^\/member\/wal is damaged \(its last file holds no record\)/);
  const loop = await place();
  await member(join(loop, "member"), {});
  for (const name of ["snap/db", "wal"]) {
    await rm(join(loop, "member", name), { recursive: true, force: true });
    await symlink(join(loop, "member", name), join(loop, "member", name));
  }
  expect((await dataDirectoryEvidence(loop, undefined, options)).warnings).toEqual([expect.stringMatching(/snap\/db cannot be read \(.*ELOOP.*not counted/)]);
  await rm(join(loop, "member/snap"), { recursive: true });
  await member(join(loop, "other"), { revisions: 9 });
  await rename(join(loop, "other/snap"), join(loop, "member/snap"));
  expect((await dataDirectoryEvidence(loop, undefined, options)).warnings).toEqual([
    expect.stringMatching(/member\/wal cannot be read \(.*ELOOP.*not counted/),
  ]);
});

test("evidence that is given: a revision, a data directory, a member's directory, a snapshot file", async () => {
  const path = await place();
  await member(join(path, "data/member"), { revisions: 30, consistentIndex: KILLED_END, log: killed() });
  const file = join(path, "etcd.db");
  await writeFile(file, buildSnapshot({ rows: plainRows(11) }));
  const found = async (text: string) => (await givenEvidence([text], undefined, options)).found;
  expect(await found("4711")).toEqual([{ kind: "given", where: "--evidence", revision: "4711", isUpperBound: false, at: null }]);
  const database = { kind: "given", where: join(path, "data/member/snap/db"), revision: "30", isUpperBound: false };
  for (const directory of ["data", "data/member"]) expect(await found(join(path, directory))).toMatchObject([database]);
  expect(await found(file)).toMatchObject([{ kind: "given", where: file, revision: "12", isUpperBound: false }]);
});

test("evidence that is given: a log in a directory of its own goes by the data directory that is given with it, of the same cluster", async () => {
  const path = await place();
  await member(join(path, "data/member"), { database: ofMember(LIVE_IDS.memberId, 30, 40) });
  await member(join(path, "other/member"), { database: ofMember(7n, 900, 40) });
  await member(join(path, "gone"), { log: killed() }, join(path, "wal"));
  const data = { where: join(path, "data/member/snap/db"), revision: "30", isUpperBound: false };
  const log = { kind: "given", where: join(path, "wal"), revision: String(30 + KILLED_END - 40), isUpperBound: true };
  const both = await givenEvidence([join(path, "data"), join(path, "wal")], undefined, options);
  expect(both).toMatchObject({ found: [data, log], warnings: [] });
  const apart = await givenEvidence([join(path, "other"), join(path, "wal")], undefined, options);
  expect(apart.found.map(({ revision }) => revision)).toEqual(["900"]);
  expect(apart.warnings).toEqual([
    expect.stringMatching(/\/other\/member has no log: /),
    expect.stringMatching(/nothing shows at which revision the log \S+\/wal of member adb1d8106038d2b8 begins, so it is not counted\. Give the data directory/),
  ]);
});

test("evidence that is given: a log by its segment; of several databases of its cluster, it goes by that which allows the least", async () => {
  const path = await place();
  await member(join(path, "d1/member"), { database: ofMember(LIVE_IDS.memberId, 30, 40) });
  await member(join(path, "d2/member"), { database: ofMember(LIVE_IDS.memberId, 31, 48) });
  await member(join(path, "gone"), { log: killed() }, join(path, "wal"));
  const [segment] = await readdir(join(path, "wal"));
  const given = (...names: readonly string[]) =>
    givenEvidence(
      names.map((name) => join(path, name)),
      undefined,
      options,
    );
  const alone = await given("d1", `wal/${segment}`);
  expect(alone).toMatchObject({ found: [{ revision: "30" }, { where: join(path, "wal"), revision: String(30 + KILLED_END - 40) }], warnings: [] });
  // Neither of them says whose it is, so one log of two leaves it open whether the other's is missing.
  const several = await given("d1", "d2", "wal");
  expect(several.found.map(({ revision }) => Number(revision))).toEqual([30, 31, 31 + KILLED_END - 48]);
  expect(several.warnings).toEqual([expect.stringMatching(/d1\/member has no log/), expect.stringMatching(/d2\/member has no log/)]);
});

test("evidence that is given: the log in a member's directory, where its database is lost", async () => {
  const path = await place();
  await member(join(path, "m"), { log: killed() });
  const source = { where: "the backup", revision: 20n, consistentIndex: 30n, memberIds: [], clusterId: LIVE_IDS.clusterId.toString(16) };
  const { found, warnings } = await givenEvidence([join(path, "m")], source, options);
  expect([found, warnings]).toMatchObject([[{ where: join(path, "m/wal"), revision: String(20 + KILLED_END - 30) }], []]);
});

test("evidence that is given: a log alone goes by the source, and one that a restore has put aside counts as well", async () => {
  const path = await place();
  await member(join(path, "x"), { log: killed() }, join(path, "wal"));
  await member(join(path, "y"), { log: twoSegments() }, join(path, "wal/before-restore-20260101T000000Z"));
  const source = { where: "the backup", revision: 20n, consistentIndex: 30n, memberIds: [] };
  const shown = async (position: Partial<LogPosition>) =>
    givenEvidence([join(path, "wal")], { ...source, clusterId: LIVE_IDS.clusterId.toString(16), ...position }, options);
  const revisions = ({ found }: GatheredEvidence) => found.map(({ revision }) => Number(revision));
  expect(revisions(await shown({}))).toEqual([20 + KILLED_END - 30, 20 + TWO_SEGMENTS_END - 30]);
  expect((await shown({})).warnings).toEqual([]);
  expect(revisions(await shown({ clusterId: null, memberIds: [LIVE_IDS.memberId.toString(16)] }))).toEqual([41, 43]);
  const elsewhere = await shown({ clusterId: "1" });
  expect(elsewhere.found).toEqual([]);
  expect(elsewhere.warnings).toHaveLength(2);
  // As of a copy that went on by itself (--force-new-cluster), and whose entries are others: what was not known to be committed may be missing.
  const { found, warnings } = await shown({ consistentIndex: 60n });
  expect(found).toMatchObject([{ where: expect.stringMatching(/\/before-restore-20260101T000000Z$/), revision: "21", isUpperBound: true }]);
  expect(warnings).toEqual([
    expect.stringMatching(/\/wal ends with entry 51, before entry 60, which the backup holds: if the cluster was restored in between, give/),
    expect.stringMatching(/ends with entry 53, before entry 60/),
  ]);
});

test("evidence that is given, and shows nothing, is told", async () => {
  const path = await place();
  await writeFile(join(path, "text"), "no snapshot");
  expect((await givenEvidence([path], undefined, options)).warnings).toEqual([expect.stringMatching(/^--evidence .*: there is no member in it/)]);
  expect((await givenEvidence(["/dev/null"], undefined, options)).warnings).toEqual([
    expect.stringMatching(/^--evidence \/dev\/null cannot be read \(.*not counted/),
  ]);
  expect((await givenEvidence([join(path, "text")], undefined, options)).warnings).toEqual([
    expect.stringMatching(/^--evidence .*\/text cannot be read \(.*not counted/),
  ]);
});
