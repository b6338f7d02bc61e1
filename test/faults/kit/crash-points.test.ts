import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { NODE } from "../../support/cli.ts";
import { runCommand } from "../../support/command.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import type { Effect } from "./crash-effects.ts";
import { type CrashRun, chooseCrashPoints, forEachCrashPoint } from "./for-each-crash-point.ts";

/** Runs a module in a child, with `directory` as its working directory, emptied first. */
function inEmpty(directory: string, source: string) {
  return ({ nodeArguments, env }: CrashRun) => {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory);
    return runCommand(NODE, [...nodeArguments, "--input-type=module", "--eval", source], { cwd: directory, env: { ...process.env, ...env } });
  };
}

async function effectsOf(source: string): Promise<string[]> {
  await using directory = await temporaryDirectory();
  const { effects } = await forEachCrashPoint(inEmpty(join(directory.path, "w"), source), async () => undefined, { limit: 0 });
  return effects.map(({ kind, path, sizeBytes }) => [kind, path.replace(/^.*\//, ""), ...(sizeBytes === undefined ? [] : [sizeBytes])].join(" "));
}

test.each([
  [
    "sync functions",
    `import { openSync, writeSync, fsyncSync, closeSync, renameSync } from "node:fs"; const fd = openSync("a", "w"); writeSync(fd, "hello"); fsyncSync(fd); closeSync(fd); renameSync("a", "b");`,
  ],
  [
    "promises",
    `import { open, rename } from "node:fs/promises"; const f = await open("a", "w"); await f.write("hello"); await f.sync(); await f.close(); await rename("a", "b");`,
  ],
  [
    "a file's own writeFile",
    `import { open, rename } from "node:fs/promises"; const f = await open("a", "w"); await f.writeFile("hello"); await f.datasync(); await f.close(); await rename("a", "b");`,
  ],
  [
    "callbacks",
    `import fs from "node:fs"; fs.open("a", "w", (e, fd) => fs.write(fd, Buffer.from("hello"), () => fs.fdatasync(fd, () => fs.rename("a", "b", () => {}))));`,
  ],
  ["writeFileSync", `import { writeFileSync, renameSync } from "node:fs"; writeFileSync("a", "hello", { flush: true }); renameSync("a", "b");`],
  ["writeFile", `import { writeFile, rename } from "node:fs/promises"; await writeFile("a", "hello", { flush: true }); await rename("a", "b");`],
  ["writeFile with a callback", `import { writeFile, rename } from "node:fs"; writeFile("a", "hello", { flush: true }, () => rename("a", "b", () => {}));`],
  [
    "a write stream",
    `import { createWriteStream, renameSync } from "node:fs"; createWriteStream("a", { flush: true }).end("hello").on("close", () => renameSync("a", "b"));`,
  ],
  [
    "writev",
    `import { open, rename } from "node:fs/promises"; const f = await open("a", "w"); await f.writev([Buffer.from("he"), Buffer.from("llo")]); await f.sync(); await rename("a", "b");`,
  ],
  [
    "a worker",
    `import { Worker } from "node:worker_threads"; new Worker('import fs from "node:fs"; fs.writeFileSync("a", "hello", { flush: true }); fs.renameSync("a", "b")', { eval: true });`,
  ],
])("crash points: see each part of a save through %s", async (_, source) => {
  expect(await effectsOf(source)).toEqual(["open a", "write a 5", "sync a", "rename b"]);
});

test("crash points: see directories made, links, copies, cuts and removals, and neither reads nor what is printed", async () => {
  const source = `
    import fs from "node:fs";
    import { link, mkdir, truncate, unlink } from "node:fs/promises";
    await mkdir("d"); fs.writeFileSync("a", "x"); await link("a", "l"); fs.copyFileSync("a", "c"); await truncate("a", 0);
    fs.readFileSync("a"); console.log("printed"); fs.writeSync(2, "printed"); await unlink("l"); fs.rmdirSync("d"); fs.rmSync("c");`;
  expect(await effectsOf(source)).toEqual(["mkdir d", "open a", "write a 1", "link l", "copy c", "truncate a", "unlink l", "rm d", "rm c"]);
});

const SAVE = `
  import { open, rename } from "node:fs/promises";
  const f = await open("part", "w");
  await f.write(Buffer.from("0123"), 0, 4, 0); await f.write(Buffer.from("4567"), { position: 4 }); await f.sync(); await f.close();
  await rename("part", "whole");`;

test("crash points: every effect is died before, writes in the middle, the last one after", async () => {
  await using directory = await temporaryDirectory();
  const work = join(directory.path, "w");
  const left: string[] = [];
  const summary = await forEachCrashPoint(
    inEmpty(work, SAVE),
    async (_, point) => {
      const files = readdirSync(work).map((name) => `${name}:${readFileSync(join(work, name), "utf8")}`);
      left.push(`${point?.when ?? "done"} ${point?.effect.kind ?? ""} ${files}`.trim());
    },
    { limit: 100 },
  );
  expect(left).toEqual([
    "done  whole:01234567",
    "before open",
    "before write part:",
    "torn write part:01",
    "before write part:0123",
    "torn write part:012345",
    "before sync part:01234567",
    "before rename part:01234567",
    "after rename whole:01234567",
  ]);
  expect(summary).toMatchObject({ effects: { length: 5 }, killedAt: { length: 8 }, notReached: 0 });
});

test("crash points: only the effects asked for are counted, and one in a worker kills the whole process", async () => {
  await using directory = await temporaryDirectory();
  const work = join(directory.path, "w");
  const source = `
    import fs from "node:fs"; import { Worker } from "node:worker_threads";
    fs.writeFileSync("first", "1");
    const worker = new Worker('import fs from "node:fs"; fs.writeFileSync("manifest.json", "2"); fs.writeFileSync("last", "3")', { eval: true });
    worker.on("exit", () => { fs.writeFileSync("after", "4"); });`;
  const check = async () => expect(existsSync(join(work, "first"))).toBe(true);
  const summary = await forEachCrashPoint(inEmpty(work, source), check, { limit: 10, match: { kinds: ["write"], path: "manifest\\.json$" } });
  expect(summary.killedAt.map(({ at, when }) => `${at} ${when}`)).toEqual(["1 before", "1 torn", "1 after"]);
  expect(existsSync(join(work, "last"))).toBe(false);
});

test("crash points: a check that fails says where the run was killed", async () => {
  await using directory = await temporaryDirectory();
  const work = join(directory.path, "w");
  const check = async () => expect(existsSync(join(work, "whole"))).toBe(true);
  await expect(forEachCrashPoint(inEmpty(work, SAVE), check, { limit: 100 })).rejects.toThrow(/^killed before open of part \(1 of 5\)/);
});

test("crash points: a limited choice has every kind of effect in it", () => {
  const writes: Effect[] = Array.from({ length: 1000 }, (_, index) => ({ kind: "write", path: `data ${index}` }));
  const chosen = chooseCrashPoints([{ kind: "open", path: "a" }, ...writes, { kind: "rename", path: "b" }], {}, 10);
  expect(chosen).toHaveLength(10);
  expect(new Set(chosen.map(({ effect, when }) => `${effect.kind} ${when}`))).toEqual(
    new Set(["open before", "write before", "write torn", "rename before", "rename after"]),
  );
});
