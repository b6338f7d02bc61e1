// The timeline as a picture: backups by state, gaps, recovery windows and failures. Places are percentages of the width and pixels of the height, so that text keeps
// its size on a telephone.
import type { FailedAttempt } from "../../repository/attempts.ts";
import type { RecoveryWindow } from "../../repository/recovery-windows.ts";
import { type Html, html } from "./html.ts";
import { type DatedBackup, type Gap, isRestorable } from "./timeline.ts";
import { clockText, countText, DAY_MS, dayText, spanText, timeText } from "./words.ts";

export interface Picture {
  readonly id: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** Oldest first. */
  readonly backups: readonly DatedBackup[];
  readonly gaps: readonly Gap[];
  readonly windows: readonly RecoveryWindow[];
  readonly failed: readonly FailedAttempt[];
}

const HEIGHT = 118;
const WINDOW_TOP = 2;
const WINDOW_HEIGHT = 8;
const VERIFIED_AT = 18;
const BACKUPS_TOP = 24;
const BACKUPS_BOTTOM = 66;
const FAILURES_TOP = 72;
const AXIS = 94;
/** A narrower gap has no room for its label; percent. On a telephone, one that is not wide. */
const LABELLED_MIN = 9;
const WIDE_MIN = 28;
/** As many backups get thinner marks. */
const CROWDED_MIN = 150;
const TICKS_MAX = 8;
const HOUR_MS = 60 * 60 * 1000;
const STEPS_MS = [HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS, ...[1, 2, 7, 14, 30, 60, 90, 180, 365, 730, 1825].map((days) => days * DAY_MS)];

export function drawTimeline(picture: Picture): Html {
  const { id, fromMs, toMs } = picture;
  const place = placer(fromMs, toMs);
  const isWithin = (timeMs: number) => timeMs >= fromMs && timeMs <= toMs;
  const backups = picture.backups.filter(({ timeMs }) => isWithin(timeMs));
  const [good, bad] = [backups.filter(isRestorable), backups.filter((backup) => !isRestorable(backup))];
  const gaps = picture.gaps.filter((gap) => gap.toMs > fromMs && gap.fromMs < toMs);
  const width = backups.length > CROWDED_MIN ? 2 : 4;
  const failed = picture.failed.filter(({ finishedAt }) => isWithin(Date.parse(finishedAt)));
  return html`<svg class="timeline" width="100%" height="${HEIGHT}" role="img" aria-labelledby="${id}-told">
<title id="${id}-told">${told(backups, gaps, failed)}</title>
<defs><pattern id="${id}-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="hatch" width="2" height="6"/></pattern></defs>
${gaps.map((gap) => drawGap(gap, place, id))}
${picture.windows.map((window) => drawWindow(window, place))}
${[...good, ...bad].map((backup) => drawBackup(backup, place, width))}
${failed.map((attempt) => drawFailure(attempt, place))}
<line class="axis" x1="0" x2="100%" y1="${AXIS}" y2="${AXIS}"/>
${ticks(fromMs, toMs).map((timeMs, index) => drawTick(timeMs, index, toMs - fromMs, place))}
</svg>`;
}

/** The same in words. */
function told(backups: readonly DatedBackup[], gaps: readonly Gap[], failed: readonly FailedAttempt[]): string {
  const bad = backups.filter((backup) => !isRestorable(backup)).length;
  const longest = Math.max(0, ...gaps.map((gap) => gap.toMs - gap.fromMs));
  return [
    `${countText(backups.length, "backup")}${bad === 0 ? "" : ` (${bad} not usable)`}`,
    gaps.length === 0 ? "no gaps" : `${countText(gaps.length, "gap")}, the longest of ${spanText(longest)}`,
    countText(failed.length, "failure"),
  ].join(", ");
}

type Place = (timeMs: number) => number;

/** Percent of the width, within it. */
function placer(fromMs: number, toMs: number): Place {
  return (timeMs) => Math.round(10_000 * Math.min(1, Math.max(0, (timeMs - fromMs) / (toMs - fromMs)))) / 100;
}

