// Log and progress on standard error: text for people, or one JSON object per line for collectors.
import type { LogEvent, Progress } from "../runtime.ts";
import { printable, printableLine } from "./printable.ts";
import { type ProgressStream, plainProgress, terminalProgress } from "./progress.ts";

const LEVELS = ["debug", "info", "warn", "error"] as const;
const TICK_MS = 500;

export interface Reporter extends Disposable {
  readonly log: (event: LogEvent) => void;
  readonly progress: (report: Progress) => void;
}

export interface ReporterOptions {
  readonly stream: ProgressStream & { readonly isTTY?: boolean };
  readonly format: "text" | "json";
  /** The least severe level that is printed. */
  readonly level: LogEvent["level"];
  readonly now: () => Date;
  readonly monotonicMs: () => number;
}

/** Bars only on a terminal, and only in text. */
export function makeReporter(options: ReporterOptions): Reporter {
  const reporter = options.format === "json" ? jsonReporter(options) : options.stream.isTTY ? terminalReporter(options) : plainReporter(options);
  const isWanted = (level: LogEvent["level"]) => LEVELS.indexOf(level) >= LEVELS.indexOf(options.level);
  return {
    log: (event) => {
      if (isWanted(event.level)) reporter.log(event);
    },
    progress: (report) => {
      if (isWanted("info")) reporter.progress(report);
    },
    [Symbol.dispose]: () => reporter[Symbol.dispose](),
  };
}

function jsonReporter({ stream, now, monotonicMs }: ReporterOptions): Reporter {
  const write = (fields: object) => stream.write(`${JSON.stringify({ time: now().toISOString(), ...fields })}\n`);
  const { report } = plainProgress((_text, progress) => write({ level: "info", message: "progress", ...progress }), monotonicMs);
  return { log: ({ level, message, fields }) => write({ level, message, ...fields }), progress: report, [Symbol.dispose]: () => undefined };
}

function terminalReporter({ stream, monotonicMs }: ReporterOptions): Reporter {
  const display = terminalProgress(stream, monotonicMs);
  const timer = setInterval(display.tick, TICK_MS).unref();
  return {
    log: (event) => display.line(textLine(event)),
    progress: display.report,
    [Symbol.dispose]: () => {
      clearInterval(timer);
      display.clear();
    },
  };
}

function plainReporter({ stream, monotonicMs }: ReporterOptions): Reporter {
  const { report } = plainProgress((text) => stream.write(`${text}\n`), monotonicMs);
  return { log: (event) => stream.write(`${textLine(event)}\n`), progress: report, [Symbol.dispose]: () => undefined };
}

/** `warning: the spool shares etcd's disk (directory /var/lib)` */
function textLine({ level, message, fields }: LogEvent): string {
  const prefix = level === "info" ? "" : `${level === "warn" ? "warning" : level}: `;
  const details = Object.entries(fields ?? {}).map(([name, value]) => `${name} ${printableLine(String(value))}`);
  return `${prefix}${printable(message)}${details.length === 0 ? "" : ` (${details.join(", ")})`}`;
}
