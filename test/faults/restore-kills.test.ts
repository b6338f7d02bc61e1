// SIGKILL at every kind of step of a restore, around each of its renames and in its journal. Whatever moment it hits: every member is the old one, the
// new one, or one that no etcd starts; and the next restore finishes what was begun if it is the same, and else puts everything back first.
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inspectPath } from "../../src/inspect/inspect.ts";
import { runCli } from "../support/cli.ts";
import type { CommandResult } from "../support/command.ts";
import { runs } from "../support/counts.ts";
import { randomHistory } from "../support/random-history.ts";
import { report } from "../support/report.ts";
import { logLines, quietRuntime } from "../support/saving.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { type CrashPointOptions, type CrashRun, type CrashSummary, forEachCrashPoint } from "./kit/for-each-crash-point.ts";

const { signal } = new AbortController();
const WAL_NAME = "0000000000000000-0000000000000000.wal";
const directory = await temporaryDirectory("restore-kills");
const [snapshot, membersFile, place] = ["etcd.db", "members.yaml", "place"].map((name) => join(directory.path, name)) as [string, string, string];
/** Two, of which one has its WAL in a directory of its own. */
const TARGETS = [
  { name: "a", dataDir: join(place, "a"), walDir: undefined },
  { name: "b", dataDir: join(place, "b"), walDir: join(place, "logs/b") },
];
const TIMEOUT = { timeout: runs(120_000, 3_600_000) };
/** Of effects, but renames; each is killed before one, writes also in the middle, and the last of all also after it. */
const KINDS = ["mkdir", "copy", "open", "write", "truncate", "sync"] as const;
const COMMAND = ["restore", snapshot, "--members", membersFile, "--all-members", "--bump-revision", "none", "--log-format", "json", "-o", "json"];

beforeAll(async () => {
  await writeFile(snapshot, buildSnapshot(randomHistory(7, { revisions: 60, keys: 20 })));
  const members = TARGETS.map(({ name, dataDir, walDir }, index) => {
    const wal = walDir === undefined ? "" : `, walDir: ${walDir}`;
    return `  - {name: ${name}, peerUrls: ["http://10.0.0.${index + 1}:2380"], dataDir: ${dataDir}${wal}}\n`;
  });
  await writeFile(membersFile, `members:\n${members.join("")}`);
});
afterAll(() => directory.remove());

/** Of members that are replaced, one with a WAL directory of its own; relative to `place`. */
const OLD = {
  "a/member/snap/db": "old a",
  [`a/member/wal/${WAL_NAME}`]: "old log of a",
  "b/member/snap/db": "old b",
  [`logs/b/${WAL_NAME}`]: "old log of b",
  "logs/b/0.tmp": "",
};
/** Guards set, members and logs away, new ones in, guards removed. */
const RENAMES = 2 + 2 + 3 + 2 + 2;

test("a restore killed around any rename, or in its journal, is finished by the same one and undone by another", TIMEOUT, async () => {
  const outcomes: Record<string, number> = {};
  for (let round = 0; round < runs(1, 10); round++) {
    const renames = await replaced({ limit: runs(5, RENAMES + 1), match: { kinds: ["rename"] } }, outcomes, round);
    expect(renames.effects).toHaveLength(RENAMES);
    expect(renames.killedAt).toHaveLength(runs(5, RENAMES + 1));
  }
  // Two rounds follow each of these kills with both kinds of restore.
  for (let round = 0; round < runs(1, 2); round++) {
    const journal = await replaced({ limit: runs(3, 1_000), match: { path: "/(proxy|journal[.]etcdsafe-)" } }, outcomes, round);
    expect(journal.killedAt.length).toBeGreaterThanOrEqual(runs(3, 20));
  }
  report("kills of a restore that replaces members", outcomes);
  expect(outcomes).toMatchObject({ finished: expect.any(Number), undone: expect.any(Number), "done before the kill": expect.any(Number) });
});

test("a restore killed at any other of its steps leaves nothing in place, or all of it", TIMEOUT, async () => {
  const { killedAt } = await killed({ limit: runs(KINDS.length + 2, 1_000), match: { kinds: KINDS } }, runs(4, 1));
  expect(killedAt.length).toBeGreaterThanOrEqual(runs(KINDS.length + 2, 40));
  expect(new Set(killedAt.map(({ effect }) => effect.kind))).toEqual(new Set(KINDS));
});

