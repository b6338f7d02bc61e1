// SIGKILL at every kind of step of a restore, and around each of its renames. Whatever moment it hits: a member is whole or not there at all, and
// the same command, run again, restores or says which directory is in the way.
import { existsSync } from "node:fs";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
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
const TIMEOUT = { timeout: runs(120_000, 1_800_000) };
/** Of effects, but renames; each is killed before one, writes also in the middle, and the last of all also after it. */
const KINDS = ["mkdir", "copy", "open", "write", "truncate", "sync"] as const;
const COMMAND = ["restore", snapshot, "--members", membersFile, "--all-members", "--log-format", "json", "-o", "json"];

beforeAll(async () => {
  await writeFile(snapshot, buildSnapshot(randomHistory(7, { revisions: 60, keys: 20 })));
  const members = TARGETS.map(({ name, dataDir, walDir }, index) => {
    const wal = walDir === undefined ? "" : `, walDir: ${walDir}`;
    return `  - {name: ${name}, peerUrls: ["http://10.0.0.${index + 1}:2380"], dataDir: ${dataDir}${wal}}\n`;
  });
  await writeFile(membersFile, `members:\n${members.join("")}`);
});
afterAll(() => directory.remove());

test("a restore killed before or after any of its renames leaves whole members or none", TIMEOUT, async () => {
  const summary = await killed({ limit: Number.POSITIVE_INFINITY, match: { kinds: ["rename"] } });
  expect(summary.killedAt.map(({ at, when }) => `${when} ${at}`)).toEqual(["before 1", "before 2", "before 3", "after 3"]);
});

test("a restore killed at any other of its steps leaves nothing in place, or all of it", TIMEOUT, async () => {
  const { killedAt } = await killed({ limit: runs(KINDS.length + 2, 1_000), match: { kinds: KINDS } }, runs(4, 1));
  expect(killedAt.length).toBeGreaterThanOrEqual(runs(KINDS.length + 2, 40));
  expect(new Set(killedAt.map(({ effect }) => effect.kind))).toEqual(new Set(KINDS));
});

/** With the command run again after every kill, or every so many. */
async function killed(options: CrashPointOptions, againEvery = 1): Promise<CrashSummary> {
  const outcomes = { restored: 0, "restored, with leftovers": 0, refused: 0 };
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

/** Every member that is in place is one that nothing is wrong with, and has its WAL. */
async function noMemberIsHalf(): Promise<void> {
  for (const { name, dataDir, walDir } of TARGETS) {
    if (!existsSync(join(dataDir, "member"))) continue;
    const inspection = await inspectPath(dataDir, { signal, runtime: quietRuntime });
    expect(inspection).toMatchObject({ snapshot: { findings: [], revision: "61" }, dataDirectory: { raftSnapshots: [{ index: "2", fault: null }] } });
    const { wal } = walDir === undefined ? inspection : await inspectPath(walDir, { signal, runtime: quietRuntime });
    expect(wal).toMatchObject({ segments: [{ name: WAL_NAME, sizeBytes: 64_000_000 }], snapshot: { index: "2", term: "1" }, fault: null });
    if (walDir === undefined) expect(inspection.dataDirectory).toMatchObject({ memberName: name, unappliedEntries: "0", findings: [] });
  }
}

/** The same command again, where `place` is as it was left. */
async function again(): Promise<"restored" | "restored, with leftovers" | "refused"> {
  const left = await stages();
  const inTheWay = TARGETS.flatMap(({ dataDir, walDir }) => [
    ...(existsSync(join(dataDir, "member")) ? [`the data directory ${dataDir} is not empty: it holds "member"`] : []),
    ...(walDir !== undefined && existsSync(join(walDir, WAL_NAME)) ? [`the WAL directory ${walDir} is not empty: it holds "${WAL_NAME}"`] : []),
  ]);
  const { exitCode, stdout, stderr } = await runCli(COMMAND);
  if (inTheWay.length > 0) {
    const error = logLines(stderr).at(-1)!;
    expect(error.code).toBe("TARGET_NOT_EMPTY");
    expect(inTheWay).toContain(error.message);
    return "refused";
  }
  expect(exitCode, stderr).toBe(0);
  expect(JSON.parse(stdout).leftovers.toSorted()).toEqual(left);
  for (const { dataDir } of TARGETS) expect(existsSync(join(dataDir, "member"))).toBe(true);
  return left.length > 0 ? "restored, with leftovers" : "restored";
}

/** What a restore wrote to and did not put in place. */
async function stages(): Promise<string[]> {
  const found: string[] = [];
  for (const each of TARGETS.flatMap(({ dataDir, walDir }) => (walDir === undefined ? [dataDir] : [dataDir, walDir]))) {
    for (const name of await readdir(each).catch(() => [])) if (name.includes(".etcdsafe-")) found.push(join(each, name));
  }
  return found.sort();
}
