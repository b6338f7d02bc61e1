// The parts of the page below its verdict: what runs, what is next, who writes, what failed, what there is.
import type { FailedAttempt } from "../../repository/attempts.ts";
import type { AgentStatus, BackupStatus, FinishedJob, RunningJob, TaskStatus } from "../status.ts";
import { type Content, type Html, html } from "./html.ts";
import { stateClass } from "./picture.ts";
import { ageText, countText, DAY_MS, sizeText, spanText, timeText } from "./words.ts";

/** The page is read whole every few seconds; `/status` has the rest. */
const BACKUPS_SHOWN_MAX = 25;
const FAILURES_SHOWN_MAX = 15;

export function runningSection({ tasks, now }: AgentStatus): Html {
  const jobs = tasks.flatMap(({ running }) => running ?? []);
  return html`<section id="running">
<h2>Running now</h2>
${jobs.length === 0 ? html`<p class="quiet">Nothing.</p>` : jobs.map((job) => drawRunning(job, Date.parse(now)))}
</section>`;
}

function drawRunning({ id, kind, startedAt, steps }: RunningJob, nowMs: number): Html {
  const ranMs = nowMs - Date.parse(startedAt);
  return html`<div class="job">
<p><strong>${kind}</strong>${!Number.isNaN(ranMs) && html` for ${spanText(Math.max(0, ranMs))}`} <span class="quiet">since ${timeText(startedAt)}, job ${id}</span></p>
${steps.map(
  ({
    step,
    doneBytes,
    totalBytes,
  }) => html`<div class="step"><span>${step}</span>${drawBar(doneBytes, totalBytes)}<span class="amount">${amount(doneBytes, totalBytes)}</span></div>
`,
)}</div>`;
}

/** Drawn, since a bar of its own width would need a style of its own, which the policy does not let through. */
function drawBar(doneBytes: number, totalBytes: number | null): Html {
  const percent = percentOf(doneBytes, totalBytes);
  return html`<svg class="bar" width="100%" height="10" aria-hidden="true"><rect class="track" width="100%" height="10" rx="5"/>${percent !== null && html`<rect class="done" width="${percent}%" height="10" rx="5"/>`}</svg>`;
}

function amount(doneBytes: number, totalBytes: number | null): string {
  const percent = percentOf(doneBytes, totalBytes);
  return percent === null ? sizeText(doneBytes) : `${Math.floor(percent)} %, ${sizeText(doneBytes)} of ${sizeText(totalBytes!)}`;
}

function percentOf(doneBytes: number, totalBytes: number | null): number | null {
  return totalBytes === null || totalBytes <= 0 ? null : Math.round(Math.min(100, Math.max(0, (100 * doneBytes) / totalBytes)) * 10) / 10;
}

export function tasksSection({ tasks, now, role, lease }: AgentStatus): Html {
  const nowMs = Date.parse(now);
  return html`<section id="tasks">
<h2>What is next, and how it went last</h2>
${role === "standby" && html`<p class="quiet">This agent ${lease.holder === null ? "does not write: it does nothing by its schedules" : "stands by: the writer does what is scheduled"}.</p>`}
<div class="cards">${tasks.map((task) => drawTask(task, nowMs))}</div>
</section>`;
}

function drawTask({ kind, schedule, timezone, nextRunAt, isRetry, failuresInARow, running, last }: TaskStatus, nowMs: number): Html {
  const quietly = running === null ? "no next run" : "runs now";
  return html`<div class="card">
<h3>${kind}</h3>
<p>${nextRunAt === null ? html`<span class="quiet">${quietly}</span>` : html`<strong>${ageText(nextRunAt, nowMs)}</strong>${isRetry && " (again, after a failure)"} <span class="quiet">${timeText(nextRunAt)}</span>`}</p>
<p class="quiet">${schedule === null ? "only when somebody asks" : html`schedule <code>${schedule}</code> ${timezone}`}${failuresInARow > 0 && html`, <span class="bad">failed ${failuresInARow === 1 ? "once" : `${failuresInARow} times`} in a row</span>`}</p>
${last === null ? html`<p class="quiet">not run yet by this process</p>` : drawFinished(last, nowMs)}
</div>
`;
}

