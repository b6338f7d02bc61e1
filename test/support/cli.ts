// The etcdsafe command line as a child process, as a user starts it.
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CommandOptions, type CommandResult, type RunningCommand, startCommand } from "./command.ts";

export interface CliOptions extends CommandOptions {
  /** Arguments of Node itself, e.g. `--import` of the crash points. */
  readonly nodeArguments?: readonly string[];
  /** A command, with its arguments, that starts Node in its turn. */
  readonly startedBy?: readonly string[];
}

/** The Node 24 that the project installs, and the launcher that users run. */
export const NODE: string = fileURLToPath(new URL("../../node_modules/node/bin/node", import.meta.url));
const LAUNCHER = fileURLToPath(new URL("../../bin/etcdsafe.js", import.meta.url));

/** Runs `etcdsafe ...args` to its end. `env` is added to an environment without any ETCDCTL_ or ETCDSAFE_ variable. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CommandResult> {
  return startCli(args, options).finished;
}

/** Starts it, for tests that send signals or look at its output meanwhile. */
export function startCli(args: readonly string[], options: CliOptions = {}): RunningCommand {
  const [file = NODE, ...rest] = [...(options.startedBy ?? []), NODE, ...(options.nodeArguments ?? []), LAUNCHER, ...args];
  return startCommand(file, rest, { ...options, env: { ...neutralEnvironment(), ...options.env } });
}

/** With compiled modules kept from one start to the next: half of a short command's time goes into compiling. */
function neutralEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(ETCDCTL_|ETCDSAFE_|NODE_OPTIONS$|VITEST)/.test(name)));
  // Nothing can be put below that: no test leaves anything in its user's own cache.
  return { ...kept, NODE_COMPILE_CACHE: join(tmpdir(), "etcdsafe-test-compile-cache"), XDG_CACHE_HOME: "/dev/null" };
}
