// What `save` says it has done.
import type { Saved, StoredIn } from "../backup/save-target.ts";
import type { Config } from "../config/config.ts";
import { snapshotObject } from "../repository/manifest.ts";
import { encryptedTo } from "../repository/object-decoder.ts";
import { bundleText } from "./bundle-text.ts";
import { databaseHashText, formatSize, formatSpan } from "./format.ts";
import { facts } from "./output.ts";
import { printableLine } from "./printable.ts";
import { resultText } from "./prune-text.ts";
import type { Failure } from "./report-error.ts";
import type { PrunedRepository } from "./save-prune.ts";
import type { VerifiedRepository } from "./save-verify.ts";
import { tagsText } from "./tags.ts";
import { verifiedText } from "./verified-text.ts";

export interface SaveOutcome {
  readonly saved: Saved;
  /** Taken before it from members that turned out to stand alone with their data. */
  readonly suspects: readonly Saved[];
  readonly spanMs: number;
  readonly verifications: readonly VerifiedRepository[];
  readonly prunes: readonly PrunedRepository[];
}

/** For people. */
export function savedText({ saved, suspects, spanMs, verifications, prunes }: SaveOutcome): string {
  const { manifest, file, state, stateWhy, revision, rawSizeBytes, databaseSha256, repositories } = saved;
  const began = manifest?.timelineBegan ?? null;
  const stored = facts([
    ["saved", manifest?.id ?? file ?? "to standard output"],
    ["state", `${state}: ${stateWhy}`],
    ["revision", revision],
    ["keys", manifest?.counts?.keys],
    ["size", formatSize(rawSizeBytes)],
    ["stored", manifest === null ? null : formatSize(manifest.objects.reduce((sum, { storedSizeBytes }) => sum + storedSizeBytes, 0))],
    ["bundle", manifest?.bundle === undefined ? null : bundleText(manifest.bundle)],
    // Of several repositories, each may have a policy of its own.
    [
      "encrypted",
      manifest === null || repositories !== undefined || snapshotObject(manifest).encryption === null ? null : encryptedTo(snapshotObject(manifest)),
    ],
    ["tags", manifest === null ? null : tagsText(manifest.tags)],
    ["database SHA-256", manifest === null ? databaseHashText(databaseSha256) : null],
    ["timeline", began === null ? null : `${manifest?.timeline}, begun here: ${began.detail}`],
    ...suspects.map((suspect) => ["suspect", `${suspect.manifest?.id ?? suspect.file ?? "not kept"}: ${suspect.stateWhy}`] as const),
    ...(repositories ?? []).map((each) => ["repository", storedInText(each)] as const),
    ["took", formatSpan(spanMs)],
  ]);
  return `${stored}${verifications.map(verificationText).join("")}${prunesText(prunes)}`;
}

/** As JSON has it; what was not asked for is not there. */
export function savedDocument({ saved, suspects, verifications, prunes }: SaveOutcome, config: Config) {
  return {
    ...documentOf(saved),
    suspects: suspects.map(documentOf),
    ...(config.get("verify") === undefined ? {} : { verifications }),
    ...(config.get("prune") ? { prunes } : {}),
  };
}

function verificationText({ location, result, failure }: VerifiedRepository): string {
  return result === null ? notDoneText(`${location} was not read back`, failure) : `read back from ${location}\n${verifiedText([result])}`;
}

function prunesText(prunes: readonly PrunedRepository[]): string {
  return prunes
    .map(({ location, result, failure }) =>
      result === null ? notDoneText(`the prune of ${location} was not done to its end`, failure) : `pruned ${location}\n${resultText(result)}`,
    )
    .join("");
}

function notDoneText(what: string, failure: Failure | null): string {
  return `${what}${failure === null ? "" : `: ${printableLine(failure.message)}`}\n`;
}

function storedInText({ location, manifest, mayBeStored, failure }: StoredIn): string {
  if (failure !== null) return `${location}: ${mayBeStored ? "MAY BE STORED" : "NOT STORED"}: ${failure.code}: ${failure.message}`;
  const { encryption } = snapshotObject(manifest!);
  return `${location}, ${encryption === null ? "not encrypted" : `encrypted ${encryptedTo({ encryption })}`}`;
}

/** What can differ between them: all else is in the one manifest. */
function storedInDocument({ location, manifest, failure }: StoredIn) {
  if (manifest === null) return { location, backup: null, failure };
  const { id, timeline, timelineBegan } = manifest;
  return { location, backup: { id, timeline, timelineBegan, encryption: snapshotObject(manifest).encryption }, failure };
}

function documentOf({ manifest, file, repositories, isUnfinished: _, ...known }: Saved) {
  const several = repositories === undefined ? {} : { repositories: repositories.map(storedInDocument) };
  return manifest === null ? { manifest, file, ...known } : { manifest, file, ...several };
}