function drawFinished({ id, state, startedAt, finishedAt, failure, lines }: FinishedJob, nowMs: number): Html {
  const tookMs = Date.parse(finishedAt) - Date.parse(startedAt);
  return html`<p><span class="${state === "done" ? "good" : "bad"}">${state}</span> <strong>${ageText(finishedAt, nowMs)}</strong> <span class="quiet">${timeText(finishedAt)}${!Number.isNaN(tookMs) && `, took ${spanText(Math.max(0, tookMs))}`}, job ${id}</span></p>
${failure !== null && html`<p class="message">${failure.message} <span class="quiet">(${failure.reason})</span></p>`}
${lines.length > 0 && html`<p class="lines">${lines.join("\n")}</p>`}`;
}

export function leaseSection({ role, lease, host, pid, now }: AgentStatus): Html {
  const { holder, error } = lease;
  const isThis = holder !== null && holder.host === host && holder.pid === pid;
  return html`<section id="lease">
<h2>Who writes</h2>
<p>${holder === null ? `This agent ${error === null ? "has not seen yet who" : "cannot see who"} writes.` : html`<strong>${isThis ? "This agent" : holder.host}</strong>${isThis && html` on ${holder.host}`} (process ${holder.pid}) since ${timeText(holder.since)}, ${ageText(holder.since, Date.parse(now))}.`}${role === "standby" && holder !== null && " This agent stands by, and takes over when the writer is gone."}</p>
${error !== null && html`<p class="message">${error.message} <span class="quiet">(${error.code})</span></p>`}
</section>`;
}

export function failuresSection(status: AgentStatus): Html {
  const { catalogue, unreadable, now } = status;
  const nowMs = Date.parse(now);
  const groups = repeated(catalogue?.failed ?? []);
  const own = failedHereOnly(status);
  const isNone = groups.length === 0 && own.length === 0;
  return html`<section id="failures">
<h2>What failed in the last 7 days</h2>
${catalogue === null ? html`<p class="quiet">Not known yet${own.length > 0 && ", but for what failed here"}.</p>` : isNone && html`<p class="quiet">Nothing${unreadable !== null && ` that was known when the repository was read ${ageText(catalogue.readAt, nowMs)}`}.</p>`}
${!isNone && html`<ul class="list">${own.map((task) => drawFailedHere(task, nowMs))}${groups.slice(0, FAILURES_SHOWN_MAX).map((group) => drawFailures(group, nowMs))}</ul>`}
${groups.length > FAILURES_SHOWN_MAX && html`<p class="quiet">Others are older; <a href="status">status</a> has them.</p>`}
</section>`;
}

type FailedTask = TaskStatus & { readonly last: FinishedJob & { readonly failure: NonNullable<FinishedJob["failure"]> } };

/** What the repository does not tell: it may be away, and what was done in part is no failed attempt there. */
function failedHereOnly({ tasks, catalogue, now }: AgentStatus): FailedTask[] {
  const isWithin = (time: string, { startedAt, finishedAt }: FinishedJob) =>
    Date.parse(time) >= Date.parse(startedAt) && Date.parse(time) <= Date.parse(finishedAt);
  const isKnown = (job: FinishedJob) => catalogue?.failed.some(({ action, finishedAt }) => action === job.kind && isWithin(finishedAt, job)) ?? false;
  const isOld = ({ finishedAt }: FinishedJob) => Date.parse(now) - Date.parse(finishedAt) > 7 * DAY_MS;
  return tasks.filter((task): task is FailedTask => task.last !== null && task.last.failure !== null && !isKnown(task.last) && !isOld(task.last));
}

function drawFailedHere({ kind, failuresInARow, last: { id, finishedAt, failure } }: FailedTask, nowMs: number): Html {
  return html`<li><p><strong>${kind}</strong> ${ageText(finishedAt, nowMs)} <span class="quiet">${timeText(finishedAt)}, ${failure.reason}, job ${id} of this process${failuresInARow > 1 && `; ${failuresInARow} times in a row`}</span></p>
<p class="message">${failure.message}</p>${drawHint(failure.hint)}</li>
`;
}

