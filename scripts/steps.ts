// Runs one step after another, a line for each, until one fails. What a quiet step printed is shown only when it failed.
import { type ChildProcess, spawn } from "node:child_process";
import { ProvisionError } from "./provision/provision-error.ts";

export interface Step {
  readonly name: string;
  /** Resolves to an exit code. */
  run(): Promise<number>;
}

let current: ChildProcess | undefined;

/** Exit code of the first step that failed, else 0; of an interrupt, 130 or 143. */
export async function runSteps(steps: readonly Step[]): Promise<number> {
  let stopped = 0;
  const stop = (signal: NodeJS.Signals) => {
    stopped = signal === "SIGINT" ? 130 : 143;
    current?.kill(signal);
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    for (const { name, run } of steps) {
      const startedAt = performance.now();
      const exitCode = await run().catch(failed);
      if (stopped !== 0) return stopped;
      process.stdout.write(`${exitCode === 0 ? "ok    " : "FAILED"}  ${name}, ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`);
      if (exitCode !== 0) return exitCode;
    }
    return 0;
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}

/** A step that runs a script with this Node in the project's root; a loud one prints as it goes. */
export function nodeStep(
  name: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly loud?: boolean; readonly env?: NodeJS.ProcessEnv },
): Step {
  return {
    name,
    run: () =>
      new Promise((resolve, reject) => {
        const child = spawn(process.execPath, args, {
          cwd: options.cwd,
          env: { ...process.env, ...options.env },
          stdio: ["ignore", options.loud ? "inherit" : "pipe", options.loud ? "inherit" : "pipe"],
        });
        current = child;
        const printed: Buffer[] = [];
        for (const output of [child.stdout, child.stderr]) output?.on("data", (chunk: Buffer) => printed.push(chunk));
        child.on("error", reject);
        child.on("close", (code, signal) => {
          if (code !== 0) process.stdout.write(Buffer.concat(printed));
          resolve(code ?? (signal === "SIGINT" ? 130 : 143));
        });
      }),
  };
}

function failed(error: unknown): number {
  const known = error instanceof ProvisionError;
  process.stderr.write(`${known ? `etcdsafe: ${error.message}` : (error as Error).stack}\n`);
  return 1;
}
