// The command line: arguments → configuration → one command → exit code. Everything a command needs is loaded when it runs.
import { existsSync } from "node:fs";
import { type Config, type Environment, readConfig } from "../config/config.ts";
import { throwFaults } from "../config/config-error.ts";
import type { CommandName } from "../config/option.ts";
import { optionsOf } from "../config/options.ts";
import { type Fault, faultText } from "../config/origin.ts";
import { isAboutTelling, REPORTED, TOLD_BY } from "../config/reporting-options.ts";
import type { EtcdsafeError } from "../errors.ts";
import type { LogEvent, Runtime } from "../runtime.ts";
import { arrangeArguments } from "./arguments.ts";
import { COMMANDS } from "./catalogue.ts";
import type { Invocation, LoadedCommand, RunCommand } from "./command.ts";
import { settleConflicts } from "./conflicts.ts";
import { formatSpan } from "./format.ts";
import { exitCodeFor, InterruptedError, SIGNALS, watchInterruption, whyEnded, withHint } from "./interruption.ts";
import { DEFAULT_TERMINATION_LOG, leaveLastWords } from "./last-words.ts";
import { makeReporter, type Reporter } from "./log.ts";
import { makeOutput } from "./output.ts";
import { type ParsedArguments, parseArguments } from "./program.ts";
import { asEtcdsafeError, errorJson, errorLines, errorText } from "./report-error.ts";
import type { End } from "./reporting.ts";
import type { RunRecord } from "./run-record.ts";
import { makeRuntime } from "./runtime.ts";
import { guardStandardStreams, type StandardStreams } from "./standard-streams.ts";
import { formatHint } from "./usage-error.ts";
import { version } from "./version.ts";

/** Who waits to hear how a run ended does not wait longer for a reader of its result. */
const FLUSH_LIMIT_MS = 5_000;

/** Whether they make an agent of the process; as `main` takes them. */
export function isAgent(argv: readonly string[]): boolean {
  return arrangeArguments(argv)[0] === "agent";
}

/** Runs one command; `argv` is what follows the program's name. Resolves to the exit code and never rejects. */
export async function main(argv: readonly string[]): Promise<number> {
  const environment: Environment = process.env;
  const terminationLog = environment["ETCDSAFE_TERMINATION_LOG"] ?? DEFAULT_TERMINATION_LOG;
  const session: Session = {
    json: asksForJson(argv, environment),
    reporter: undefined,
    command: undefined,
    operands: [],
    terminationLog,
    record: undefined,
    trouble: "",
  };
  process.on("uncaughtException", (thrown) => {
    const error = asEtcdsafeError(thrown);
    reportError(error, session);
    process.exit(exitCodeFor(error));
  });
  const streams = guardStandardStreams();
  // To an agent, SIGHUP says that its configuration is to be read again.
  const stopping = isAgent(argv) ? SIGNALS.filter((signal) => signal !== "SIGHUP") : SIGNALS;
  using interruption = watchInterruption(stopping, (signal) =>
    session.reporter?.log({ level: "warn", message: `${signal}: stopping; another one after a second stops at once` }),
  );
  try {
    const end = await endOf(argv, session, { environment, signal: interruption.signal, streams });
    const { exitCode, error } = end;
    if (error !== undefined) reportError(error, session);
    await speakLast(session, end);
    // A reader who takes nothing any more would keep the process alive.
    if (error !== undefined && process.stdout.writableLength > 0) process.exit(exitCode);
    return exitCode;
  } finally {
    session.reporter?.[Symbol.dispose]();
  }
}

async function endOf(argv: readonly string[], session: Session, surroundings: Omit<Surroundings, "session">): Promise<End> {
  const { signal, streams } = surroundings;
  try {
    const parsed = parseArguments(argv, version(), (text) => process.stdout.write(text));
    const end = parsed === undefined ? { exitCode: 0, error: undefined } : await runCommand(parsed, { ...surroundings, session });
    if (end.error === undefined) await streams.flushed();
    return end;
  } catch (thrown) {
    const error = whyEnded(thrown, signal, session);
    return { exitCode: exitCodeFor(error), error };
  }
}

/** What is known of how to print, as far as the command has come. */
interface Session {
  json: boolean;
  reporter: Reporter | undefined;
  command: CommandName | undefined;
  operands: readonly string[];
  /** Undefined where the command has none: `health` does not speak for the container's own process. */
  terminationLog: string | undefined;
  /** Where somebody is to be told how it went. */
  record: RunRecord | undefined;
  /** The last that was worth a warning. */
  trouble: string;
}

interface Surroundings {
  readonly environment: Environment;
  readonly signal: AbortSignal;
  readonly streams: StandardStreams;
  readonly session: Session;
}

