// The command line: arguments → configuration → one command → exit code. Everything a command needs is loaded when it runs.
import { type Config, type Environment, readConfig } from "../config/config.ts";
import { throwFaults } from "../config/config-error.ts";
import type { CommandName } from "../config/option.ts";
import { optionsOf } from "../config/options.ts";
import type { Fault } from "../config/origin.ts";
import { TOLD_BY } from "../config/reporting-options.ts";
import { ERRORS } from "../errors.ts";
import type { LogEvent, Runtime } from "../runtime.ts";
import { COMMANDS } from "./catalogue.ts";
import { settleConflicts } from "./conflicts.ts";
import { formatSpan } from "./format.ts";
import { interruptedError, SIGNALS, watchInterruption } from "./interruption.ts";
import { DEFAULT_TERMINATION_LOG, leaveLastWords } from "./last-words.ts";
import { makeReporter, type Reporter } from "./log.ts";
import { makeOutput } from "./output.ts";
import { type ParsedArguments, parseArguments } from "./program.ts";
import { asEtcdsafeError, errorJson, errorText } from "./report-error.ts";
import { makeRuntime } from "./runtime.ts";
import { guardStandardStreams } from "./standard-streams.ts";
import { formatHint } from "./usage-error.ts";
import { version } from "./version.ts";

/** Runs one command; `argv` is what follows the program's name. Resolves to the exit code and never rejects. */
export async function main(argv: readonly string[]): Promise<number> {
  const environment: Environment = process.env;
  const terminationLog = environment["ETCDSAFE_TERMINATION_LOG"] ?? DEFAULT_TERMINATION_LOG;
  const session: Session = { json: asksForJson(argv, environment), reporter: undefined, command: undefined, operands: [], terminationLog, trouble: "" };
  process.on("uncaughtException", (error) => process.exit(reportError(error, session)));
  const streams = guardStandardStreams();
  // To an agent, SIGHUP says that its configuration is to be read again.
  const stopping = argv[0] === "agent" ? SIGNALS.filter((signal) => signal !== "SIGHUP") : SIGNALS;
  using interruption = watchInterruption(stopping, (signal) =>
    session.reporter?.log({ level: "warn", message: `${signal}: stopping; another one after a second stops at once` }),
  );
  try {
    const parsed = parseArguments(argv, version(), (text) => process.stdout.write(text));
    const exitCode = parsed === undefined ? 0 : await runCommand(parsed, environment, interruption.signal, session);
    await streams.flushed();
    await leaveLastWords(session.terminationLog, exitCode, session.trouble);
    return exitCode;
  } catch (error) {
    // Whatever failed after a signal failed because of it.
    const exitCode =
      interruption.exitCode === undefined
        ? reportError(error, session)
        : reportError(interruptedError(interruption, session.command, session.operands), session, interruption.exitCode);
    await leaveLastWords(session.terminationLog, exitCode, session.trouble);
    // A reader who takes nothing any more would keep the process alive.
    if (process.stdout.writableLength > 0) process.exit(exitCode);
    return exitCode;
  } finally {
    session.reporter?.[Symbol.dispose]();
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
  /** The last that was worth a warning, or ended the command. */
  trouble: string;
}

async function runCommand(parsed: ParsedArguments, environment: Environment, signal: AbortSignal, session: Session): Promise<number> {
  session.command = parsed.command;
  session.operands = parsed.operands;
  const { config: given, faults } = await readConfig({ ...parsed, environment });
  session.json = given.get("format") === "json" || given.get("log-format") === "json";
  const isAboutConfig = parsed.command === "config show" || parsed.command === "config validate";
  if (!isAboutConfig && parsed.command !== "health" && faults.length > 0)
    throwFaults([...faults, ...(await connectionFaults(parsed.command, given, environment))], formatHint(parsed, faults));
  const notes: LogEvent[] = [];
  const config = settleConflicts(given, parsed.command, parsed.operands, (note) => void notes.push(note));
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
  const { run, notBegun } = await COMMANDS[parsed.command].load();
  const runtime = makeRuntime(remembering(reporter, session));
  const invocation = { ...parsed, config, faults, environment, output: makeOutput(format, process.stdout), runtime, signal };
  const jitterMs = config.get("jitter");
  if (jitterMs !== undefined && !isAboutConfig) {
    try {
      await waitAPartOf(jitterMs, runtime, signal);
    } catch (error) {
      await notBegun?.(invocation);
      throw error;
    }
  }
  if (isAboutConfig || parsed.command === "agent" || !TOLD_BY.some((name) => config.get(name) !== undefined)) return run(invocation);
  return (await import("./reporting.ts")).reported(invocation, run);
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

/** Prints the error; gives the exit code, the error's own where none is given. */
function reportError(error: unknown, session: Session, exitCode?: number): number {
  const { json, reporter } = session;
  const known = asEtcdsafeError(error);
  session.trouble = `${known.code}: ${known.message}\n${known.hint}`;
  const code = exitCode ?? ERRORS[known.code].exit;
  reporter?.[Symbol.dispose](); // Or a progress bar would be drawn over it.
  process.stderr.write(json ? errorJson(known, code, new Date()) : errorText(known, code));
  return code;
}

/** For errors that come before the configuration is read. */
function asksForJson(argv: readonly string[], environment: Environment): boolean {
  const text = ` ${argv.join(" ")} `;
  return / (-o ?|--(log-)?format[ =])json /.test(text) || environment["ETCDSAFE_FORMAT"] === "json" || environment["ETCDSAFE_LOG_FORMAT"] === "json";
}
