import { spawn } from "node:child_process";
import { once } from "node:events";
import { hostname } from "node:os";
import { expect, test } from "vitest";
import { isProcessGone } from "../../src/cli/process-gone.ts";

test("a process: gone once it has ended, or had our own id before us; of another host nobody knows", async () => {
  const child = spawn("sleep", ["30"]);
  const pid = child.pid!;
  expect(isProcessGone({ host: hostname(), pid })).toBe(false);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(isProcessGone({ host: hostname(), pid })).toBe(true);
  expect(isProcessGone({ host: "another", pid })).toBe(false);
  expect(isProcessGone({ host: hostname(), pid: process.pid })).toBe(true);
  expect(isProcessGone({ host: hostname(), pid: 1 })).toBe(false);
});
