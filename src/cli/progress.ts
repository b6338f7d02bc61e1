// Progress of long steps. On a terminal: a bar for each step that is under way, with rate and time left, drawn over the last one.
// Elsewhere: a line every ten seconds for steps that take that long, and nothing for the others.
import type { Progress } from "../runtime.ts";
import { formatSize, formatSpan } from "./format.ts";
import { printableLine } from "./printable.ts";

const REDRAW_AFTER_MS = 100;
const LINE_AFTER_MS = 10_000;
/** Rates are those of the last few seconds: a stall shows, a hiccup does not. */
const RATE_WINDOW_MS = 5_000;
/** As wide as there is room for, within these; a narrower one says nothing and is left out. */
const BAR_WIDTH_MAX = 30;
const BAR_WIDTH_MIN = 6;
/** Columns where the terminal does not say, or says 0. */
const FALLBACK_COLUMNS = 80;

export interface ProgressStream {
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export interface ProgressDisplay {
  report(progress: Progress): void;
  /** Prints a line of its own, above the bars. */
  line(text: string): void;
  /** Draws again, so that a rate falls while nothing is reported. */
  tick(): void;
  /** Takes the bars away. */
  clear(): void;
}

/** What is known of one step that is under way. */
export interface StepState {
  readonly step: string;
  readonly startedMs: number;
  doneBytes: number;
  totalBytes: number | undefined;
  /** Of the last RATE_WINDOW_MS, the oldest first. */
  readonly samples: { readonly atMs: number; readonly doneBytes: number }[];
  lastLineMs: number;
}

/** Bars over each other on a terminal. */
export function terminalProgress(stream: ProgressStream, monotonicMs: () => number): ProgressDisplay {
  const steps = new Map<string, StepState>();
  let drawnLines = 0;
  let drawnMs = Number.NEGATIVE_INFINITY;
  const erase = () => (drawnLines === 0 ? "" : `\x1b[${drawnLines}A\x1b[J`);
  const draw = (above: string) => {
    const nowMs = monotonicMs();
    const width = (stream.columns || FALLBACK_COLUMNS) - 1; // A full line would wrap, and be one too many to erase.
    const bars = [...steps.values()].map((state) => `${barLine(state, nowMs, width).slice(0, width)}\n`);
    const text = erase() + above + bars.join("");
    if (text !== "") stream.write(text);
    drawnLines = bars.length;
    drawnMs = nowMs;
  };
  return {
    report: (progress) => {
      const nowMs = monotonicMs();
      const state = update(steps, progress, nowMs);
      if (progress.done) {
        steps.delete(progress.step);
        draw(`${doneLine(state, nowMs)}\n`);
      } else if (nowMs - drawnMs >= REDRAW_AFTER_MS) draw("");
    },
    line: (text) => draw(`${text}\n`),
    tick: () => {
      if (steps.size > 0) draw("");
    },
    clear: () => {
      steps.clear();
      draw("");
    },
  };
}

/** Lines now and then. `print` is given the step as well, for logs that are not text. */
export function plainProgress(print: (text: string, progress: Progress) => void, monotonicMs: () => number): Pick<ProgressDisplay, "report"> {
  const steps = new Map<string, StepState>();
  return {
    report: (progress) => {
      const nowMs = monotonicMs();
      const state = update(steps, progress, nowMs);
      if (progress.done) {
        steps.delete(progress.step);
        if (nowMs - state.startedMs >= LINE_AFTER_MS) print(doneLine(state, nowMs), progress);
      } else if (nowMs - state.lastLineMs >= LINE_AFTER_MS) {
        state.lastLineMs = nowMs;
        print(plainLine(state, nowMs), progress);
      }
    },
  };
}

function update(steps: Map<string, StepState>, { step, doneBytes, totalBytes }: Progress, nowMs: number): StepState {
  let state = steps.get(step);
  if (state === undefined) {
    state = { step, startedMs: nowMs, doneBytes, totalBytes, samples: [{ atMs: nowMs, doneBytes }], lastLineMs: nowMs };
    steps.set(step, state);
  }
  state.doneBytes = doneBytes;
  state.totalBytes = totalBytes;
  const last = state.samples.at(-1)!;
  if (nowMs - last.atMs >= REDRAW_AFTER_MS) state.samples.push({ atMs: nowMs, doneBytes });
  while (state.samples.length > 1 && nowMs - state.samples[1]!.atMs >= RATE_WINDOW_MS) state.samples.shift();
  return state;
}

/** `stream    [############------------]  52 %  412.0 MB of 793.0 MB  88.1 MB/s  5 s left` */
function barLine(state: StepState, nowMs: number, width: number): string {
  const { doneBytes, totalBytes } = state;
  const name = printableLine(state.step).padEnd(10);
  if (totalBytes === undefined || totalBytes <= 0) return [name, formatSize(doneBytes), ...rate(state, nowMs)].join("  ");
  const share = Math.min(1, doneBytes / totalBytes);
  const numbers = [`${String(Math.floor(share * 100)).padStart(3)} %`, `${formatSize(doneBytes)} of ${formatSize(totalBytes)}`, ...rate(state, nowMs)].join(
    "  ",
  );
  const barWidth = Math.min(BAR_WIDTH_MAX, width - name.length - numbers.length - "  []  ".length);
  if (barWidth < BAR_WIDTH_MIN) return `${name}  ${numbers}`;
  const filled = Math.floor(share * barWidth);
  return `${name}  [${"#".repeat(filled)}${"-".repeat(barWidth - filled)}]  ${numbers}`;
}

/** `stream: 412.0 MB of 793.0 MB (52 %), 88.1 MB/s, 5 s left` */
function plainLine(state: StepState, nowMs: number): string {
  const { doneBytes, totalBytes } = state;
  const known = totalBytes !== undefined && totalBytes > 0;
  const done = known
    ? `${formatSize(doneBytes)} of ${formatSize(totalBytes)} (${Math.floor(Math.min(1, doneBytes / totalBytes) * 100)} %)`
    : formatSize(doneBytes);
  return `${printableLine(state.step)}: ${[done, ...rate(state, nowMs)].join(", ")}`;
}

/** `stream: 793.0 MB in 9.0 s, 88.1 MB/s` */
function doneLine({ step, doneBytes, startedMs }: StepState, nowMs: number): string {
  const spanMs = nowMs - startedMs;
  const average = spanMs >= 1 && doneBytes > 0 ? `, ${formatSize((doneBytes * 1000) / spanMs)}/s` : "";
  return `${printableLine(step)}: ${formatSize(doneBytes)} in ${formatSpan(spanMs)}${average}`;
}

function rate({ samples, doneBytes, totalBytes }: StepState, nowMs: number): string[] {
  const oldest = samples[0]!;
  const spanMs = nowMs - oldest.atMs;
  if (spanMs < REDRAW_AFTER_MS) return [];
  const bytesPerSecond = ((doneBytes - oldest.doneBytes) * 1000) / spanMs;
  const left = totalBytes === undefined ? undefined : totalBytes - doneBytes;
  const leftText = left === undefined || left <= 0 || bytesPerSecond <= 0 ? [] : [`${formatSpan((left * 1000) / bytesPerSecond)} left`];
  return [`${formatSize(bytesPerSecond)}/s`, ...leftText];
}
