import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { describe, expect, test, vi } from "vitest";
import { isProcessGone, processIdentity } from "../../src/cli/process-gone.ts";

const host = hostname();

describe.runIf(process.platform === "linux")("a process", () => {
  const own = processIdentity()!;
  const ticksOf = (pid: number) =>
    readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ")[19]!;

  test("is gone once it has ended, or another has its id", async () => {
    const child = spawn("sleep", ["30"]);
    const pid = child.pid!;
    const identity = { ...own, startTicks: ticksOf(pid) };
    expect(isProcessGone({ host, pid, process: identity })).toBe(false);
    expect(isProcessGone({ host, pid, process: { ...identity, startTicks: "1" } })).toBe(true);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(isProcessGone({ host, pid, process: identity })).toBe(true);
    // As in a container that was restarted.
    expect(isProcessGone({ host, pid: process.pid, process: { ...own, startTicks: "1" } })).toBe(true);
    expect(isProcessGone({ host, pid: process.pid, process: own })).toBe(false);
    expect(isProcessGone({ host, pid: 1, process: { ...own, startTicks: ticksOf(1) } })).toBe(false);
  });

  test("is gone when it is dead, also while its parent has not asked how it ended", async () => {
    // The parent waits for its input, and not for its child.
    const parent = spawn("sh", ["-c", "sleep 30 & echo $!; exec cat"], { stdio: ["pipe", "pipe", "ignore"] });
    try {
      const pid = Number(String((await once(parent.stdout, "data"))[0]));
      const identity = { ...own, startTicks: ticksOf(pid) };
      expect(isProcessGone({ host, pid, process: identity })).toBe(false);
      // A shell would ask how it ended.
      await vi.waitFor(() => expect(readFileSync(`/proc/${parent.pid}/comm`, "utf8")).toBe("cat\n"), { timeout: 10_000 });
      process.kill(pid, "SIGKILL");
      await vi.waitFor(() => expect(readFileSync(`/proc/${pid}/stat`, "utf8")).toMatch(/\) Z /), { timeout: 10_000 });
      expect(isProcessGone({ host, pid, process: identity })).toBe(true);
    } finally {
      parent.stdin.end();
      await once(parent, "exit");
    }
  });

  test("of another kernel or another PID namespace, or that does not say which, is not known to be gone, whatever its host's name and its id", async () => {
    const child = spawn("true");
    await once(child, "exit");
    const pid = child.pid!;
    expect(isProcessGone({ host, pid, process: own })).toBe(true);
    for (const elsewhere of [{ ...own, bootId: "another" }, { ...own, pidNamespace: "pid:[1]" }, undefined]) {
      expect(isProcessGone({ host, pid, process: elsewhere })).toBe(false);
      expect(isProcessGone({ host, pid: process.pid, process: elsewhere })).toBe(false);
    }
  });
});
