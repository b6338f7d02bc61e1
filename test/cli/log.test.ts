import { expect, test } from "vitest";
import { makeReporter, type ReporterOptions } from "../../src/cli/log.ts";

function reporter(options: Partial<ReporterOptions> & { isTTY?: boolean } = {}) {
  let written = "";
  let nowMs = 0;
  const made = makeReporter({
    stream: { columns: 100, isTTY: options.isTTY ?? false, write: (text: string) => (written += text) },
    format: "text",
    level: "info",
    now: () => new Date(0),
    monotonicMs: () => nowMs,
    ...options,
  });
  const at = (ms: number) => {
    nowMs = ms;
  };
  return { ...made, at, written: () => written, end: () => made[Symbol.dispose]() };
}

test("log: text with level and fields, on one line each, without control characters", () => {
  const { log, written } = reporter();
  log({ level: "info", message: "saved" });
  log({ level: "warn", message: "slow\x1b[1m", fields: { member: "m\n1", lagMs: 5 } });
  log({ level: "debug", message: "hidden" });
  expect(written()).toBe("saved\nwarning: slow\\x1b[1m (member m\\n1, lagMs 5)\n");
});

test("log: the level that was asked for, progress as info", () => {
  const { log, progress, at, written } = reporter({ level: "warn" });
  log({ level: "info", message: "saved" });
  progress({ step: "stream", doneBytes: 0 });
  at(60_000);
  progress({ step: "stream", doneBytes: 1 });
  expect(written()).toBe("");
});

test("log: JSON lines, progress among them", () => {
  const { log, progress, at, written } = reporter({ format: "json", isTTY: true });
  log({ level: "warn", message: "slow", fields: { member: "m1" } });
  progress({ step: "stream", doneBytes: 0, totalBytes: 9 });
  at(10_000);
  progress({ step: "stream", doneBytes: 5, totalBytes: 9 });
  const lines = written().trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { time: "1970-01-01T00:00:00.000Z", level: "warn", message: "slow", member: "m1" },
    { time: "1970-01-01T00:00:00.000Z", level: "info", message: "progress", step: "stream", doneBytes: 5, totalBytes: 9 },
  ]);
});

test("log: on a terminal, bars give way to lines and are taken away at the end", () => {
  const { log, progress, written, end } = reporter({ isTTY: true });
  progress({ step: "stream", doneBytes: 0, totalBytes: 9 });
  log({ level: "info", message: "saved" });
  end();
  const erase = "\x1b[1A\x1b[J";
  expect(written().split(erase)).toEqual([expect.stringMatching(/^stream .*\n$/), expect.stringMatching(/^saved\nstream .*\n$/), ""]);
});
