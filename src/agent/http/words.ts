// Times, ages and sizes as people read them, in UTC. What is no time is shown as it stands.

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** `2026-11-22 03:04:05 UTC` */
export function timeText(time: string): string {
  return Number.isNaN(Date.parse(time)) ? time : `${dayText(Date.parse(time))} ${clockText(Date.parse(time), 8)} UTC`;
}

/** `2026-11-22` */
export function dayText(timeMs: number): string {
  return isoText(timeMs).slice(0, -14);
}

/** `03:04`, or `03:04:05` with `length` 8. */
export function clockText(timeMs: number, length: 5 | 8 = 5): string {
  return isoText(timeMs).slice(-13).slice(0, length);
}

/** Without a fraction. */
function isoText(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d+Z$/, ".000Z");
}

/** `6 min ago`, `in 12 min`, `now`; empty for what is no time. */
export function ageText(time: string, nowMs: number): string {
  const ageMs = nowMs - Date.parse(time);
  if (Number.isNaN(ageMs)) return "";
  if (Math.abs(ageMs) < SECOND_MS) return "now";
  return ageMs > 0 ? `${spanText(ageMs)} ago` : `in ${spanText(-ageMs)}`;
}

/** `5 s`, `12 min`, `2 h 5 min`, `3 d 4 h`. */
export function spanText(spanMs: number): string {
  if (spanMs < MINUTE_MS) return `${Math.floor(spanMs / SECOND_MS)} s`;
  if (spanMs < HOUR_MS) return `${Math.floor(spanMs / MINUTE_MS)} min`;
  if (spanMs < 2 * DAY_MS) return twoUnits(spanMs, HOUR_MS, "h", MINUTE_MS, "min");
  return twoUnits(spanMs, DAY_MS, "d", HOUR_MS, "h");
}

function twoUnits(spanMs: number, largeMs: number, large: string, smallMs: number, small: string): string {
  const rest = Math.floor((spanMs % largeMs) / smallMs);
  return `${Math.floor(spanMs / largeMs)} ${large}${rest === 0 ? "" : ` ${rest} ${small}`}`;
}

const SIZE_UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** Decimal units: `512 B`, `3.1 MB`. */
export function sizeText(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  for (; value >= 999.95 && unit < SIZE_UNITS.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? String(Math.round(value)) : value.toFixed(1)} ${SIZE_UNITS[unit]}`;
}

/** `1 backup`, `2 backups`. */
export function countText(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}
