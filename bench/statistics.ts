// What several runs of one program come to, and whether ours meets its goal beside a peer's. Pure.

/** One run of a whole process. */
export interface Sample {
  /** From the start of the process to its end. */
  readonly wallMs: number;
  /** User and system time of all its threads. */
  readonly cpuMs: number;
  readonly maxRssBytes: number;
}

export interface Summary {
  readonly wallMinMs: number;
  readonly wallMedianMs: number;
  readonly cpuMedianMs: number;
  /** The largest of all runs. */
  readonly maxRssBytes: number;
}

/** Limits that design decides: of our median wall time as a share of the peer's, and of our memory. */
export interface Goal {
  /** Absent where the peer does so much less that no ratio is fair. */
  readonly timeRatioMax?: number;
  readonly maxRssBytes: number;
}

export interface Comparison {
  /** Our median wall time divided by the peer's. */
  readonly timeRatio: number;
  readonly timeMet: boolean;
  readonly memoryMet: boolean;
}

/** Throws for no samples. */
export function summarize(samples: readonly Sample[]): Summary {
  if (samples.length === 0) throw new Error("no runs to summarize");
  return {
    wallMinMs: Math.min(...samples.map(({ wallMs }) => wallMs)),
    wallMedianMs: median(samples.map(({ wallMs }) => wallMs)),
    cpuMedianMs: median(samples.map(({ cpuMs }) => cpuMs)),
    maxRssBytes: Math.max(...samples.map(({ maxRssBytes }) => maxRssBytes)),
  };
}

export function compare(ours: Summary, peer: Summary, goal: Goal): Comparison {
  const timeRatio = ours.wallMedianMs / peer.wallMedianMs;
  return {
    timeRatio,
    timeMet: goal.timeRatioMax === undefined || timeRatio <= goal.timeRatioMax,
    memoryMet: ours.maxRssBytes <= goal.maxRssBytes,
  };
}

/** The middle one; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  if (upper === undefined || lower === undefined) throw new Error("no values to take the median of");
  return (lower + upper) / 2;
}
