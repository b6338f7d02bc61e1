// What a power failure could take back of a restore: nothing of what is renamed into place, and once it has ended, nothing at all.
// The order is that of etcd-formats §8.12: contents, directories, rename, the directory that holds the new name.
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../support/cli.ts";
import { randomHistory } from "../support/random-history.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import type { RecordedEffect } from "./kit/crash-effects.ts";
import { unsyncedAfter } from "./kit/durability.ts";
import { recordEffects } from "./kit/for-each-crash-point.ts";

const directory = await temporaryDirectory("restore-syncs");
const snapshot = join(directory.path, "etcd.db");

beforeAll(() => writeFile(snapshot, buildSnapshot(randomHistory(7, { revisions: 60, keys: 20 }))));
afterAll(() => directory.remove());

/** What a restore of the snapshot did to files. */
async function restored(...flags: readonly string[]): Promise<RecordedEffect[]> {
  return (await recordEffects((run) => runCli(["restore", snapshot, ...flags], run))).effects;
}

/** What came into place, in this order; each with what of the run was not on the disk yet when that began. */
function arrivals(effects: readonly RecordedEffect[]): [string, string[]][] {
  return effects.flatMap(({ kind, path, ended }, index): [string, string[]][] =>
    (kind === "rename" || kind === "link") && !ended ? [[path, unsyncedAfter(effects, index)]] : [],
  );
}

const ONE = ["--name", "a", "--initial-cluster", "a=http://127.0.0.1:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380"];
const WAL_NAME = "0000000000000000-0000000000000000.wal";

/** What a guard is called before it has its name, and after. */
const GUARD_STAGE = /\/journal\.etcdsafe-[a-z2-7]+$/;

/** Renames, with the guards told apart; each with what of the run was not on the disk yet when it began, but for the names of guards to come. */
function steps(effects: readonly RecordedEffect[]): string[] {
  return arrivals(effects).map(([path, unsynced]) => {
    const dataDir = dirname(path);
    const isGuard = path.endsWith("/proxy");
    // That its stage has come into the directory is kept together with the name it gets.
    const left = unsynced.filter((each) => !(isGuard && each === dataDir));
    const what = isGuard ? `guard ${dataDir}` : GUARD_STAGE.test(path) ? `release ${dataDir}` : path.replace(/before-restore-[0-9TZ]+/, "before");
    return left.length === 0 ? what : `${what}, before it was on the disk: ${left.join(", ")}`;
  });
}

test("restore: everything of a member, and all directories made for it, are on the disk before its rename, and the rename when it ends", async () => {
  const dataDir = join(directory.path, "one/new/data");
  const effects = await restored(...ONE, "--data-dir", dataDir);
  expect(steps(effects)).toEqual([`guard ${dataDir}`, join(dataDir, "member"), `release ${dataDir}`]);
  const written = new Set(effects.filter(({ kind, path }) => kind === "write" && path.startsWith(dataDir)).map(({ path }) => path.replace(/^.*\//, "")));
  expect(written).toEqual(new Set(["db", WAL_NAME, "0000000000000001-0000000000000001.snap", "etcdsafe-restore.json"]));
  expect(unsyncedAfter(effects)).toEqual([]);
});

test("restore: a WAL of a directory of its own is on the disk before its rename, and that before the member's", async () => {
  const [dataDir, walDir] = [join(directory.path, "wal/data"), join(directory.path, "wal/logs/a")];
  const effects = await restored(...ONE, "--data-dir", dataDir, "--wal-dir", walDir);
  expect(steps(effects)).toEqual([`guard ${dataDir}`, join(walDir, WAL_NAME), join(dataDir, "member"), `release ${dataDir}`]);
  expect(unsyncedAfter(effects)).toEqual([]);
});

test("restore --replace: each of the renames is on the disk before the next, and all guards before the first and until the last", async () => {
  const place = join(directory.path, "replaced");
  const old = ["a/member/snap/db", "b/member/snap/db", "c/member/snap/db", `logs/b/${WAL_NAME}`];
  for (const path of old) {
    await mkdir(dirname(join(place, path)), { recursive: true });
    await writeFile(join(place, path), "old");
  }
  const members = ["a", "b", "c"].map((name, index) => {
    const walDir = name === "b" ? `, walDir: ${place}/logs/b` : "";
    return `  - {name: ${name}, peerUrls: ["http://10.0.0.${index + 1}:2380"], dataDir: ${place}/${name}${walDir}}\n`;
  });
  await writeFile(join(directory.path, "members.yaml"), `members:\n${members.join("")}`);
  // The token decides the members' order.
  const effects = await restored("--members", join(directory.path, "members.yaml"), "--all-members", "--replace", "--initial-cluster-token", "t");
  const done = steps(effects).map((step) => step.replaceAll(`${place}/`, ""));
  const order = done.slice(0, 3).map((step) => step.replace("guard ", ""));
  expect(order.toSorted()).toEqual(["a", "b", "c"]);
  expect(done.slice(3)).toEqual([
    ...order.flatMap((name) => [`${name}/member.before`, ...(name === "b" ? [`logs/b/before/${WAL_NAME}`, `logs/b/${WAL_NAME}`] : []), `${name}/member`]),
    ...order.map((name) => `release ${name}`),
  ]);
  expect(effects.findLastIndex(({ kind }) => kind === "write")).toBeLessThan(
    effects.findIndex(({ kind, path }) => kind === "rename" && !path.endsWith("/proxy")),
  );
  expect(unsyncedAfter(effects)).toEqual([]);
});

test("restore: owner and mode of everything are on the disk before it comes into place", async () => {
  expect(process.getuid?.(), "only root may give files to others: run this test as root").toBe(0);
  const [dataDir, walDir] = [join(directory.path, "owned/data"), join(directory.path, "owned/logs/a")];
  const flags = [...ONE, "--data-dir", dataDir, "--wal-dir", walDir];
  await restored(...flags, "--owner", "1001:1002");
  for (const path of ["member", "member/snap"]) await chmod(join(dataDir, path), 0o750);
  await chmod(join(dataDir, "member/snap/db"), 0o640);
  for (const [effects, changed] of [
    [await restored(...flags, "--replace", "--owner", "1003:1004"), 7],
    [await restored(...ONE, "--data-dir", join(directory.path, "owned/new/data"), "--owner", "1001:1002"), 8],
  ] as const) {
    expect(steps(effects).filter((step) => step.includes("before it was on the disk"))).toEqual([]);
    expect(unsyncedAfter(effects)).toEqual([]);
    expect(new Set(effects.filter(({ kind }) => kind === "access").map(({ path }) => path)).size).toBeGreaterThanOrEqual(changed);
  }
});

test("restore --to-snapshot: the file is on the disk before it gets its name, and the name when it ends", async () => {
  const output = join(directory.path, "bumped.db");
  const effects = await restored("--to-snapshot", output, "--bump-revision", "100", "--mark-compacted");
  expect(arrivals(effects)).toEqual([[output, [dirname(output)]]]);
  expect(unsyncedAfter(effects)).toEqual([]);
});
