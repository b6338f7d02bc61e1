// Child processes with bounded time and everything they print: etcd's tools, the etcdsafe command line.
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

export interface CommandOptions {
  readonly cwd?: string;
  /** The whole environment of the child; the test's own where left out. */
  readonly env?: NodeJS.ProcessEnv;
  /** All of standard input; "open" leaves it to the test to write to `child.stdin`. */
  readonly stdin?: string | Uint8Array | "open";
  /** Afterwards the child is killed and the command rejects; 60 s where left out. */
  readonly limitMs?: number;
}

export interface CommandResult {
  /** Null when a signal ended the process. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly finished: Promise<CommandResult>;
  signal(name: NodeJS.Signals): void;
  /** Resolves once what was printed on stderr or stdout so far matches; rejects when the process ends without. */
  printed(pattern: RegExp): Promise<void>;
}

/** Runs to the end, whatever the exit code. */
export function runCommand(file: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return startCommand(file, args, options).finished;
}

/** As runCommand, but rejects unless the exit code is 0; resolves to what was printed on stdout. */
export async function outputOf(file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await runCommand(file, args, options);
  if (result.exitCode === 0) return result.stdout;
  throw new Error(`${file} ${args.join(" ")} ended with ${result.exitCode ?? result.signal}:\n${result.stderr}${result.stdout}`);
}

export function startCommand(file: string, args: readonly string[], options: CommandOptions = {}): RunningCommand {
  const child = spawn(file, args, { cwd: options.cwd, env: options.env ?? process.env, stdio: ["pipe", "pipe", "pipe"] });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on("error", () => undefined); // A child that ends without reading its input is its own business.
  if (options.stdin !== "open") child.stdin.end(options.stdin);
  const text = () => `${Buffer.concat(stderr)}${Buffer.concat(stdout)}`;
  const limitMs = options.limitMs ?? 60_000;
  const finished = new Promise<CommandResult>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`${file} ${args.join(" ")} did not end within ${limitMs} ms; it printed:\n${text()}`));
    }, limitMs);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("close", (exitCode, signal) => {
      clearTimeout(timer);
      child.stdin.destroy();
      const stdoutBytes = Buffer.concat(stdout);
      resolve({ exitCode, signal, stdoutBytes, stdout: stdoutBytes.toString(), stderr: Buffer.concat(stderr).toString() });
    });
  });
  finished.catch(() => undefined); // Whoever awaits it sees the rejection; a test that failed before should not be hidden by it.
  return {
    pid: child.pid ?? -1,
    child,
    finished,
    signal: (name) => void child.kill(name),
    printed: async (pattern) => {
      while (!pattern.test(text())) {
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${file} ended before it printed ${pattern}:\n${text()}`);
        await sleep(5);
      }
    },
  };
}
