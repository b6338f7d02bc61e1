// Runs the two sides of one contest in turns, so that whatever else the machine does hits both.
import { mkdir, rm } from "node:fs/promises";
import type { Command } from "../test/support/measured-cli.ts";
import { measureProcess } from "../test/support/process-usage.ts";
import { type Sample, type Summary, summarize } from "./statistics.ts";

export interface RaceResult {
  readonly ours: Summary;
  readonly peer: Summary;
}

/** `runs` measured runs of each, after one of each that only warms the caches. `directory` is emptied before each, and gone afterwards. */
export async function race(commands: { readonly ours: Command; readonly peer: Command }, directory: string, runs: number): Promise<RaceResult> {
  const samples: { readonly ours: Sample[]; readonly peer: Sample[] } = { ours: [], peer: [] };
  try {
    for (let count = 0; count <= runs; count++) {
      for (const side of ["ours", "peer"] as const) {
        await emptied(directory);
        const sample = await runOnce(commands[side]);
        if (count > 0) samples[side].push(sample);
      }
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return { ours: summarize(samples.ours), peer: summarize(samples.peer) };
}

async function runOnce({ file, args, env }: Command): Promise<Sample> {
  const { exitCode, stdout, stderr, ...sample } = await measureProcess(file, args, { env });
  if (exitCode !== 0) throw new Error(`${file} ${args.join(" ")} ended with ${exitCode}:\n${stderr}${stdout}`);
  return sample;
}

async function emptied(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
}
