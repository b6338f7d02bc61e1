// Sizes and spans of time for people. JSON output holds plain numbers instead.

const SIZE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** Decimal units, as disks and networks are sold: `512 B`, `3.1 MB`. */
export function formatSize(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  while (value >= 999.95 && unit < SIZE_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? String(Math.round(value)) : value.toFixed(1)} ${SIZE_UNITS[unit]}`;
}

/** An age in one unit, as narrow as can be: `5s`, `12m`, `47h`, `3d`. */
export function formatAge(ageMs: number): string {
  const seconds = Math.floor(Math.max(0, ageMs) / 1000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  const hours = Math.floor(seconds / 3600);
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}

/** `0.3 s`, `42 s`, `1 min 5 s`, `2 h 3 min`, `3 d 4 h`. */
export function formatSpan(spanMs: number): string {
  if (spanMs < 9_950) return `${(spanMs / 1000).toFixed(1)} s`;
  const seconds = Math.round(spanMs / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** The hash that a snapshot file ends with: not what `sha256sum` gives for the file. */
export function databaseHashText(sha256: string): string {
  return `${sha256} (of all but the last 32 bytes, which hold it)`;
}

/** "1 backup", "2 backups". */
export function formatCount(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}
