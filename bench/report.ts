// What a run of the benchmarks is printed and written as. Pure: machine and date come as values.
import type { Contest } from "./contests.ts";
import { type Comparison, compare, type Summary } from "./statistics.ts";

export interface Result {
  readonly dataSet: string;
  readonly contest: Contest;
  readonly ours: Summary;
  readonly peer: Summary;
}

export interface Circumstances {
  readonly date: Date;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly nodeVersion: string;
  readonly etcdVersion: string;
  readonly runs: number;
  readonly dataSets: readonly { readonly name: string; readonly description: string; readonly snapshotSizeBytes: number }[];
}

/** Below this size the start of a process is most of what is measured; goals are for 1 GB. */
const JUDGED_SIZE_BYTES_MIN = 900 * 1000 ** 2;

const TITLES = ["data", "work", "tool", "min s", "median s", "CPU s", "max RSS MB", "time ratio", "goal"];

/** One line for each side of each contest, as columns of text. */
export function textTable(results: readonly Result[], judged: boolean): string {
  const rows = [TITLES, ...cells(results, judged)];
  const widths = TITLES.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const numbers = (column: number) => column >= 3 && column <= 7;
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (numbers(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join("  ");
  return rows.map((row) => `${line(row).trimEnd()}\n`).join("");
}

/** The whole of docs/benchmarks.md. */
export function markdownReport(results: readonly Result[], about: Circumstances): string {
  const rows = [TITLES, ["---", "---", "---", "--:", "--:", "--:", "--:", "--:", "---"], ...cells(results, isJudged(about))];
  const pairs = new Map(results.map(({ contest }) => [contest.name, `- **${contest.name}**: \`${contest.ours}\` beside \`${contest.peer}\``]));
  return `# Benchmarks

Written by \`npm run bench -- --write\`; not edited by hand.

${about.date.toISOString().slice(0, 10)} · ${about.cores} cores, ${Math.round(about.memoryBytes / 1024 ** 3)} GiB of memory, ${about.system} · Node ${about.nodeVersion} · etcd, etcdctl and etcdutl ${about.etcdVersion} on the same machine, on loopback

${rows.map((row) => `| ${row.join(" | ")} |\n`).join("")}
## What was run
${[...pairs.values()].join("\n")}

Data, written through a real etcd with rows of 4 KiB:
${about.dataSets.map(({ name, description, snapshotSizeBytes }) => `- **${name}**, a snapshot of ${megabytes(snapshotSizeBytes)} MB: ${description}`).join("\n")}

## How it was measured
- Whole processes, from their start to their end, Node's start included, of the package as it is published. ${about.runs} runs of each side in turns (ours, the peer, ours, …), after one of each that is not
  counted; files read lie in the page cache.
- Time ratio: our median wall time divided by the peer's. CPU: user and system time of all threads, the median; for saves, etcd's own is not in it.
- Max RSS: the largest high-water mark of resident memory that the kernel kept (\`VmHWM\`, all threads, read every 5 ms from outside) over all runs. A file that a
  tool maps into memory counts as far as it is resident, as the kernel counts it; the page cache does not.
- The peers check less: \`etcdctl snapshot save\` looks at nothing but the file's size, \`etcdutl snapshot status\` neither at the SHA-256 nor at HashKV.
`;
}

/** Whether each goal was met; empty for data that is too small to say. */
export function missedGoals(results: readonly Result[], judged: boolean): string[] {
  if (!judged) return [];
  return results.flatMap(({ dataSet, contest, ours, peer }) => {
    const { timeRatio, timeMet, memoryMet } = compare(ours, peer, contest.goal);
    const missed: string[] = [];
    if (!timeMet) missed.push(`${contest.name}, ${dataSet}: ${timeRatio.toFixed(2)}× the peer's time, not ≤ ${contest.goal.timeRatioMax}×`);
    if (!memoryMet) missed.push(`${contest.name}, ${dataSet}: ${megabytes(ours.maxRssBytes)} MB, not ≤ ${megabytes(contest.goal.maxRssBytes)} MB`);
    return missed;
  });
}

export function isJudged(about: Pick<Circumstances, "dataSets">): boolean {
  return about.dataSets.every(({ snapshotSizeBytes }) => snapshotSizeBytes >= JUDGED_SIZE_BYTES_MIN);
}

function cells(results: readonly Result[], judged: boolean): string[][] {
  return results.flatMap(({ dataSet, contest, ours, peer }) => {
    const comparison = compare(ours, peer, contest.goal);
    return [
      [dataSet, contest.name, "etcdsafe", ...figures(ours), `${comparison.timeRatio.toFixed(2)}×`, goalText(contest, comparison, judged)],
      [dataSet, contest.name, contest.peer.split(" ")[0] ?? "", ...figures(peer), "", ""],
    ];
  });
}

function figures({ wallMinMs, wallMedianMs, cpuMedianMs, maxRssBytes }: Summary): string[] {
  return [...[wallMinMs, wallMedianMs, cpuMedianMs].map((ms) => (ms / 1000).toFixed(2)), megabytes(maxRssBytes)];
}

function goalText({ goal }: Contest, { timeMet, memoryMet }: Comparison, judged: boolean): string {
  const verdict = (met: boolean) => (judged ? (met ? ", met" : ", MISSED") : "");
  const time = goal.timeRatioMax === undefined ? "" : `≤ ${goal.timeRatioMax}×${verdict(timeMet)}; `;
  return `${time}≤ ${megabytes(goal.maxRssBytes)} MB${verdict(memoryMet)}`;
}

function megabytes(sizeBytes: number): string {
  return (sizeBytes / 1000 ** 2).toFixed(0);
}
