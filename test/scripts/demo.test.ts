// The demo that is stopped half way leaves no etcd, and nothing of their data.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { NODE } from "../support/cli.ts";
import { startCommand } from "../support/command.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const DEMO = fileURLToPath(new URL("../../scripts/demo.ts", import.meta.url));

/** Ids of processes whose command line names this directory. */
async function processesIn(directory: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(join("/proc", pid, "cmdline"), "utf8").catch(() => "")));
  return pids.filter((_pid, index) => lines[index]!.includes(directory)).map(Number);
}

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)(
  "demo: %s ends its members, and removes their data",
  async (signal, exitCode) => {
    await using directory = await temporaryDirectory("demo");
    const demo = startCommand(NODE, [DEMO], { cwd: directory.path, env: { ...process.env, TMPDIR: directory.path } });
    try {
      await demo.printed(/· start three members/);
      expect(await processesIn(directory.path)).toHaveLength(3);
      demo.signal(signal);
      expect(await demo.finished).toMatchObject({ exitCode });
      expect(await processesIn(directory.path)).toEqual([]);
      expect((await readdir(directory.path)).filter((name) => name !== "etcdsafe-test-ports")).toEqual([".demo"]);
      expect(await readdir(join(directory.path, ".demo"))).toEqual([]);
    } finally {
      for (const pid of await processesIn(directory.path)) process.kill(pid, "SIGKILL");
    }
  },
  60_000,
);

test("demo: what it cannot have is said in one line, and how to get it", async () => {
  await using directory = await temporaryDirectory("demo");
  const env = { ...process.env, ETCDSAFE_ETCD_3_7: directory.path };
  const demo = startCommand(NODE, [DEMO], { cwd: directory.path, env });
  expect(await demo.finished).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/^etcdsafe: ETCDSAFE_ETCD_3_7\b.*\n$/) });
  const file = join(directory.path, "file");
  await writeFile(file, "");
  const nowhere = startCommand(NODE, [DEMO], { cwd: directory.path, env: { ...process.env, TMPDIR: file } });
  expect(await nowhere.finished).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/^etcdsafe: E[A-Z]+: .*file.*\n$/) });
});
