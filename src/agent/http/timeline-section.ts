// The pictures of backups over time with what they mean: the last day, the last week, and all that is known.
import type { AgentStatus, CatalogueStatus } from "../status.ts";
import { type Content, type Html, html } from "./html.ts";
import { drawTimeline } from "./picture.ts";
import { datedBackups, expectedBackupAt, gapsBetween } from "./timeline.ts";
import { countText, DAY_MS, dayText, spanText, timeText } from "./words.ts";

const GAPS_TOLD_MAX = 5;

export function timelineSection({ catalogue, now, tasks }: AgentStatus): Html {
  return html`<section id="timeline">
<h2>Backups over time</h2>
${catalogue === null ? html`<p class="quiet">Not known yet: the repository has not been read.</p>` : drawCatalogue(catalogue, Date.parse(now), expectedBackupAt(tasks))}
</section>`;
}

function drawCatalogue({ backups, total, points, failed }: CatalogueStatus, nowMs: number, expectedAt: string | null): Content {
  if (Number.isNaN(nowMs)) return undefined;
  const dated = datedBackups(backups);
  const gaps = gapsBetween(dated, nowMs, expectedAt);
  const oldestMs = dated[0]?.timeMs ?? nowMs;
  const picture = { backups: dated, gaps, windows: points.windows, failed, toMs: nowMs };
  const told = gaps.toReversed().slice(0, GAPS_TOLD_MAX);
  return html`<h3>The last 24 hours</h3>
${drawTimeline({ ...picture, id: "day", fromMs: nowMs - DAY_MS })}
${
  oldestMs < nowMs - DAY_MS &&
  html`<h3>The last 7 days</h3>
${drawTimeline({ ...picture, id: "week", fromMs: nowMs - 7 * DAY_MS })}`
}
${
  oldestMs < nowMs - 7 * DAY_MS &&
  html`<h3>Since ${dayText(oldestMs)}${total > backups.length && `: the newest ${backups.length} of ${countText(total, "backup")}`}</h3>
${drawTimeline({ ...picture, id: "all", fromMs: oldestMs })}`
}
${legend(points.windows.length > 0)}
${told.length > 0 && html`<p>Longer than usual without a backup: ${told.map(({ fromMs, toMs, isOpen }, index) => html`${index > 0 && "; "}<strong>${spanText(toMs - fromMs)}</strong> from ${timeText(new Date(fromMs).toISOString())}${isOpen && ", until now"}`)}${gaps.length > told.length && html`; and ${gaps.length - told.length} older`}.</p>`}
${drawPoints({ points })}`;
}

function legend(hasWindows: boolean): Html {
  const entry = (mark: Html, text: string) => html`<li><svg class="key" width="14" height="14" aria-hidden="true">${mark}</svg>${text}</li>`;
  return html`<ul class="legend">
${entry(html`<rect class="backup proven" x="5" width="4" height="14" rx="1"/>`, "proven")}
${entry(html`<rect class="backup unconfirmed" x="5" y="4" width="4" height="10" rx="1"/>`, "unconfirmed")}
${entry(html`<rect class="backup doubtful" x="5" y="7" width="4" height="7" rx="1"/>`, "suspect or partial")}
${entry(html`<path class="cross" d="M2 2l10 10m0 -10l-10 10"/>`, "damaged")}
${entry(html`<rect class="backup proven" x="5" y="6" width="4" height="8" rx="1"/><circle class="verified" cx="7" cy="2" r="2.5"/>`, "read back")}
${entry(html`<path class="failure" d="M7 1l6 12h-12z"/>`, "failed")}
${entry(html`<rect class="gap-area" width="14" height="14"/>`, "longer than usual without one")}
${hasWindows && entry(html`<rect class="window" y="3" width="14" height="8" rx="2"/>`, "every revision")}
</ul>`;
}

function drawPoints({ points: { windows, gaps, single } }: Pick<CatalogueStatus, "points">): Content {
  const isPlain = windows.length === 0 && gaps.length === 0;
  if (isPlain)
    return (
      single !== null &&
      html`<p class="quiet">Each of ${countText(single.count, "usable backup")} is a point to go back to, from ${timeText(single.from)} to ${timeText(single.to)}.</p>`
    );
  return html`<ul class="list">
${windows.map(
  ({
    firstRevision,
    lastRevision,
    isOpen,
    from,
    to,
    backup,
  }) => html`<li>Every revision from ${firstRevision} to ${lastRevision}${isOpen && " and on"} <span class="quiet">${timeText(from)} to ${timeText(to)}, from backup ${backup}</span></li>
`,
)}${gaps.map(
  ({ firstRevision, lastRevision }) => html`<li>Not between revisions ${firstRevision} and ${lastRevision}: there only what backups hold</li>
`,
)}${single !== null && html`<li>${countText(single.count, "more backup")}, each a point by itself <span class="quiet">${timeText(single.from)} to ${timeText(single.to)}</span></li>`}</ul>`;
}
