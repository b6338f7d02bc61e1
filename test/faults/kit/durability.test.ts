import { expect, test } from "vitest";
import { NODE } from "../../support/cli.ts";
import { runCommand } from "../../support/command.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import type { Effect, EffectKind, RecordedEffect } from "./crash-effects.ts";
import { unsyncedAfter } from "./durability.ts";
import { recordEffects } from "./for-each-crash-point.ts";

/** Each ended before the next began. */
function done(...effects: readonly (readonly [EffectKind, string, string?])[]): RecordedEffect[] {
  return effects.flatMap(([kind, path, from]): RecordedEffect[] => {
    const effect: Effect = from === undefined ? { kind, path } : { kind, path, from };
    return [effect, { ...effect, ended: true }];
  });
}

const WRITTEN = done(["mkdir", "/d"], ["open", "/d/a"], ["write", "/d/a"]);
const KEPT = [...WRITTEN, ...done(["sync", "/d/a"], ["sync", "/d"], ["sync", "/"])];

test("durability: a file and its name are kept by syncs of their own, each after the change", () => {
  expect(unsyncedAfter(WRITTEN)).toEqual(["/", "/d", "/d/a"]);
  expect(unsyncedAfter(KEPT)).toEqual([]);
  expect(unsyncedAfter([...KEPT, ...done(["truncate", "/d/a"])])).toEqual(["/d/a"]);
  expect(unsyncedAfter(done(["open", "/a"], ["sync", "/a"], ["sync", "/"], ["copy", "/b", "/a"], ["copy", "/a", "/b"]))).toEqual(["/", "/a", "/b"]);
});

test("durability: what was renamed or linked goes on under its new names, which have to be kept too", () => {
  const moved = [...KEPT, ...done(["rename", "/e", "/d"])];
  expect(unsyncedAfter(moved)).toEqual(["/"]);
  expect(unsyncedAfter([...moved, ...done(["write", "/e/a"], ["sync", "/"])])).toEqual(["/e/a"]);
  expect(unsyncedAfter([...KEPT, ...done(["link", "/b", "/d/a"], ["write", "/b"], ["sync", "/"])])).toEqual(["/b", "/d/a"]);
});

test("durability: what failed, what is gone again, and what has no name is nothing that could be lost", () => {
  expect(
    unsyncedAfter([...KEPT, { kind: "mkdir", path: "/x/d" }, { kind: "rename", path: "/y", from: "/z" }, ...done(["write", "/d/spool (deleted)"])]),
  ).toEqual([]);
  expect(unsyncedAfter([...WRITTEN, ...done(["rm", "/d"], ["sync", "/"])])).toEqual([]);
});

test("durability: a sync that nobody waited for, or that began before a write had ended, keeps nothing", async () => {
  await using directory = await temporaryDirectory("durability");
  const source = `
    import { open, rename } from "node:fs/promises"; import { closeSync, openSync, writeFileSync } from "node:fs";
    process.chdir(${JSON.stringify(directory.path)});
    const file = async (name) => { const path = process.cwd() + "/" + name; closeSync(openSync(path, "w")); return open(path, "r+"); };
    const waited = await file("waited"); await waited.write("1"); await waited.sync();
    const early = await file("early"); const writing = early.write("1"); const syncing = early.sync(); await writing; await syncing;
    const left = await file("left"); await left.write("1"); left.sync();
    await rename(process.cwd() + "/left", process.cwd() + "/moved");`;
  const { effects } = await recordEffects(({ nodeArguments, env }) =>
    runCommand(NODE, [...nodeArguments, "--input-type=module", "--eval", source], { env: { ...process.env, ...env } }),
  );
  const beforeRename = unsyncedAfter(
    effects,
    effects.findIndex(({ kind }) => kind === "rename"),
  );
  expect(beforeRename).toEqual([directory.path, `${directory.path}/early`, `${directory.path}/left`]);
});
