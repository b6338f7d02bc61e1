// Durations as Go, and so etcdctl, writes them: `1h30m`, `1.5s`, `300ms`; days (`7d`) as well.

const UNITS_MS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const TERM = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d)/y;

/** Milliseconds, whole ones, at least 1 for a positive duration; undefined where `text` is not a duration. */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  let totalMs = 0;
  TERM.lastIndex = 0;
  while (TERM.lastIndex < text.length) {
    const term = TERM.exec(text);
    if (term === null) return undefined;
    totalMs += Number(term[1]) * UNITS_MS[term[2]!]!;
  }
  const wholeMs = totalMs < 1 ? Math.ceil(totalMs) : Math.round(totalMs);
  return text !== "" && Number.isSafeInteger(wholeMs) ? wholeMs : undefined;
}

/** The shortest way to write it that parseDuration reads back: 90000 → `1m30s`. */
export function formatDuration(durationMs: number): string {
  let restMs = durationMs;
  let text = "";
  for (const unit of ["d", "h", "m", "s", "ms"]) {
    const count = Math.floor(restMs / UNITS_MS[unit]!);
    restMs -= count * UNITS_MS[unit]!;
    if (count > 0) text += `${count}${unit}`;
  }
  return text === "" ? "0" : text;
}
