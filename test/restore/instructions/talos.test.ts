import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { talosInstructions } from "../../../src/restore/instructions/talos.ts";
import { runCommand } from "../../support/command.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const STEPS = talosInstructions({
  file: "/backup/restore.db",
  restoreCommand: "true",
  adoptCommand: null,
  quotaBackendBytes: 2 * 1024 ** 3,
  time: "20261121T120000Z",
})[0]!.steps;

/** Nodes of the directory `nodes`: those that are not there do not answer, those without `member` have none, and with `full` copying stops half way. */
const TALOSCTL = `#!/bin/sh
node=nodes/$2; shift 2
[ -e "$node" ] || { echo "connection refused" >&2; exit 1; }
case $1 in
cp) [ -e "$node/member" ] || exit 1
  mkdir -p "$3/member/snap"; echo db >"$3/member/snap/db"
  [ ! -e "$node/full" ] || { echo "no space left on device" >&2; exit 1; } ;;
ls) [ ! -e "$node/member" ] || printf 'NODE NAME\\n10.0.0.1 .\\n10.0.0.1 snap\\n10.0.0.1 wal\\n' ;;
reset) touch "$node/wiped" ;;
service) [ -e "$node/wiped" ] && echo "STATE Preparing" ;;
esac
`;

async function nodes(each: Readonly<Record<string, readonly string[]>>, before: string) {
  const directory = await temporaryDirectory("talos");
  for (const [node, files] of Object.entries(each)) {
    await mkdir(join(directory.path, "nodes", node), { recursive: true });
    for (const file of files) await writeFile(join(directory.path, "nodes", node, file), "");
  }
  const talosctl = join(directory.path, "talosctl");
  await writeFile(talosctl, TALOSCTL);
  await chmod(talosctl, 0o755);
  const run = (step: number) => {
    const script = [before, ...STEPS.find(({ number }) => number === step)!.commands].join("\n");
    return runCommand("sh", ["-c", script], {
      cwd: directory.path,
      env: { ...process.env, PATH: `${directory.path}:${process.env["PATH"]}` },
      limitMs: 20_000,
    });
  };
  const wiped = async () => {
    const names = (await readdir(join(directory.path, "nodes"), { recursive: true })).filter((name) => name.endsWith("/wiped"));
    return names.map((name) => name.split("/")[0]).sort();
  };
  return { path: directory.path, run, wiped, [Symbol.asyncDispose]: () => directory.remove() };
}

const ALL = 'export FIRST=a; ALL="a b c"';

test("Talos: nothing is wiped while one node's member is not kept whole; then all of them are", async () => {
  await using scene = await nodes({ a: ["member"], b: ["member", "full"], c: ["member"] }, ALL);
  const kept = await scene.run(2);
  expect(kept.stdout).toBe("b: NOT KEPT\n");
  const stopped = await scene.run(4);
  expect(stopped.stdout).toMatch(/^STOP: b has a member, and step 2 has not kept it/);
  expect(stopped.exitCode).not.toBe(0);
  expect(await scene.wiped()).toEqual([]);
  await runCommand("rm", [join(scene.path, "nodes/b/full")]);
  expect((await scene.run(2)).stdout).toBe("");
  expect(await readFile(join(scene.path, "etcd-b-20261121T120000Z/member/snap/db"), "utf8")).toBe("db\n");
  expect(await scene.run(4)).toMatchObject({ exitCode: 0, stdout: "" });
  expect(await scene.wiped()).toEqual(["a", "b", "c"]);
});

test("Talos: a node that does not answer, or has no member, is passed over with a word, and not wiped", async () => {
  await using scene = await nodes({ a: ["member"], c: [] }, ALL);
  expect((await scene.run(2)).stdout).toBe("b: NOT KEPT\nc: NOT KEPT\n");
  const { exitCode, stdout } = await scene.run(4);
  expect(stdout).toBe(["b", "c"].map((node) => `${node}: passed over, since it does not answer or has no member\n`).join(""));
  expect(exitCode).toBe(0);
  expect(await scene.wiped()).toEqual(["a"]);
});

test("Talos: where the addresses are named, it is said which shell takes them for several", () => {
  expect(STEPS[0]).toMatchObject({ number: 1, why: expect.stringMatching(/^In `bash` or `sh`/) });
});