test("a restore with a token of its own that is killed in the middle is finished by the same one, though it is on record already", TIMEOUT, async () => {
  const repository = join(directory.path, "repository");
  const command = [...COMMAND.filter((word) => word !== "--bump-revision" && word !== "none"), "--initial-cluster-token", "own", "--repository", repository];
  const outcomes: Record<string, number> = {};
  const restore = async (run: CrashRun): Promise<CommandResult> => {
    for (const path of [place, repository]) await rm(path, { recursive: true, force: true });
    expect((await runCli(["repo", "init", "--repository", repository])).exitCode).toBe(0);
    return runCli([...command, "--replace"], run);
  };
  const check = async (): Promise<void> => {
    const { exitCode, stdout, stderr } = await runCli([...command, "--replace"]);
    expect(exitCode, stderr).toBe(0);
    const outcome = JSON.parse(stdout).finishes === null ? "restored again" : "finished";
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  };
  const { killedAt } = await forEachCrashPoint(restore, check, { limit: runs(6, 100), match: { kinds: ["rename"], path: "/(place|restores)/" } });
  expect(killedAt.length).toBeGreaterThanOrEqual(runs(6, 8));
  report("kills of a restore with a token, on record", outcomes);
  expect(outcomes).toMatchObject({ finished: expect.any(Number), "restored again": expect.any(Number) });
});

/** Kills with --replace. After every other one the same restore follows, after the others one that replaces nothing. */
async function replaced(options: CrashPointOptions, outcomes: Record<string, number>, round: number): Promise<CrashSummary> {
  const restore = async (run: CrashRun): Promise<CommandResult> => {
    await rm(place, { recursive: true, force: true });
    for (const [path, text] of Object.entries(OLD)) {
      await mkdir(dirname(join(place, path)), { recursive: true });
      await writeFile(join(place, path), text);
    }
    return runCli([...COMMAND, "--replace"], run);
  };
  let number = round;
  return forEachCrashPoint(
    restore,
    async (_, point) => {
      if (point === undefined) return;
      const outcome = number++ % 2 === 0 ? await sameAgain() : await another();
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    },
    options,
  );
}

/** What was killed, as it is found: with its journal where all guards are set or some removed again, all in place, or none of it. */
async function left(): Promise<{ state: "journal" | "new" | "old"; clusterId?: string }> {
  const guarded = TARGETS.filter(({ dataDir }) => existsSync(join(dataDir, "proxy")));
  const isOld = await isOldInPlace();
  if (guarded.length === TARGETS.length || (guarded.length > 0 && !isOld)) {
    const { journal } = JSON.parse(await readFile(join(guarded[0]!.dataDir, "proxy/etcdsafe-restore.json"), "utf8"));
    return { state: "journal", clusterId: journal.result.plan.clusterId };
  }
  if (!isOld) await noMemberIsHalf(true);
  return { state: isOld ? "old" : "new" };
}

async function sameAgain(): Promise<string> {
  const { state, clusterId } = await left();
  const { exitCode, stdout, stderr } = await runCli([...COMMAND, "--replace"]);
  expect(exitCode, stderr).toBe(0);
  const result = JSON.parse(stdout);
  await noMemberIsHalf(true);
  expect(await keptFiles()).toEqual(Object.values(OLD).sort());
  if (state !== "journal") {
    expect(result.finishes).toBeNull();
    return state === "old" ? "nothing was begun" : "done before the kill";
  }
  expect(result).toMatchObject({ finishes: expect.stringMatching(/^20/), plan: { clusterId } });
  return "finished";
}

/** One with a token of its own. It may replace nothing, so it is refused, by what is there once it has settled what it found. */
async function another(): Promise<string> {
  const { state } = await left();
  const { exitCode, stderr } = await runCli([...COMMAND, "--initial-cluster-token", "another"]);
  expect({ exitCode, error: logLines(stderr).at(-1) }).toMatchObject({ exitCode: 9, error: { code: "TARGET_NOT_EMPTY" } });
  const isOld = await isOldInPlace();
  expect(TARGETS.map(({ dataDir }) => existsSync(join(dataDir, "proxy")))).toEqual([false, false]);
  if (!isOld) {
    await noMemberIsHalf(true);
    return state === "journal" ? "finished" : "done before the kill";
  }
  expect(state).not.toBe("new");
  return state === "journal" ? "undone" : "nothing was begun";
}