/** What failed in the same way several times in turn is told once. */
function repeated(failed: readonly FailedAttempt[]): FailedAttempt[][] {
  const groups: FailedAttempt[][] = [];
  for (const attempt of failed) {
    const [first] = groups.at(-1) ?? [];
    if (first?.action === attempt.action && first.failure.code === attempt.failure.code) groups.at(-1)!.push(attempt);
    else groups.push([attempt]);
  }
  return groups;
}

function drawFailures(group: readonly FailedAttempt[], nowMs: number): Html {
  const { action, phase, finishedAt, failure } = group[0]!;
  const earliest = group.at(-1)!;
  return html`<li><p><strong>${action}</strong> ${ageText(finishedAt, nowMs)} <span class="quiet">${timeText(finishedAt)}, while: ${phase}, ${failure.code}${group.length > 1 && `; ${group.length} times since ${timeText(earliest.finishedAt)}`}</span></p>
<p class="message">${failure.message}</p>${drawHint(failure.hint)}</li>
`;
}

export function drawHint(hint: string | undefined): Content {
  return hint !== undefined && hint !== "" && html`<span class="hint">${hint}</span>`;
}

export function backupsSection({ catalogue, now }: AgentStatus): Html {
  const nowMs = Date.parse(now);
  const shown = catalogue?.backups.slice(0, BACKUPS_SHOWN_MAX) ?? [];
  const rest = (catalogue?.total ?? 0) - shown.length;
  return html`<section id="backups">
<h2>Newest backups</h2>
${catalogue === null ? html`<p class="quiet">Not known yet.</p>` : catalogue.total === 0 && html`<p class="quiet">None.</p>`}
${
  shown.length > 0 &&
  html`<table>
<thead><tr><th scope="col">made</th><th scope="col">state</th><th scope="col">read back</th><th scope="col">revision</th><th scope="col">stored</th><th scope="col">id</th></tr></thead>
<tbody>${shown.map((backup) => drawBackupRow(backup, nowMs))}</tbody>
</table>`
}
${rest > 0 && html`<p class="quiet">And ${countText(rest, "older backup")}: <a href="status">status</a> has the newest 500, <code>etcdsafe list</code> all.</p>`}
</section>`;
}

function drawBackupRow({ id, createdAt, state, revision, storedSizeBytes, verified, isPinned }: BackupStatus, nowMs: number): Html {
  const cell = (label: string, content: Content) => html`<td data-label="${label}">${content}</td>`;
  return html`<tr>${cell("made", createdAt === null ? "?" : html`${timeText(createdAt)} <span class="quiet">${ageText(createdAt, nowMs)}</span>`)}${cell("state", html`<span class="state ${stateClass(state)}">${state}</span>${isPinned && " pinned"}`)}${cell("read back", verified === null ? html`<span class="quiet">no</span>` : html`${verified.level} <span class="quiet">${ageText(verified.finishedAt, nowMs)}</span>`)}${cell("revision", revision ?? "?")}${cell("stored", sizeText(storedSizeBytes))}${cell("id", html`<code>${id}</code>`)}</tr>
`;
}

export function aboutSection({ version, host, pid, startedAt, now, repositories, configuration, catalogue }: AgentStatus): Html {
  const nowMs = Date.parse(now);
  return html`<section id="about">
<h2>About this agent</h2>
<dl class="facts">
<div><dt>Repositories</dt><dd>${repositories.map((location, index) => html`<p><code>${location}</code>, ${index > 0 ? "saved to as well, not read here" : catalogue === null ? "not read yet" : `read ${ageText(catalogue.readAt, nowMs)}`}</p>`)}</dd></div>
<div><dt>Process</dt><dd>etcdsafe ${version}, process ${pid} on ${host}, up since ${timeText(startedAt)} (${ageText(startedAt, nowMs)})</dd></div>
<div><dt>Configuration</dt><dd>loaded ${timeText(configuration.loadedAt)} (${ageText(configuration.loadedAt, nowMs)})</dd></div>
<div><dt>For machines</dt><dd class="links"><a href="status">status</a> <a href="metrics">metrics</a> <a href="readyz">readyz</a> <a href="healthz">healthz</a></dd></div>
</dl>
</section>`;
}