/** Gives the error of a run of which everybody was told: a signal that came while they were is not what ended it. Throws that of any other. */
async function runCommand(parsed: ParsedArguments, { environment, signal, streams, session }: Surroundings): Promise<End> {
  session.command = parsed.command;
  session.operands = parsed.operands;
  const { config: given, faults } = await readConfig({ ...parsed, environment });
  session.json = given.get("format") === "json" || given.get("log-format") === "json";
  const isAboutConfig = parsed.command === "config show" || parsed.command === "config validate";
  const asksForFaults = isAboutConfig || parsed.command === "health";
  const untold = asksForFaults ? [] : faults.filter(isAboutTelling);
  const grave = asksForFaults ? [] : faults.filter((fault) => !isAboutTelling(fault));
  const notes: LogEvent[] = isReported(parsed.command) ? [] : untold.map((fault) => ({ level: "warn", message: faultText(fault) }));
  let config = given;
  let refuse: RunCommand | undefined;
  try {
    if (grave.length > 0) throwFaults([...grave, ...(await connectionFaults(parsed.command, given, environment))], formatHint(parsed, faults));
    config = settleConflicts(given, parsed.command, parsed.operands, (note) => void notes.push(note));
  } catch (error) {
    // By what of it could be read, it is told as any other failure.
    refuse = () => Promise.reject(error);
  }
  const format = config.get("format") ?? "text";
  const logFormat = config.get("log-format") ?? format;
  session.json = format === "json" || logFormat === "json";
  const reporter = makeReporter({
    stream: process.stderr,
    format: logFormat,
    level: config.get("log-level"),
    now: () => new Date(),
    monotonicMs: () => performance.now(),
  });
  session.reporter = reporter;
  session.terminationLog = config.get("termination-log");
  for (const note of notes) reporter.log(note);
  const { run, notBegun }: LoadedCommand = refuse === undefined ? await COMMANDS[parsed.command].load() : { run: refuse };
  const runtime = makeRuntime(remembering(reporter, session));
  const invocation = { ...parsed, config, faults, environment, output: makeOutput(format, process.stdout), runtime, signal };
  const jitterMs = config.get("jitter");
  if (jitterMs !== undefined && refuse === undefined && !isAboutConfig) {
    try {
      await waitAPartOf(jitterMs, runtime, signal);
    } catch (error) {
      await notBegun?.(invocation);
      throw error instanceof InterruptedError ? withHint(error, "It had not begun; run it again.") : error;
    }
  }
  const silently = async (own: Invocation): Promise<End> => ({ exitCode: await run(own), error: undefined });
  if (!isReported(parsed.command)) return silently(invocation);
  const isTold = untold.length > 0 || TOLD_BY.some((name) => config.get(name) !== undefined);
  // Outside of containers nobody hears last words, and a record takes modules that not all of these commands load.
  if (!isTold && !existsSync(session.terminationLog ?? "")) return silently(invocation);
  const record = new (await import("./run-record.ts")).RunRecord(runtime);
  session.record = record;
  if (!isTold) return silently({ ...invocation, record });
  const flushed: RunCommand = async (own) => {
    const exitCode = await run(own);
    await streams.flushed(FLUSH_LIMIT_MS);
    return exitCode;
  };
  return (await import("./reporting.ts")).reported(invocation, flushed, { record, onEnd: (end) => speakLast(session, end) });
}

/** Those of whose runs somebody is told. An agent's are not those of its process. */
function isReported(command: CommandName): boolean {
  return (REPORTED as readonly CommandName[]).includes(command);
}

/** Before anybody is told who has to be waited for, and once more when all is over, with what went wrong since. */
async function speakLast({ terminationLog, record, trouble }: Session, { exitCode, error }: End): Promise<void> {
  const lines = [...errorLines(error), ...(record?.lines ?? [])];
  await leaveLastWords(terminationLog, exitCode, lines.length === 0 ? trouble : lines.join("\n"));
}

function remembering({ log, progress, ...reporter }: Reporter, session: Session): Reporter {
  return {
    ...reporter,
    progress,
    log: (event) => {
      if (event.level === "warn" || event.level === "error") session.trouble = event.message;
      log(event);
    },
  };
}

async function waitAPartOf(jitterMs: number, runtime: Runtime, signal: AbortSignal): Promise<void> {
  const waitMs = Math.round(Math.random() * jitterMs);
  runtime.log({ level: "info", message: `beginning in ${formatSpan(waitMs)} (--jitter)` });
  await runtime.sleep(waitMs, signal);
}

/** So that whoever mends the configuration sees all that is wrong at once; of a command that asks no etcd there are none. */
async function connectionFaults(command: CommandName, config: Config, environment: Environment): Promise<readonly Fault[]> {
  if (!optionsOf(command).includes("endpoints")) return [];
  return (await (await import("../config/connection.ts")).readConnection(config, environment)).faults;
}

function reportError(error: EtcdsafeError, { json, reporter }: Session): void {
  const exitCode = exitCodeFor(error);
  reporter?.[Symbol.dispose](); // Or a progress bar would be drawn over it.
  process.stderr.write(json ? errorJson(error, exitCode, new Date()) : errorText(error, exitCode));
}

/** For errors that come before the configuration is read. */
function asksForJson(argv: readonly string[], environment: Environment): boolean {
  const text = ` ${argv.join(" ")} `;
  return / (-o ?|--(log-)?format[ =])json /.test(text) || environment["ETCDSAFE_FORMAT"] === "json" || environment["ETCDSAFE_LOG_FORMAT"] === "json";
}
