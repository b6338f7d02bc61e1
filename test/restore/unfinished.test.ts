// Every state in which a restore can die while it puts its files in place, made by hand: what the next restore decides there, and what that leaves.
import { existsSync, renameSync } from "node:fs";
import { chown, cp, type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { isGuarded, type Journal, journalText, readJournal, removeGuard, setGuard } from "../../src/restore/journal.ts";
import { doMove, movesOf, withInodes } from "../../src/restore/moves.ts";
import { planRestore, type RestorePlan } from "../../src/restore/plan.ts";
import { requestIdentity } from "../../src/restore/request-identity.ts";
import { settlementOf } from "../../src/restore/settlement.ts";
import type { StagedMember } from "../../src/restore/stage.ts";
import { asIfUndone, findUnfinished, finish, putInPlace, settleUnfinished, undo, unfinishedTexts } from "../../src/restore/unfinished.ts";
import { restoreRequest, snapshotFacts } from "../support/restore-request.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";

const FIRST = "0000000000000000-0000000000000000.wal";
const SECOND = "0000000000000001-0000000000000005.wal";
/** Of two members, b with a WAL directory of its own. */
const OLD = { "a/member/snap/db": "old a", "b/member/snap/db": "old b", [`w/${FIRST}`]: "old 0", [`w/${SECOND}`]: "old 1", "w/0.tmp": "old tmp" };
const STAGED = { "a/member.etcdsafe-id/snap/db": "new a", "b/member.etcdsafe-id/snap/db": "new b", [`w/${FIRST}.etcdsafe-id`]: "new 0" };
const NEW = { "a/member/snap/db": "new a", "b/member/snap/db": "new b", [`w/${FIRST}`]: "new 0" };
const KEPT = {
  "a/member.before-restore-t/snap/db": "old a",
  "b/member.before-restore-t/snap/db": "old b",
  [`w/before-restore-t/${FIRST}`]: "old 0",
  [`w/before-restore-t/${SECOND}`]: "old 1",
  "w/before-restore-t/0.tmp": "old tmp",
};
const MOVES = 8;

interface Scene extends AsyncDisposable {
  readonly path: string;
  readonly journal: Journal;
  readonly dataDirs: readonly string[];
}

/** Everything is staged, and nothing is guarded. */
async function staged(): Promise<Scene> {
  const directory: TemporaryDirectory = await temporaryDirectory("unfinished");
  const at = (path: string) => join(directory.path, path);
  for (const [path, text] of Object.entries({ ...OLD, ...STAGED })) {
    await mkdir(dirname(at(path)), { recursive: true });
    await writeFile(at(path), text);
  }
  const stage = (name: string, walDir?: string): StagedMember => ({
    name,
    dataDir: at(name),
    stageDir: at(`${name}/member.etcdsafe-id`),
    inode: "",
    databasePath: at(`${name}/member.etcdsafe-id/snap/db`),
    snapDir: at(`${name}/member.etcdsafe-id/snap`),
    walPath: walDir === undefined ? at(`${name}/member.etcdsafe-id/wal/${FIRST}`) : join(walDir, `${FIRST}.etcdsafe-id`),
    walDir,
    created: [],
  });
  const replaced = (name: string, walKeptAs: string | null) => ({
    memberDir: at(`${name}/member`),
    keptAs: at(`${name}/member.before-restore-t`),
    walKeptAs,
    databaseSizeBytes: null,
    revision: null,
  });
  const moves = [
    ...movesOf(stage("a"), replaced("a", null), []),
    ...movesOf(stage("b", at("w")), replaced("b", at("w/before-restore-t")), await readdir(at("w"))),
  ];
  const dataDirs = [at("a"), at("b")];
  const result = { plan: { revision: { after: "1000" } } } as Journal["result"];
  const journal: Journal = { format: 1, id: "id", startedAt: "", request: "this", result, dataDirs, moves: await withInodes(moves), owners: [] };
  return { path: directory.path, journal, dataDirs, [Symbol.asyncDispose]: () => directory.remove() };
}

/** As it was left by a restore that died with so many guards set, moves done and guards removed again. */
async function died({ guards = 2, moves = 0, released = 0 }): Promise<Scene> {
  const scene = await staged();
  for (const dataDir of scene.dataDirs.slice(0, guards)) await setGuard(dataDir, scene.journal);
  for (const move of scene.journal.moves.slice(0, moves)) await doMove(move);
  for (const dataDir of scene.dataDirs.slice(0, released)) await removeGuard(dataDir, scene.journal);
  return scene;
}

/** What is there, by content. */
async function tree(path: string): Promise<Record<string, string>> {
  const names = (await readdir(path, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const files = await Promise.all(
    names.map(async ({ parentPath, name }) => [join(parentPath, name).slice(path.length + 1), await readFile(join(parentPath, name), "utf8")] as const),
  );
  return Object.fromEntries(files);
}

async function settled({ path, dataDirs }: Scene, request: string, beyond: bigint | null = null): Promise<{ did: string; left: Record<string, string> }> {
  const [unfinished, ...others] = await findUnfinished(dataDirs);
  expect(others).toEqual([]);
  const did = settlementOf(unfinished!, { request, beyond });
  await (did === "finish" ? finish(unfinished!) : undo(unfinished!));
  expect(await findUnfinished(dataDirs)).toEqual([]);
  return { did, left: await tree(path) };
}

test("unfinished: old away, then new in, one member after the other; forwards everything is replaced and kept, and backwards as before", async () => {
  await using scene = await staged();
  expect(scene.journal.moves.map(({ part }) => part)).toEqual([
    "old-member",
    "new-member",
    "old-member",
    "old-wal",
    "old-wal",
    "old-wal",
    "new-wal",
    "new-member",
  ]);
  await putInPlace(scene.journal);
  expect(await tree(scene.path)).toEqual({ ...NEW, ...KEPT });
});

test("unfinished: died with any number of moves done, the same restore finishes and another one undoes", async () => {
  for (let moves = 0; moves <= MOVES; moves++) {
    await using same = await died({ moves });
    expect(await settled(same, "this"), `${moves} moves`).toEqual({ did: "finish", left: { ...NEW, ...KEPT } });
    await using other = await died({ moves });
    expect(await settled(other, "another"), `${moves} moves`).toEqual({ did: "undo", left: { ...OLD, ...STAGED } });
  }
});

test("unfinished: died while the guards were set, they are removed by whoever comes: a member without one may have been started since", async () => {
  for (const request of ["this", "another"]) {
    await using scene = await died({ guards: 1 });
    expect(await settled(scene, request)).toEqual({ did: "undo", left: { ...OLD, ...STAGED } });
  }
});

test("unfinished: died when a guard was gone, nothing is undone any more, whatever has become of the member that was free to start", async () => {
  for (const request of ["this", "another"]) {
    await using scene = await died({ moves: MOVES, released: 1 });
    await writeFile(join(scene.path, "a/member/snap/db"), "served");
    await rm(join(scene.path, "a/member.before-restore-t"), { recursive: true });
    const { "a/member.before-restore-t/snap/db": _, ...left } = { ...NEW, ...KEPT, "a/member/snap/db": "served" };
    expect(await settled(scene, request)).toEqual({ did: "finish", left });
  }
});

test("unfinished: a member that was free to start may have done with the first file of its log; without a log it is not finished", async () => {
  await using scene = await staged();
  // The one with a WAL directory of its own is free first.
  const journal = { ...scene.journal, dataDirs: scene.dataDirs.toReversed() };
  for (const dataDir of scene.dataDirs) await setGuard(dataDir, journal);
  for (const move of journal.moves) await doMove(move);
  await removeGuard(journal.dataDirs[0]!, journal);
  await rm(join(scene.path, `w/${FIRST}`));
  await expect(settled(scene, "this")).rejects.toMatchObject({ code: "RESTORE_UNFINISHED", message: expect.stringContaining(`${FIRST} is not there`) });
  await writeFile(join(scene.path, `w/${SECOND}`), "new 1");
  expect(await settled(scene, "this")).toMatchObject({ did: "finish" });
});

test("unfinished: a data directory that is not mounted is not one whose guard was removed: nothing is said to be restored", async () => {
  for (const request of ["this", "another"]) {
    await using scene = await died({ moves: MOVES });
    await rename(join(scene.path, "a"), join(scene.path, "a.unmounted"));
    await mkdir(join(scene.path, "a"));
    const before = await tree(scene.path);
    await expect(settled(scene, request)).rejects.toMatchObject({
      code: "RESTORE_UNFINISHED",
      message: expect.stringMatching(/a\/member is not there; is every file system mounted\?$/),
    });
    const [unfinished] = await findUnfinished(scene.dataDirs);
    await expect(finish(unfinished!)).rejects.toMatchObject({ code: "RESTORE_UNFINISHED" });
    expect(await tree(scene.path)).toEqual(before);
  }
});

test("unfinished: directories that were copied have other inodes: with nothing moved they are freed, else the guards stay until somebody has looked", async () => {
  for (const request of ["this", "another"]) {
    for (let moves = 0; moves <= MOVES; moves++) {
      await using scene = await died({ moves });
      for (const name of ["a", "b", "w"]) {
        await rename(join(scene.path, name), join(scene.path, "original"));
        await cp(join(scene.path, "original"), join(scene.path, name), { recursive: true });
        await rename(join(scene.path, "original"), `${scene.path}-${name}`);
        onTestFinished(() => rm(`${scene.path}-${name}`, { recursive: true, force: true }));
      }
      const before = await tree(scene.path);
      if (moves === 0) {
        expect(await settled(scene, request)).toEqual({ did: "undo", left: { ...OLD, ...STAGED } });
        continue;
      }
      await expect(settled(scene, request), `${moves} moves`).rejects.toMatchObject({ code: "RESTORE_UNFINISHED" });
      const [unfinished] = await findUnfinished(scene.dataDirs);
      await expect(undo(unfinished!), `${moves} moves`).rejects.toMatchObject({ code: "RESTORE_UNFINISHED" });
      expect(await tree(scene.path)).toEqual(before);
      for (const name of ["a", "b", "w"]) await rm(`${scene.path}-${name}`, { recursive: true });
    }
  }
});

test("unfinished: one that does not go beyond what is known by now is undone, unless members may run already", async () => {
  await using known = await died({ moves: MOVES });
  expect(await settled(known, "this", 999n)).toMatchObject({ did: "finish" });
  await using unknown = await died({ moves: MOVES });
  expect(await settled(unknown, "this", 1000n)).toMatchObject({ did: "undo", left: { ...OLD, ...STAGED } });
  await using released = await died({ moves: MOVES, released: 1 });
  expect(await settled(released, "this", 1000n)).toMatchObject({ did: "finish" });
});

/** A plan without --replace for what the scene's restore writes, and that restore as one that had --replace and is otherwise the same. */
async function begunWithReplace(state: { moves: number; released?: number }): Promise<{ scene: Scene; plan: RestorePlan }> {
  const scene = await staged();
  const [a, b] = scene.dataDirs as [string, string];
  const plan = planRestore(
    restoreRequest({
      source: snapshotFacts(),
      cluster: ["a", "b"].map((name) => ({ name, peerUrls: [`http://${name}:2380`] })),
      targets: [
        { name: "a", dataDir: a },
        { name: "b", dataDir: b, walDir: join(scene.path, "w") },
      ],
      token: "t",
    }),
  );
  const journal = { ...scene.journal, request: requestIdentity({ ...plan, replace: true }) };
  for (const dataDir of scene.dataDirs) await setGuard(dataDir, journal);
  for (const move of journal.moves.slice(0, state.moves)) await doMove(move);
  for (const dataDir of scene.dataDirs.slice(0, state.released ?? 0)) await removeGuard(dataDir, journal);
  return { scene: { ...scene, journal, [Symbol.asyncDispose]: () => scene[Symbol.asyncDispose]() }, plan };
}

test("unfinished: one with --replace is not undone by the same command without, which says so; with it, it is finished", async () => {
  for (const moves of [0, 3, MOVES]) {
    const { scene, plan } = await begunWithReplace({ moves });
    await using _ = scene;
    const before = await tree(scene.path);
    await expect(settleUnfinished(plan, {})).rejects.toMatchObject({
      code: "TARGET_NOT_EMPTY",
      message: expect.stringContaining("begun with --replace"),
      hint: expect.stringMatching(/The same command with --replace finishes it\. Until then proxy is there/),
    });
    expect(await tree(scene.path)).toEqual(before);
    expect(await unfinishedTexts(plan)).toEqual([
      expect.stringMatching(/was interrupted .*; restore finishes that one if --replace is given, and refuses without\.$/),
    ]);
    expect(await settleUnfinished({ ...plan, replace: true }, {})).toMatchObject({ finished: { id: "id" } });
    expect(await tree(scene.path)).toEqual({ ...NEW, ...KEPT });
  }
});

test("unfinished: one with --replace whose members may run already is finished by the same command without, which says that", async () => {
  const { scene, plan } = await begunWithReplace({ moves: MOVES, released: 1 });
  await using _ = scene;
  expect(await settleUnfinished(plan, {})).toMatchObject({ finished: { id: "id" } });
  expect(await findUnfinished(scene.dataDirs)).toEqual([]);
});

test("unfinished: the directory that was made for old WAL files goes again, also where none had come into it", async () => {
  for (const moves of [3, 4]) {
    await using scene = await died({ moves });
    await mkdir(join(scene.path, "w/before-restore-t"), { recursive: true });
    await settled(scene, "another");
    expect(await readdir(join(scene.path, "w"))).not.toContain("before-restore-t");
  }
});

test("unfinished: what keeps it from going on is asked once every guard is set and before anything is moved", async () => {
  await using scene = await staged();
  const asked: unknown[] = [];
  const refusing = putInPlace(scene.journal, {
    requireStopped: async () => {
      asked.push(await Promise.all(scene.dataDirs.map((dataDir) => isGuarded(dataDir, scene.journal))));
      expect(await tree(scene.path)).toMatchObject({ ...OLD, ...STAGED });
      throw new Error("etcd runs");
    },
  });
  await expect(refusing).rejects.toThrow("etcd runs");
  expect(asked).toEqual([[true, true]]);
  expect(await tree(scene.path)).toEqual({ ...OLD, ...STAGED });
});

test("unfinished: what has to be known of it is told when everything is in place and no guard is gone, also by who finishes it", async () => {
  for (const state of [{ guards: 0 }, { moves: 3 }, { moves: MOVES, released: 1 }]) {
    await using scene = await died(state);
    const told: unknown[] = [];
    const onPlaced = async (plan: unknown) => {
      expect(plan).toEqual(scene.journal.result.plan);
      expect(await tree(scene.path)).toMatchObject({ ...NEW, ...KEPT });
      told.push(await Promise.all(scene.dataDirs.map((dataDir) => isGuarded(dataDir, scene.journal))));
    };
    const [unfinished] = await findUnfinished(scene.dataDirs);
    await (unfinished === undefined ? putInPlace(scene.journal, { onPlaced }) : finish(unfinished, { onPlaced }));
    expect(told).toEqual([[state.released === undefined, true]]);
  }
});

test("unfinished: what has gone from its place once it was moved there keeps every guard, and is not told to be restored", async () => {
  await using scene = await died({ moves: MOVES - 1 });
  const at = (path: string) => join(scene.path, path);
  await using file = await open("/dev/null");
  const handles = Object.getPrototypeOf(file) as FileHandle;
  const sync = vi.spyOn(handles, "sync").mockImplementation(async () => {
    // As when somebody moves it away right then, or a mount comes over it.
    if (existsSync(at("b/member"))) renameSync(at("b/member"), at("b/elsewhere"));
  });
  const onPlaced = vi.fn(async () => undefined);
  const [unfinished] = await findUnfinished(scene.dataDirs);
  const finishing = finish(unfinished!, { onPlaced }).finally(() => sync.mockRestore());
  await expect(finishing).rejects.toMatchObject({
    code: "RESTORE_UNFINISHED",
    message: expect.stringContaining(`what was restored as ${at("b/member")} is not there`),
  });
  expect(onPlaced).not.toHaveBeenCalled();
  for (const dataDir of scene.dataDirs) expect(await isGuarded(dataDir, scene.journal)).toBe(true);
});

test("unfinished: a failure when a guard was gone already is not taken back, and what can be started is not removed", async () => {
  await using other = await staged();
  const [a, b] = other.dataDirs as [string, string];
  for (const dataDir of [a, b]) await setGuard(dataDir, other.journal);
  for (const move of other.journal.moves) await doMove(move);
  await removeGuard(a, other.journal);
  await mkdir(join(b, "journal.etcdsafe-id/in the way"), { recursive: true });
  await expect(putInPlace(other.journal)).rejects.toMatchObject({ code: "RESTORE_UNFINISHED", message: expect.stringContaining("may be started already") });
  expect(await tree(other.path)).toMatchObject({ ...NEW, ...KEPT });
});

test("unfinished: a stage that somebody has removed keeps it from being finished, so that it is undone", async () => {
  await using scene = await died({ moves: 3 });
  await rm(join(scene.path, "b/member.etcdsafe-id"), { recursive: true });
  const { "b/member.etcdsafe-id/snap/db": _, ...stages } = STAGED;
  expect(await settled(scene, "this")).toEqual({ did: "undo", left: { ...OLD, ...stages } });
});

test("unfinished: without what was replaced it is neither finished nor undone, and says what is missing and what to do by hand", async () => {
  await using scene = await died({ moves: 4 });
  await rm(join(scene.path, "a/member.before-restore-t"), { recursive: true });
  const before = await tree(scene.path);
  await expect(settled(scene, "another")).rejects.toMatchObject({
    code: "RESTORE_UNFINISHED",
    message: expect.stringContaining(`${join(scene.path, "a/member")} was to become`),
    hint: expect.stringContaining(`Then remove ${join(scene.path, "a/proxy")}`),
  });
  expect(await tree(scene.path)).toEqual(before);
});

test("unfinished: where nothing was moved yet, what somebody has changed since is left as it is; what is gone keeps the guards", async () => {
  await using scene = await died({});
  await rename(join(scene.path, "a/member"), join(scene.path, "gone"));
  await expect(settled(scene, "this")).rejects.toMatchObject({ code: "RESTORE_UNFINISHED", message: expect.stringContaining("is every file system mounted") });
  await mkdir(join(scene.path, "a/member"));
  await writeFile(join(scene.path, "a/member/mine"), "mine");
  await using moved = await died({ moves: 4 });
  await rename(join(moved.path, "a/member.before-restore-t"), join(moved.path, "gone"));
  await mkdir(join(moved.path, "a/member.before-restore-t"));
  await expect(settled(moved, "another")).rejects.toMatchObject({
    message: expect.stringMatching(/what is at \S+\/a\/member\.before-restore-t now is another file or directory than the one that was moved; is every/),
  });
  const { "a/member/snap/db": _, ...old } = OLD;
  expect(await settled(scene, "this")).toEqual({ did: "undo", left: { ...old, ...STAGED, "a/member/mine": "mine", "gone/snap/db": "old a" } });
});

test("unfinished: a started etcd that has changed its log where no guard is does not keep the other's guard", async () => {
  await using scene = await died({ guards: 1 });
  await rename(join(scene.path, "w/0.tmp"), join(scene.path, "w/1.tmp"));
  expect(await settled(scene, "this")).toMatchObject({ did: "undo" });
});

test("unfinished: where nothing was replaced, and the new member was copied to its place, nobody can tell", async () => {
  await using scene = await staged();
  const [dataDir] = scene.dataDirs as [string];
  const moves = scene.journal.moves.slice(1, 2);
  const journal = { ...scene.journal, dataDirs: [dataDir], moves };
  await rename(join(dataDir, "member"), join(scene.path, "gone"));
  await setGuard(dataDir, journal);
  await cp(moves[0]!.from, join(dataDir, "member"), { recursive: true });
  await rm(moves[0]!.from, { recursive: true });
  await expect(settled({ ...scene, dataDirs: [dataDir] }, "another")).rejects.toMatchObject({ code: "RESTORE_UNFINISHED" });
  expect(await isGuarded(dataDir, journal)).toBe(true);
});

test("unfinished: undone, directories get their owners back, and finished, those that were asked for", async () => {
  expect(process.getuid?.(), "only root may give directories to others: run this test as root").toBe(0);
  for (const [request, owner] of [
    ["this", 1002],
    ["another", 1001],
  ] as const) {
    await using scene = await staged();
    const [path] = scene.dataDirs as [string];
    const journal = { ...scene.journal, owners: [{ path, from: { uid: 1001, gid: 1001 }, to: { uid: 1002, gid: 1002 } }] };
    for (const dataDir of scene.dataDirs) await setGuard(dataDir, journal);
    await chown(path, 1001 + 1002 - owner, 1001 + 1002 - owner);
    await settled(scene, request);
    expect(await stat(path)).toMatchObject({ uid: owner, gid: owner });
  }
});

test("unfinished: what has appeared in a place is never replaced", async () => {
  await using scene = await died({ moves: 6 });
  await writeFile(join(scene.path, `w/${FIRST}`), "somebody's");
  await expect(settled(scene, "this")).rejects.toThrow(`${FIRST} exists already`);
  expect(await tree(scene.path)).toMatchObject({ [`w/${FIRST}`]: "somebody's", [`w/${FIRST}.etcdsafe-id`]: "new 0" });
});

test("unfinished: a move that fails takes all back that was done, and the stages are where they were", async () => {
  await using scene = await staged();
  await mkdir(join(scene.path, "b/member.before-restore-t"));
  await expect(putInPlace(scene.journal)).rejects.toThrow("exists already");
  expect(await tree(scene.path)).toEqual({ ...OLD, ...STAGED });
  expect(await findUnfinished(scene.dataDirs)).toEqual([]);
});

test("unfinished: the targets of one whose members may run already look as they are", async () => {
  await using scene = await died({ moves: MOVES, released: 1 });
  const { namesIn, whereIs } = asIfUndone(await findUnfinished(scene.dataDirs));
  expect(await namesIn(join(scene.path, "a"))).toEqual(["member", "member.before-restore-t"]);
  expect(whereIs(join(scene.path, "a/member"))).toBe(join(scene.path, "a/member"));
});

test("unfinished: the targets look as if it had been undone", async () => {
  for (let moves = 0; moves <= MOVES; moves++) {
    await using scene = await died({ moves });
    const { namesIn, whereIs } = asIfUndone(await findUnfinished(scene.dataDirs));
    expect(await namesIn(join(scene.path, "a"))).toEqual(["member", "member.etcdsafe-id"]);
    expect(await namesIn(join(scene.path, "b"))).toEqual(["member", "member.etcdsafe-id"]);
    expect((await namesIn(join(scene.path, "w"))).filter((name) => name !== "before-restore-t")).toEqual(["0.tmp", FIRST, `${FIRST}.etcdsafe-id`, SECOND]);
    expect(await readFile(join(whereIs(join(scene.path, "a/member")), "snap/db"), "utf8")).toBe("old a");
  }
});

test("journal: one that is cut short, altered, of a newer version or of another place is refused with what to do by hand", async () => {
  await using scene = await died({ moves: 1 });
  const [dataDir] = scene.dataDirs as [string, string];
  const path = join(dataDir, "proxy/etcdsafe-restore.json");
  const whole = await readFile(path, "utf8");
  expect(await readJournal(dataDir)).toEqual(scene.journal);
  const refused = { code: "RESTORE_UNFINISHED", hint: expect.stringContaining("member.before-restore-") };
  for (let size = 0; size < whole.length; size += 97) {
    await writeFile(path, whole.slice(0, size));
    await expect(readJournal(dataDir)).rejects.toMatchObject({ ...refused, message: expect.stringContaining("altered or is damaged") });
  }
  await writeFile(path, whole.replace('"old-member"', '"old-wal"'));
  await expect(readJournal(dataDir)).rejects.toMatchObject(refused);
  await writeFile(path, journalText({ ...scene.journal, format: 2 as 1 }));
  await expect(readJournal(dataDir)).rejects.toMatchObject({ ...refused, message: expect.stringContaining("newer etcdsafe") });
  await writeFile(path, whole);
  await cp(join(dataDir, "proxy"), join(scene.path, "elsewhere/proxy"), { recursive: true });
  await expect(readJournal(join(scene.path, "elsewhere"))).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining("path was"),
    hint: expect.stringMatching(/^Mount the directory where it was, at .* by hand/),
  });
});

test("journal: a guard that is not of this journal is none, and an etcd's own proxy directory is no journal", async () => {
  await using scene = await staged();
  const [dataDir] = scene.dataDirs as [string, string];
  await mkdir(join(dataDir, "proxy"));
  await writeFile(join(dataDir, "proxy/cluster"), "{}");
  expect(await readJournal(dataDir)).toBeUndefined();
  await expect(setGuard(dataDir, scene.journal)).rejects.toThrow("ENOTEMPTY");
  await rename(join(dataDir, "proxy"), join(scene.path, "proxy"));
  expect(await readdir(dataDir)).not.toContain("journal.etcdsafe-id");
  await setGuard(dataDir, scene.journal);
  expect(await isGuarded(dataDir, { id: "other" })).toBe(false);
  expect(await isGuarded(dataDir, scene.journal)).toBe(true);
});

test("journal: what an etcd 3.5 that was started meanwhile writes beside it goes with it, and anything else stays as a leftover", async () => {
  await using scene = await died({});
  const [a, b] = scene.dataDirs as [string, string];
  await writeFile(join(a, "proxy/cluster"), "{}");
  await writeFile(join(b, "proxy/notes"), "mine");
  for (const dataDir of [a, b]) await removeGuard(dataDir, scene.journal);
  expect((await readdir(a)).sort()).toEqual(["member", "member.etcdsafe-id"]);
  expect(await readdir(join(b, "journal.etcdsafe-id"))).toEqual(["notes"]);
});
