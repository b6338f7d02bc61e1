// Runs a whole process and measures it from outside, whatever it is written in: wall time, CPU time, peak resident memory. Linux only.
//
// Memory is VmHWM of /proc/<pid>/status: the kernel's own high-water mark of the process's resident pages, for all its threads together,
// private and file-backed (so a peer's mmap counts; the page cache that read(2) fills belongs to nobody). It never falls, so the last look
// before the end is the peak, short of what the last LOOK_EVERY_MS added. getrusage's ru_maxrss is no use here: it starts at the size of the process
// that forked. CPU time is utime + stime of /proc/<pid>/stat, in ticks of 10 ms, of all threads, ended ones included.
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";

export interface ProcessUsage {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly maxRssBytes: number;
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface MeasureOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** The process is killed, and this rejects, as soon as more than this is resident. No limit where left out. */
  readonly rssLimitBytes?: number;
  /** The same after this time; 10 minutes where left out. */
  readonly limitMs?: number;
}

const LOOK_EVERY_MS = 5;
/** USER_HZ, 100 on every Linux that Node runs on: proc(5) counts in these ticks. */
const TICK_MS = 10;

/** Runs to the end, whatever the exit code. */
export function measureProcess(file: string, args: readonly string[], options: MeasureOptions = {}): Promise<ProcessUsage> {
  const { env = process.env, rssLimitBytes = Number.POSITIVE_INFINITY, limitMs = 600_000 } = options;
  const startedMs = performance.now();
  const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const peak = { cpuMs: 0, maxRssBytes: 0 };
  let wallMs = 0;
  let killedFor: string | undefined;
  const kill = (reason: string) => {
    killedFor ??= reason;
    child.kill("SIGKILL");
  };
  const look = setInterval(() => {
    observe(child, peak);
    if (peak.maxRssBytes > rssLimitBytes) kill(`it held ${peak.maxRssBytes} bytes in memory, more than the ${rssLimitBytes} allowed`);
    if (performance.now() - startedMs > limitMs) kill(`it ran for more than ${limitMs} ms`);
  }, LOOK_EVERY_MS);
  return new Promise((resolve, reject) => {
    child.on("error", (error) => {
      clearInterval(look);
      reject(error);
    });
    child.on("exit", () => {
      wallMs = performance.now() - startedMs;
      clearInterval(look);
    });
    child.on("close", (exitCode) => {
      if (killedFor === undefined) resolve({ wallMs, ...peak, exitCode, stdout: stdout(), stderr: stderr() });
      else reject(new Error(`${file} ${args.join(" ")} was killed: ${killedFor}; it printed:\n${stderr()}${stdout()}`));
    });
  });
}

function observe({ pid }: ChildProcess, peak: { cpuMs: number; maxRssBytes: number }): void {
  try {
    // The name of the program, in parentheses, may hold anything; utime and stime are the 12th and 13th field after it.
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    peak.cpuMs = Math.max(peak.cpuMs, (Number(fields[11]) + Number(fields[12])) * TICK_MS);
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    // A process that has just ended has no memory any more, and says nothing of it.
    if (kilobytes !== undefined) peak.maxRssBytes = Math.max(peak.maxRssBytes, Number(kilobytes) * 1024);
  } catch {
    // It is over.
  }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}
