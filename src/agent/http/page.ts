// GET /: one page that a person reads at 3 a.m. Everything is in it, and can be read without its script, which only keeps it fresh.
import { createHash } from "node:crypto";
import type { AgentStatus } from "../status.ts";
import { type Content, type Html, html, trusted } from "./html.ts";
import { PAGE_SCRIPT } from "./page-script.ts";
import { PAGE_STYLE } from "./page-style.ts";
import { aboutSection, backupsSection, drawHint, failuresSection, leaseSection, runningSection, tasksSection } from "./sections.ts";
import { timelineSection } from "./timeline-section.ts";
import { isUnread, type Level, type Problem, type Verdict, verdictOf } from "./verdict.ts";
import { ageText, countText, timeText } from "./words.ts";

/** What the page needs and nothing else: its own style and script, known by their hashes, and itself to read again. */
export const PAGE_POLICY = [
  "default-src 'none'",
  `style-src '${hashOf(PAGE_STYLE)}'`,
  `script-src '${hashOf(PAGE_SCRIPT)}'`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

/** How often it is loaded again where no script runs. */
const REFRESH_SECONDS = 30;
const MARKS: Readonly<Record<Level, string>> = { ok: "✓", warn: "!", bad: "✕" };

export function renderPage(status: AgentStatus): string {
  const verdict = verdictOf(status);
  const isBusy = status.tasks.some(({ running }) => running !== null);
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<meta name="robots" content="noindex"/>
<noscript><meta http-equiv="refresh" content="${REFRESH_SECONDS}"/></noscript>
<title>${MARKS[verdict.level]} ${status.cluster}: ${verdict.headline}</title>
<style>${trusted(PAGE_STYLE)}</style>
</head>
<body>
<p id="stale" role="alert" hidden=""></p>
<header>
<h1>${status.cluster}</h1>
<p id="clock">etcdsafe agent on ${status.host}, as of <time>${timeText(status.now)}</time></p>
</header>
<main id="content" data-busy="${isBusy ? "yes" : "no"}">
${verdictSection(status, verdict)}
${runningSection(status)}
${timelineSection(status)}
${tasksSection(status)}
${leaseSection(status)}
${failuresSection(status)}
${backupsSection(status)}
${aboutSection(status)}
</main>
<script>${trusted(PAGE_SCRIPT)}</script>
</body>
</html>
`.markup;
}

function verdictSection(status: AgentStatus, verdict: Verdict): Html {
  const { level, headline, recoverableTo, newest, newestVerified, problems } = verdict;
  const nowMs = Date.parse(status.now);
  const { catalogue } = status;
  const unknown = catalogue === null ? "not known" : "none";
  return html`<section id="verdict" class="${level}">
<h2><span class="sign" aria-hidden="true">${MARKS[level]}</span> ${headline}</h2>
<dl class="facts">
<div><dt>Recoverable to${catalogue !== null && isUnread(status) && ", as it was then"}</dt><dd>${recoverableTo === null ? (catalogue === null ? "not known" : "nothing") : html`<strong>${ageText(recoverableTo, nowMs)}</strong> ${timeText(recoverableTo)}`}</dd></div>
<div><dt>Newest good backup</dt><dd>${newest === null ? unknown : html`<strong>${newest.state}</strong> ${newest.id}${newest.revision !== null && `, revision ${newest.revision}`}`}</dd></div>
<div><dt>Newest read back</dt><dd>${newestVerified === null ? unknown : html`<strong>${ageText(newestVerified.createdAt, nowMs)}</strong> ${timeText(newestVerified.createdAt)}, checked ${ageText(newestVerified.verified!.finishedAt, nowMs)} (${newestVerified.verified!.level})`}</dd></div>
<div><dt>Next save</dt><dd>${nextSave(status)}</dd></div>
</dl>
${
  problems.length > 0 &&
  html`<h3>${countText(problems.length, "thing")} to look at</h3>
<ul class="problems">${problems.map(drawProblem)}</ul>`
}
</section>`;
}

function nextSave({ tasks, role, lease, now }: AgentStatus): Content {
  const save = tasks.find(({ kind }) => kind === "save");
  const nowMs = Date.parse(now);
  if (save !== undefined && save.running !== null) return html`<strong>runs now</strong> since ${timeText(save.running.startedAt)}`;
  if (save !== undefined && save.nextRunAt !== null) return html`<strong>${ageText(save.nextRunAt, nowMs)}</strong> ${timeText(save.nextRunAt)}`;
  if (role === "writer") return "not scheduled";
  if (lease.holder === null) return "not known, as who writes is not";
  return `the writer’s business${save === undefined || save.expectedAt === null ? "" : `, due ${ageText(save.expectedAt, nowMs)}`}`;
}

function drawProblem({ level, text, message, hint }: Problem): Html {
  return html`<li class="${level}"><strong>${text}</strong>${message !== undefined && html`<span class="message">${message}</span>`}${drawHint(hint)}</li>
`;
}

function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
