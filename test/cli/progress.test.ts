import { expect, test } from "vitest";
import { plainProgress, terminalProgress } from "../../src/cli/progress.ts";

/** What a terminal shows after everything written to it. Knows what the display uses: lines, cursor up, erase below. */
function screenOf(text: string): string[] {
  const lines: string[] = [""];
  let row = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of terminals.
  for (const [part, up] of text.matchAll(/\x1b\[(\d+)A|\x1b\[J|\n|[^\x1b\n]+/g)) {
    if (up !== undefined) row -= Number(up);
    else if (part === "\x1b[J") lines.length = row;
    else if (part === "\n") row++;
    else lines[row] = part;
    lines[row] ??= "";
  }
  return lines.slice(0, -1);
}

function terminal(columns = 120) {
  let written = "";
  let nowMs = 0;
  const display = terminalProgress({ columns, write: (text) => (written += text) }, () => nowMs);
  const at = (ms: number) => {
    nowMs = ms;
  };
  return { display, at, screen: () => screenOf(written), written: () => written };
}

test("progress bar: share, sizes, rate and time left", () => {
  const { display, at, screen } = terminal();
  display.report({ step: "stream", doneBytes: 0, totalBytes: 100_000_000 });
  at(1000);
  display.report({ step: "stream", doneBytes: 25_000_000, totalBytes: 100_000_000 });
  expect(screen()).toEqual(["stream      [#######-----------------------]   25 %  25.0 MB of 100.0 MB  25.0 MB/s  3.0 s left"]);
  at(2000);
  display.report({ step: "stream", doneBytes: 100_000_000, totalBytes: 100_000_000, done: true });
  expect(screen()).toEqual(["stream: 100.0 MB in 2.0 s, 50.0 MB/s"]);
});

test("progress bar: without a total, size and rate", () => {
  const { display, at, screen } = terminal();
  display.report({ step: "stream", doneBytes: 0 });
  at(2000);
  display.report({ step: "stream", doneBytes: 3_000_000 });
  expect(screen()).toEqual(["stream      3.0 MB  1.5 MB/s"]);
});

test("progress bar: steps side by side, and lines above them", () => {
  const { display, at, screen } = terminal();
  display.report({ step: "stream", doneBytes: 0, totalBytes: 10 });
  at(200);
  display.report({ step: "upload", doneBytes: 0, totalBytes: 10 });
  display.line("warning: something");
  at(400);
  display.report({ step: "stream", doneBytes: 10, totalBytes: 10, done: true });
  expect(screen()).toEqual(["warning: something", "stream: 10 B in 0.4 s, 25 B/s", expect.stringMatching(/^upload {6}\[-{30}\] {4}0 % {2}0 B of 10 B/)]);
  display.clear();
  expect(screen()).toHaveLength(2);
});

test("progress bar: redraws ten times a second at most", () => {
  const { display, at, written } = terminal();
  for (let ms = 0; ms < 1000; ms++) {
    at(ms);
    display.report({ step: "stream", doneBytes: ms, totalBytes: 1000 });
  }
  expect(written().split("\n").length - 1).toBe(10);
});

test("progress bar: the rate falls while nothing comes", () => {
  const { display, at, screen } = terminal();
  display.report({ step: "stream", doneBytes: 0, totalBytes: 100 });
  at(1000);
  display.report({ step: "stream", doneBytes: 50, totalBytes: 100 });
  at(5000);
  display.tick();
  expect(screen()[0]).toContain("10 B/s");
});

test.each([
  [0, "stream      [#######-------]   50 %  50.0 MB of 100.0 MB  50.0 MB/s  1.0 s left"],
  [80, "stream      [#######-------]   50 %  50.0 MB of 100.0 MB  50.0 MB/s  1.0 s left"],
  [65, "stream       50 %  50.0 MB of 100.0 MB  50.0 MB/s  1.0 s left"],
])("progress bar: as wide as %i columns allow, for the numbers say more", (columns, line) => {
  const { display, at, screen } = terminal(columns);
  display.report({ step: "stream", doneBytes: 0, totalBytes: 100_000_000 });
  at(1000);
  display.report({ step: "stream", doneBytes: 50_000_000, totalBytes: 100_000_000 });
  expect(screen()).toEqual([line]);
});

test("progress bar: never wraps, whatever the terminal's width", () => {
  const { display, screen } = terminal(20);
  display.report({ step: "a step with a long name", doneBytes: 5, totalBytes: 10 });
  expect(screen()).toEqual(["a step with a long "]);
});

test("progress bar: more than promised is not more than all", () => {
  const { display, screen } = terminal();
  display.report({ step: "stream", doneBytes: 30, totalBytes: 10 });
  expect(screen()[0]).toContain("100 %");
});

test("progress lines: every ten seconds, and none for short steps", () => {
  const lines: string[] = [];
  let nowMs = 0;
  const { report } = plainProgress(
    (text) => lines.push(text),
    () => nowMs,
  );
  for (nowMs = 0; nowMs <= 25_000; nowMs += 100) report({ step: "stream", doneBytes: nowMs * 1000, totalBytes: 50_000_000 });
  report({ step: "stream", doneBytes: 50_000_000, totalBytes: 50_000_000, done: true });
  report({ step: "check", doneBytes: 0 });
  nowMs += 5_000;
  report({ step: "check", doneBytes: 10, done: true });
  expect(lines).toEqual([
    "stream: 10.0 MB of 50.0 MB (20 %), 1.0 MB/s, 40 s left",
    "stream: 20.0 MB of 50.0 MB (40 %), 1.0 MB/s, 30 s left",
    "stream: 50.0 MB in 25 s, 2.0 MB/s",
  ]);
});