async function isOldInPlace(): Promise<boolean> {
  const found = await Promise.all(Object.keys(OLD).map((path) => readFile(join(place, path), "utf8").catch(() => undefined)));
  return isDeepStrictEqual(found, Object.values(OLD));
}

/** The contents of what was kept, as far as they are those of the old members. */
async function keptFiles(): Promise<string[]> {
  const files = (await readdir(place, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const kept = files.filter(({ parentPath }) => parentPath.includes("before-restore-")).map(({ parentPath, name }) => join(parentPath, name));
  const small = await Promise.all(kept.map(async (path) => ((await stat(path)).size < 100 ? [await readFile(path, "utf8")] : [])));
  return small.flat().sort();
}

/** With the command run again after every kill, or every so many. */
async function killed(options: CrashPointOptions, againEvery = 1): Promise<CrashSummary> {
  const outcomes = { restored: 0, "restored, with leftovers": 0, finished: 0, refused: 0 };
  let number = 0;
  const restore = async (run: CrashRun): Promise<CommandResult> => {
    await rm(place, { recursive: true, force: true });
    return runCli(COMMAND, run);
  };
  const summary = await forEachCrashPoint(
    restore,
    async (_, point) => {
      await noMemberIsHalf();
      if (point !== undefined && number++ % againEvery === 0) outcomes[await again()]++;
    },
    options,
  );
  report("kills of a restore", {
    ...Object.fromEntries(
      Map.groupBy(summary.killedAt, ({ effect }) => effect.kind)
        .entries()
        .map(([kind, all]) => [kind, all.length]),
    ),
    ...outcomes,
  });
  return summary;
}

/** Every member that is in place and may be started is one that nothing is wrong with, and has its WAL. */
async function noMemberIsHalf(all = false): Promise<void> {
  for (const { name, dataDir, walDir } of TARGETS) {
    if (!all && (!existsSync(join(dataDir, "member")) || existsSync(join(dataDir, "proxy")))) continue;
    const inspection = await inspectPath(dataDir, { signal, runtime: quietRuntime });
    expect(inspection).toMatchObject({ snapshot: { findings: [], revision: "61" }, dataDirectory: { raftSnapshots: [{ index: "2", fault: null }] } });
    const { wal } = walDir === undefined ? inspection : await inspectPath(walDir, { signal, runtime: quietRuntime });
    expect(wal).toMatchObject({ segments: [{ name: WAL_NAME, sizeBytes: 64_000_000 }], snapshot: { index: "2", term: "1" }, fault: null });
    if (walDir === undefined) expect(inspection.dataDirectory).toMatchObject({ memberName: name, unappliedEntries: "0", findings: [] });
  }
}

/** The same command again, where `place` is as it was left. */
async function again(): Promise<"restored" | "restored, with leftovers" | "finished" | "refused"> {
  const leftovers = await stages();
  const isJournalled = TARGETS.some(({ dataDir }) => existsSync(join(dataDir, "proxy")));
  const isDone = !isJournalled && TARGETS.some(({ dataDir }) => existsSync(join(dataDir, "member")));
  const { exitCode, stdout, stderr } = await runCli(COMMAND);
  if (isDone) {
    expect(logLines(stderr).at(-1)).toMatchObject({ code: "TARGET_NOT_EMPTY", message: expect.stringContaining('"member"') });
    return "refused";
  }
  expect(exitCode, stderr).toBe(0);
  await noMemberIsHalf(true);
  if (isJournalled) return "finished";
  expect(JSON.parse(stdout).leftovers.toSorted()).toEqual(leftovers);
  return leftovers.length > 0 ? "restored, with leftovers" : "restored";
}

/** What a restore wrote to and did not put in place. */
async function stages(): Promise<string[]> {
  const found: string[] = [];
  for (const each of TARGETS.flatMap(({ dataDir, walDir }) => (walDir === undefined ? [dataDir] : [dataDir, walDir]))) {
    for (const name of await readdir(each).catch(() => [])) if (name.includes(".etcdsafe-")) found.push(join(each, name));
  }
  return found.sort();
}
