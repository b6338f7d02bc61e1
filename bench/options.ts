// The arguments of `npm run bench`.
import { parseArgs } from "node:util";
import { CONTESTS, type Contest } from "./contests.ts";
import { DATA_SETS, type DataSet } from "./data.ts";

export interface BenchOptions {
  /** Of each database. */
  readonly sizeBytes: number;
  /** Measured runs of each side of each contest. */
  readonly runs: number;
  readonly contests: readonly Contest[];
  readonly dataSets: readonly DataSet[];
  /** Whether docs/benchmarks.md is written. */
  readonly write: boolean;
}

export const USAGE = `usage: npm run bench -- [--size-mb N] [--runs N] [--only WORD]… [--write]
  --size-mb N   size of each database; 1024 where left out, and goals are only judged from 900 on
  --runs N      measured runs of each side; 5
  --only WORD   contests whose name begins with the word (save, verify, restore, encrypt) or the data set of that name (${DATA_SETS.map(({ name }) => name).join(", ")})
  --write       writes docs/benchmarks.md; not together with --only
`;

/** Throws an Error whose message says what is wrong with the arguments. */
export function benchOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: { "size-mb": { type: "string" }, runs: { type: "string" }, only: { type: "string", multiple: true }, write: { type: "boolean", default: false } },
  });
  const only = values.only ?? [];
  const contests = chosen(CONTESTS, (contest, word) => contest.name.startsWith(word), only);
  const dataSets = chosen(DATA_SETS, (set, word) => set.name === word, only);
  const unknown = only.find((word) => !CONTESTS.some(({ name }) => name.startsWith(word)) && !DATA_SETS.some(({ name }) => name === word));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: no contest or data set has that name`);
  if (values.write && only.length > 0) throw new Error("--write records all contests; leave --only out");
  return { sizeBytes: count("--size-mb", values["size-mb"], 1024) * 1000 ** 2, runs: count("--runs", values.runs, 5), contests, dataSets, write: values.write };
}

/** Those that a word names, or all when none does. */
function chosen<T>(from: readonly T[], matches: (item: T, word: string) => boolean, words: readonly string[]): readonly T[] {
  const named = from.filter((item) => words.some((word) => matches(item, word)));
  return named.length > 0 ? named : from;
}

function count(name: string, given: string | undefined, otherwise: number): number {
  if (given === undefined) return otherwise;
  const value = Number(given);
  if (!/^\d+$/.test(given) || value === 0) throw new Error(`${name} ${given}: a number above 0 is needed`);
  return value;
}
