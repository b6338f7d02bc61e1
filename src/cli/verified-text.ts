// What `verify` found, for people: a line for each backup or file, and below it every finding.
import { ERRORS, type ErrorCode } from "../errors.ts";
import type { Failure } from "../verify/examination.ts";
import type { FileVerification } from "../verify/file.ts";
import type { ForeignNotVerified, ForeignVerification } from "../verify/foreign.ts";
import type { BackupVerification, NotVerified } from "../verify/verify.ts";
import { CORRUPT } from "./exit-codes.ts";
import { formatCount, formatSize, formatSpan } from "./format.ts";
import { printableLine } from "./printable.ts";
import type { NothingVerified } from "./verify-repositories.ts";

export type Unread = (NotVerified | ForeignNotVerified | NothingVerified) & InRepository;
export type Verified = ((BackupVerification | FileVerification | ForeignVerification) & InRepository) | Unread;

interface InRepository {
  /** As it was named; of all but files. */
  readonly repository?: string;
}

/** More than these nobody reads; JSON has more. */
const FINDINGS_SHOWN = 20;

/** Whether it is known to be bad; so is a repository or cluster whose own files are damaged, which keeps everything in it from being read. */
export function isBad({ outcome, failure }: Verified): boolean {
  return outcome === "failed" || (failure !== null && exitCodeOfFailure(failure) === CORRUPT);
}

/** Of a run that does nothing else. */
export function exitCodeOfFailure({ code }: Failure): number {
  return ERRORS[code as ErrorCode].exit;
}

export function verifiedText(verified: readonly Verified[]): string {
  const inSeveral = new Set(verified.map(({ repository }) => repository)).size > 1;
  const names = verified.map((each) => (inSeveral ? placedNameOf(each) : nameOf(each)));
  const width = Math.max(0, ...names.map((name) => name.length));
  const lines = verified.map((each, index) => `${names[index]!.padEnd(width)}  ${outcomeText(each)}\n${findingsText(each)}`);
  return `${lines.join("")}${verified.length > 1 ? summaryText(verified) : ""}${originText(verified)}`;
}

/** What passed was not changed since; that somebody made it up shows in a signature alone. */
function originText(verified: readonly Verified[]): string {
  const isUnproven = verified.some((each) => each.outcome === "passed" && "origin" in each && each.origin === "not-proven");
  return isUnproven ? "Integrity only, origin not proven (no --trusted-key): whoever can write to the repository could have made what passed.\n" : "";
}

/** `prod/20261121T093000Z-…`; where nothing was found of it, the cluster; a file's path. */
function nameOf(verified: Verified): string {
  if ("file" in verified) return printableLine(verified.file);
  const parts = ["cluster" in verified ? verified.cluster : null, verified.backup].filter((part) => part !== null);
  return printableLine(parts.join("/") || "all clusters");
}

/** The same with its repository, where it has one. */
export function placedNameOf(verified: Verified): string {
  const { repository } = verified;
  return repository === undefined ? nameOf(verified) : `${nameOf(verified)} in ${printableLine(repository)}`;
}

/** `passed  structure, 20.5 MB read in 0.3 s, HashKV 1480317217 at revision 12351` */
function outcomeText(verified: Verified): string {
  if (verified.outcome === "not-verified") return isBad(verified) ? "DAMAGED" : "NOT READ";
  const { outcome, level, readSizeBytes, startedAt, finishedAt, hashKv } = verified;
  const span = formatSpan(Date.parse(finishedAt) - Date.parse(startedAt));
  const hash = hashKv === null ? "" : `, HashKV ${hashKv.hash} at revision ${hashKv.revision}`;
  return `${outcome === "passed" ? "passed" : "FAILED"}  ${level}, ${formatSize(readSizeBytes)} read in ${span}${hash}${stateText(verified)}${deltasText(verified)}`;
}

/** Its bytes are as they were saved; whether these are the cluster's, or were ever looked into, is another question. */
function stateText(verified: Verified): string {
  const state = "state" in verified ? verified.state : null;
  return state === "suspect" || state === "partial" ? `; its state is ${state}: see \`show\`` : "";
}

function deltasText(verified: Verified): string {
  if (!("newerDeltas" in verified) || verified.newerDeltas === null) return "";
  const { count, lastRevision } = verified.newerDeltas;
  return `; ${count} newer delta${count === 1 ? "" : "s"}, up to revision ${lastRevision}, not looked at`;
}

/** Each on a line of its own, then what to do, and the code; empty where nothing was found. */
export function findingsText(verified: Verified): string {
  const { failure } = verified;
  const hint = failure === null ? "" : `  hint: ${printableLine(failure.hint)}\n`;
  if (verified.outcome === "not-verified") return `  ${verified.failure.code}: ${printableLine(verified.failure.message)}\n${hint}`;
  const { findings, findingsTotal } = verified;
  const isFile = !("cluster" in verified); // Its findings are all about the file that the first line names.
  const shown = findings.slice(0, FINDINGS_SHOWN).map(({ severity, object, offset, text }) => {
    const place = [...(isFile ? [] : [object]), ...(offset === null ? [] : [`byte ${offset}`])].join(", ");
    return `  ${severity}: ${printableLine(place === "" ? text : `${place}: ${text}`)}\n`;
  });
  const more = findingsTotal > FINDINGS_SHOWN ? `  … and ${findingsTotal - FINDINGS_SHOWN} more\n` : "";
  const code = failure === null ? "" : `  code: ${failure.code}\n`;
  return `${shown.join("")}${more}${hint}${code}`;
}

function summaryText(verified: readonly Verified[]): string {
  const count = (wanted: Verified["outcome"]) => verified.filter(({ outcome }) => outcome === wanted).length;
  const places = verified.filter((each) => "backup" in each && each.backup === null).length;
  const unreadCount = count("not-verified") - places;
  const unread = unreadCount === 0 ? "" : `, ${unreadCount} could not be read`;
  const nothing = places === 0 ? "" : `; nothing was verified in ${formatCount(places, "place")}`;
  return `${formatCount(verified.length - places, "backup")}: ${count("passed")} passed, ${count("failed")} failed${unread}${nothing}\n`;
}
