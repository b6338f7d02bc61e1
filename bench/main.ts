// `npm run bench`: etcdsafe beside its peers, in one run, on the same data. See options.ts for the arguments. Progress goes to stderr, the
// table to stdout; ends with 1 when a goal is missed at full size, with 2 for wrong arguments.
import { mkdir, stat, statfs, writeFile } from "node:fs/promises";
import { arch, availableParallelism, platform, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ProvisionError } from "../scripts/provision/provision-error.ts";
import { provisionEtcd } from "../scripts/provision.ts";
import { outputOf } from "../test/support/command.ts";
import { buildCli } from "../test/support/measured-cli.ts";
import { temporaryDirectory } from "../test/support/temporary-directory.ts";
import type { Contest, ContestSource } from "./contests.ts";
import { type DataSet, ROW_SIZE_BYTES, startFilled } from "./data.ts";
import { type BenchOptions, benchOptions, USAGE } from "./options.ts";
import { race } from "./race.ts";
import { type Circumstances, isJudged, markdownReport, missedGoals, type Result, textTable } from "./report.ts";

type MeasuredSet = Circumstances["dataSets"][number];
type Tools = Pick<ContestSource, "peers" | "etcdsafe">;

/** etcd's database and WAL, a snapshot, and what the larger of two sides writes, with its spool. */
const DISK_PER_DATA = 6;
const PAGE = fileURLToPath(new URL("../docs/benchmarks.md", import.meta.url));

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: BenchOptions;
  try {
    options = benchOptions(args);
  } catch (error) {
    process.stderr.write(`etcdsafe: ${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  try {
    return await bench(options);
  } catch (error) {
    if (!(error instanceof ProvisionError)) throw error;
    process.stderr.write(`etcdsafe: ${error.message}\n`);
    return 1;
  }
}

async function bench(options: BenchOptions): Promise<number> {
  await using build = await temporaryDirectory("bench-build");
  const tools: Tools = { peers: await provisionEtcd("3.7"), etcdsafe: await buildCli(build.path) };
  const results: Result[] = [];
  const dataSets: MeasuredSet[] = [];
  for (const set of options.dataSets) dataSets.push(await benchSet(set, options, tools, results));
  const about: Circumstances = {
    date: new Date(),
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${platform()} ${arch()}`,
    nodeVersion: process.versions.node,
    etcdVersion: /^etcdctl version: (\S+)/m.exec(await outputOf(tools.peers.etcdctl, ["version"]))?.[1] ?? "3.7",
    runs: options.runs,
    dataSets,
  };
  process.stdout.write(textTable(results, isJudged(about)));
  if (options.write) await writeFile(PAGE, markdownReport(results, about));
  const missed = missedGoals(results, isJudged(about));
  for (const each of missed) process.stdout.write(`MISSED: ${each}\n`);
  if (!isJudged(about)) process.stdout.write("Goals are for databases of 1 GB; these are too small to judge by.\n");
  return missed.length === 0 ? 0 : 1;
}

/** Adds the results of one data set; its files are gone afterwards. */
async function benchSet(set: DataSet, options: BenchOptions, tools: Tools, results: Result[]): Promise<MeasuredSet> {
  await using directory = await temporaryDirectory("bench");
  await demandSpace(directory.path, DISK_PER_DATA * options.sizeBytes);
  say(`${set.name}: filling an etcd with ${options.sizeBytes / 1000 ** 2} MB …`);
  const etcd = join(directory.path, "etcd");
  await mkdir(etcd);
  const cluster = await startFilled(set, Math.round(options.sizeBytes / ROW_SIZE_BYTES), etcd);
  const source: ContestSource = { ...tools, endpoint: cluster.endpoints[0] as string, snapshot: join(directory.path, "snapshot.db") };
  const raceAll = async (needs: Contest["needs"]) => {
    for (const contest of options.contests.filter((each) => each.needs === needs)) {
      say(`${set.name}: ${contest.name}: ${options.runs} runs of each …`);
      const out = join(directory.path, "out");
      const result: Result = { dataSet: set.name, contest, ...(await race(contest.commands(source, out), out, options.runs)) };
      results.push(result);
      process.stderr.write(textTable([result], false));
    }
  };
  try {
    await cluster.etcdctl(["snapshot", "save", source.snapshot]);
    await raceAll("live etcd");
  } finally {
    await cluster.stop();
  }
  await raceAll("file");
  return { name: set.name, description: set.description, snapshotSizeBytes: (await stat(source.snapshot)).size };
}

async function demandSpace(directory: string, sizeBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize >= sizeBytes) return;
  const [wanted, free] = [sizeBytes, bavail * bsize].map((each) => (each / 1000 ** 3).toFixed(1));
  throw new ProvisionError(`the benchmarks need ${wanted} GB in ${directory}, where ${free} GB are free; free some, set TMPDIR, or give a smaller --size-mb.`);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
