// Bandwidths, as restic's options take them: a number alone is KiB per second; or with a unit, `10MiB`, `500KB`, `2M`.

const KIBI = 1024;
/** A unit's letter alone, as curl and rclone have it, counts in steps of 1024. */
const UNITS_BYTES: Readonly<Record<string, number>> = {
  "": KIBI,
  b: 1,
  k: KIBI,
  kib: KIBI,
  kb: 1000,
  m: KIBI ** 2,
  mib: KIBI ** 2,
  mb: 1000 ** 2,
  g: KIBI ** 3,
  gib: KIBI ** 3,
  gb: 1000 ** 3,
};
const RATE = /^(\d+(?:\.\d+)?) ?([a-z]*?)(?:\/s|ps)?$/i;

/** Bytes per second, whole ones; undefined where `text` is no bandwidth. */
export function parseRate(text: string): number | undefined {
  const [, count, unit = ""] = RATE.exec(text) ?? [];
  const unitBytes = UNITS_BYTES[unit.toLowerCase()];
  if (count === undefined || unitBytes === undefined) return undefined;
  const bytes = Math.round(Number(count) * unitBytes);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The shortest way to write it that parseRate reads back: 1048576 → `1MiB`. */
export function formatRate(bytesPerSecond: number): string {
  for (const [unit, unitBytes] of [["GiB", KIBI ** 3] as const, ["MiB", KIBI ** 2] as const, ["KiB", KIBI] as const])
    if (bytesPerSecond >= unitBytes && bytesPerSecond % unitBytes === 0) return `${bytesPerSecond / unitBytes}${unit}`;
  return `${bytesPerSecond}B`;
}
