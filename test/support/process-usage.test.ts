import { expect, test } from "vitest";
import { measureProcess } from "./process-usage.ts";

const run = (source: string, rssLimitBytes?: number) =>
  measureProcess(process.execPath, ["--eval", source], { limitMs: 20_000, ...(rssLimitBytes === undefined ? {} : { rssLimitBytes }) });
const MB = 1000 ** 2;
/** Memory of a thread that is not the main one, given back before the end. */
const HOLD = `new (require("node:worker_threads").Worker)("let b = Buffer.alloc(150e6, 1); setTimeout(() => { b = null; gc(); }, 50)", { eval: true })`;

test("process usage: the peak counts memory of every thread, also what is no longer held at the end", async () => {
  const idle = await run("setTimeout(() => {}, 50)");
  const busy = await measureProcess(process.execPath, ["--expose-gc", "--eval", HOLD]);
  expect(busy.exitCode).toBe(0);
  expect(busy.maxRssBytes - idle.maxRssBytes).toBeGreaterThan(140 * MB);
  expect(busy.maxRssBytes - idle.maxRssBytes).toBeLessThan(200 * MB);
});

test("process usage: CPU time is that of all threads, waiting is none", async () => {
  // Counted by the threads themselves, so that it takes as long as it has to on a busy machine.
  const spin = "while (process.threadCpuUsage().user < 500_000);";
  const two = await run(`new (require("node:worker_threads").Worker)(${JSON.stringify(spin)}, { eval: true }); ${spin}`);
  const waiting = await run("setTimeout(() => {}, 600)");
  expect(waiting.wallMs).toBeGreaterThan(600);
  expect(waiting.cpuMs).toBeLessThan(400);
  expect(two.cpuMs).toBeGreaterThan(950);
});

test("process usage: who exceeds the limit is killed at once", async () => {
  await expect(run("const b = Buffer.alloc(300e6, 1); setTimeout(() => b, 15_000)", 200 * MB)).rejects.toThrow(/more than the 200000000 allowed/);
});

test("process usage: what was printed and the exit code are kept", async () => {
  expect(await run("console.log('out'); console.error('err'); process.exit(6)")).toMatchObject({ exitCode: 6, stdout: "out\n", stderr: "err\n" });
});
