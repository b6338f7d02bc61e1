// What Prometheus hears of verifications: the metrics that the runs so far have told of them, as a Pushgateway keeps them.
import { createMetrics } from "../../src/metrics/metrics.ts";
import type { RunFacts, VerifiedFacts } from "../../src/metrics/run-facts.ts";
import { saveRun, verifiedFacts, verifyRun } from "../metrics/run-facts.ts";
import { seriesOf } from "../metrics/series.ts";
import { PUSHED } from "./healthy.ts";
import type { SeriesMap } from "./scenario.ts";

/** `runs`: in their order. */
export async function told(runs: readonly RunFacts[]): Promise<SeriesMap> {
  const metrics = createMetrics("1.2.3");
  const said: { readonly from: number; readonly series: Readonly<Record<string, string>> }[] = [];
  for (const run of runs) {
    metrics.record(run);
    said.push({ from: run.finishedAt.getTime() / 1000, series: seriesOf(await metrics.text()) });
  }
  const target = Object.entries(PUSHED).map(([label, value]) => `,${label}="${value}"`);
  const keys = new Set(said.flatMap(({ series }) => Object.keys(series)).filter((key) => key.includes("verif")));
  return Object.fromEntries(
    [...keys].map((key) => {
      const values = (now: number) => said.findLast(({ from }) => from <= now)?.series[key];
      return [key.replace("}", `${target.join("")}}`), (now) => (values(now) === undefined ? undefined : Number(values(now)))];
    }),
  );
}

/** `save --verify` of that level. */
export function readBack(began: number, level: VerifiedFacts["level"], outcome: VerifiedFacts["outcome"]): RunFacts {
  const { startedAt, finishedAt, verified } = verification(began, [outcome]);
  return saveRun({ startedAt, finishedAt, saved: null, verified: verified.map((each) => ({ ...each, level })) });
}

/** A verification of all that there is, or of what `changes` say, that began at that time, in seconds, and took a minute. */
export function verification(began: number, outcomes: readonly VerifiedFacts["outcome"][], changes: Parameters<typeof verifyRun>[1] = {}): RunFacts {
  const [startedAt, finishedAt] = [new Date(began * 1000), new Date((began + 60) * 1000)];
  const failure = outcomes.includes("failed") ? "corrupt" : null;
  const verified = outcomes.map((outcome) => verifiedFacts({ outcome, createdAt: new Date(0), finishedAt }));
  return verifyRun(verified, { startedAt, finishedAt, failure, ...changes });
}