function drawGap({ fromMs, toMs, isOpen }: Gap, place: Place, id: string): Html {
  const [start, end] = [place(fromMs), place(toMs)];
  const area = { x: start, width: (end - start).toFixed(2) };
  return html`<g class="gap"><title>${isOpen ? "no new backup" : "gap"}: ${spanText(toMs - fromMs)} from ${timeText(new Date(fromMs).toISOString())}${isOpen ? "" : ` to ${timeText(new Date(toMs).toISOString())}`}</title>
<rect class="gap-area" x="${area.x}%" width="${area.width}%" y="${BACKUPS_TOP - 4}" height="${AXIS - BACKUPS_TOP + 4}"/><rect x="${area.x}%" width="${area.width}%" y="${BACKUPS_TOP - 4}" height="${AXIS - BACKUPS_TOP + 4}" fill="url(#${id}-hatch)"/>
${end - start >= LABELLED_MIN && html`<text class="gap-label${end - start < WIDE_MIN && " second"}" x="${((start + end) / 2).toFixed(2)}%" y="${(BACKUPS_TOP + BACKUPS_BOTTOM) / 2 + 4}" text-anchor="middle">${spanText(toMs - fromMs)}</text>`}</g>`;
}

function drawWindow(window: RecoveryWindow, place: Place): Html | undefined {
  const [start, end] = [place(Date.parse(window.from)), place(Date.parse(window.to))];
  if (!(end > start)) return undefined; // It lies outside, or its times are none.
  return html`<rect class="window" x="${start}%" width="${(end - start).toFixed(2)}%" y="${WINDOW_TOP}" height="${WINDOW_HEIGHT}" rx="2"><title>every revision from ${window.firstRevision} to ${window.lastRevision}${window.isOpen && " and on"}: ${timeText(window.from)} to ${timeText(window.to)}</title></rect>`;
}

/** A state is a height and a shape, not only a colour. */
function drawBackup(backup: DatedBackup, place: Place, width: number): Html {
  const { id, createdAt, state, revision, verified } = backup;
  const kind = stateClass(state);
  const x = place(backup.timeMs);
  const top = kind === "proven" ? BACKUPS_TOP : kind === "unconfirmed" ? BACKUPS_TOP + 12 : kind === "damaged" ? BACKUPS_TOP : BACKUPS_TOP + 24;
  return html`<g><title>${id}, ${timeText(createdAt)}: ${state}${revision !== null && `, revision ${revision}`}${verified !== null && `, read back (${verified.level})`}</title>
<svg class="mark" x="${x}%"><rect class="backup ${kind}" x="${-width / 2}" width="${width}" y="${top}" height="${BACKUPS_BOTTOM - top}" rx="1"/>${kind === "damaged" && html`<path class="cross" d="M-5 ${BACKUPS_TOP + 2}l10 10m0 -10l-10 10"/>`}${verified !== null && html`<circle class="verified" cy="${VERIFIED_AT}" r="2.5"/>`}</svg></g>`;
}

export function stateClass(state: string): "proven" | "unconfirmed" | "damaged" | "doubtful" {
  return state === "proven" || state === "unconfirmed" || state === "damaged" ? state : "doubtful";
}

function drawFailure({ action, finishedAt, failure }: FailedAttempt, place: Place): Html {
  return html`<svg class="mark" x="${place(Date.parse(finishedAt))}%"><path class="failure" d="M0 ${FAILURES_TOP}l6 12h-12z"><title>${action} failed, ${timeText(finishedAt)}: ${failure.code}</title></path></svg>`;
}

/** At whole hours or days of UTC. */
function ticks(fromMs: number, toMs: number): number[] {
  const stepMs = STEPS_MS.find((step) => (toMs - fromMs) / step <= TICKS_MAX) ?? STEPS_MS.at(-1)!;
  const first = Math.ceil(fromMs / stepMs) * stepMs;
  return Array.from({ length: Math.min(TICKS_MAX, Math.floor((toMs - first) / stepMs) + 1) }, (_, index) => first + index * stepMs);
}

function drawTick(timeMs: number, index: number, spanMs: number, place: Place): Html {
  const isDay = timeMs % DAY_MS === 0;
  const label = isDay ? dayText(timeMs).slice(spanMs > 300 * DAY_MS ? 0 : -5) : clockText(timeMs);
  const x = place(timeMs);
  const anchor = x < 4 ? "start" : x > 96 ? "end" : "middle";
  return html`<line class="axis" x1="${x}%" x2="${x}%" y1="${AXIS}" y2="${AXIS + 5}"/><text class="tick${index % 2 === 1 && " second"}" x="${x}%" y="${AXIS + 19}" text-anchor="${anchor}">${label}</text>`;
}
