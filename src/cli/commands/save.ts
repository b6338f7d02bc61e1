// `etcdsafe save`
import { fileTarget, streamTarget } from "../../backup/file-target.ts";
import type { RepositoryTargetOptions } from "../../backup/repository-target.ts";
import { DEFAULT_SPOOL_DIRECTORY, save } from "../../backup/save.ts";
import type { SaveResult, SaveTarget } from "../../backup/save-target.ts";
import type { BundleRequest } from "../../bundle/gather.ts";
import type { Config } from "../../config/config.ts";
import { formatDuration } from "../../config/duration.ts";
import { originText } from "../../config/origin.ts";
import { EtcdsafeError } from "../../errors.ts";
import type { SigningKey } from "../../repository/signature.ts";
import { distinctPlaces } from "../../storage/place.ts";
import type { Invocation } from "../command.ts";
import { connectionOf } from "../connection.ts";
import { withDeadline } from "../deadline.ts";
import { CORRUPT, PARTLY_DONE } from "../exit-codes.ts";
import { inRepository } from "../in-repository.ts";
import { withHint } from "../interruption.ts";
import { askedProtection, trustedKeysOf } from "../protection.ts";
import { author, lockOf, openNamedStorage } from "../repository.ts";
import { type PrunedRepository, pruneAfterSave, requirePruning } from "../save-prune.ts";
import { type SaveOutcome, savedDocument, savedText } from "../save-text.ts";
import { type VerifiedRepository, verifyAfterSave } from "../save-verify.ts";
import { tagsOf } from "../tags.ts";
import { writeOutTo } from "../write-out.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { config, signal } = invocation;
  requirePruning(invocation);
  const limitMs = config.get("deadline");
  const exceeded = limitMs === undefined ? "" : `the save took longer than ${formatDuration(limitMs)} (${originText(config.origin("deadline"))})`;
  const { saved, verifications, prunes } = await withDeadline(limitMs, signal, exceeded, async (limited) => saveAndTell({ ...invocation, signal: limited }));
  const failed = saved.isUnfinished === true || [...(saved.repositories ?? []), ...verifications, ...prunes].some(({ failure }) => failure !== null);
  if (isDamaged(verifications)) return CORRUPT;
  if (failed && signal.aborted) throw withHint(signal.reason, `${saved.manifest?.id} is stored, and listed; what was to be done after that was not all done.`);
  return failed || prunes.some(({ result }) => (result?.failures.length ?? 0) > 0) ? PARTLY_DONE : 0;
}

/** What was stored is told whatever becomes of the rest: an abort leaves that undone, and does not reject any more. */
async function saveAndTell(invocation: Invocation): Promise<SaveOutcome> {
  const { config, output, runtime } = invocation;
  const startedMs = runtime.monotonicMs();
  const { saved, suspects } = await saveSnapshot(invocation);
  invocation.record?.noteSave({ saved, suspects });
  for (const message of saved.warnings) runtime.log({ level: "warn", message });
  const spanMs = runtime.monotonicMs() - startedMs;
  const locations = saved.repositories === undefined ? [undefined] : distinctPlaces(config.all("repository"));
  const verifications: VerifiedRepository[] = [];
  const prunes: PrunedRepository[] = [];
  const outcome = { saved, suspects, spanMs, verifications, prunes };
  try {
    for await (const each of verifyAfterSave(invocation, saved, locations)) verifications.push(each);
    // What is not as it was stored is no reason to remove what was stored before.
    if (!isDamaged(verifications)) for await (const each of pruneAfterSave(invocation, saved, locations)) prunes.push(each);
  } finally {
    invocation.record?.noteReadBack(verifications);
    invocation.record?.notePrunes(prunes);
    // Standard output holds the snapshot itself then.
    if (config.get("output") === "-") runtime.log({ level: "info", message: savedText(outcome).trimEnd() });
    else output.print(savedDocument(outcome, config), () => savedText(outcome));
  }
  return outcome;
}

function isDamaged(verifications: readonly VerifiedRepository[]): boolean {
  return verifications.some(({ result }) => result?.outcome === "failed");
}

async function saveSnapshot(invocation: Invocation): Promise<SaveResult> {
  const { config, runtime } = invocation;
  // Of several repositories, one that does not answer may still be waited for when the save has failed for another reason.
  const ended = new AbortController();
  const signal = AbortSignal.any([invocation.signal, ended.signal]);
  try {
    return await save(
      {
        connection: await connectionOf(invocation),
        member: config.get("member"),
        checkMembers: config.get("check-members"),
        stallLimitMs: config.get("stall-limit"),
        spoolDirectory: config.get("no-spool") || config.get("output") === "-" ? undefined : (config.get("spool-dir") ?? DEFAULT_SPOOL_DIRECTORY),
        target: await targetOf({ ...invocation, signal }),
      },
      { runtime, signal },
    );
  } finally {
    ended.abort();
  }
}

async function targetOf(invocation: Invocation): Promise<SaveTarget> {
  const { config, signal } = invocation;
  const path = config.get("output");
  if (path === undefined) {
    const { RepositoryTarget: Target } = await import("../../backup/repository-target.ts");
    const locations = distinctPlaces(config.all("repository"));
    const protection = await askedProtection(invocation, "passphrase-file");
    await tellOfUnbelieved(invocation, protection.signing);
    const shared = {
      bundle: bundleRequest(config),
      author: await author(),
      cluster: config.get("cluster"),
      compareEveryMs: config.get("check-members-every"),
      tags: tagsOf(config),
      requireHeld: invocation.lease?.requireHeld.bind(invocation.lease),
      ...protection,
      lock: lockOf(invocation),
    };
    const several = locations.length > 1 ? await import("../several-repositories.ts") : undefined;
    several?.requireOneEach(config, locations);
    const stores: Awaited<ReturnType<typeof storeOf>>[] = [];
    // One that is missing is told of by who opens it.
    for (const location of locations.length === 0 ? [undefined] : locations) stores.push(await storeOf(invocation, location));
    const targets = stores.map((store) => new Target({ ...shared, ...store }));
    if (several === undefined) return targets[0]!;
    await several.requireEncryption(stores, shared.encryption, { signal });
    return new (await import("../../backup/several-targets.ts")).SeveralTargets(targets);
  }
  if (path !== "-") return fileTarget(path, invocation.runtime);
  if (process.stdout.isTTY) throw new EtcdsafeError("USAGE", "--output -: standard output is a terminal", { hint: "Redirect it, or name a file." });
  return streamTarget(writeOutTo(process.stdout, { signal, stallLimitMs: config.get("stall-limit") }));
}

/**
 * Where whoever has the same --trusted-key would call what is stored damaged: throws USAGE if that was typed for this very save, and warns if it is what several
 * commands are configured with, among them hosts that read what others save.
 */
async function tellOfUnbelieved(invocation: Invocation, signing: SigningKey | undefined): Promise<void> {
  const { config, runtime } = invocation;
  const trusted = await trustedKeysOf(invocation);
  if (trusted === undefined || (signing !== undefined && trusted.includes(signing.publicKey))) return;
  const [signer, how] =
    signing === undefined
      ? ["no --sign-key-file", "without a signature"]
      : [config.said("sign-key-file"), `with the signature of ${signing.publicKey}, which is not among those keys,`];
  const message = `${config.said("trusted-key")} and ${signer}: what is stored ${how} counts as damaged for whoever trusts those keys alone`;
  const hint = "Give --sign-key-file with a key that --trusted-key names, or name the one that signs there as well.";
  if (config.origin("trusted-key").kind === "flag") throw new EtcdsafeError("USAGE", message, { hint });
  runtime.log({ level: "warn", message: `${message}. ${hint}` });
}

async function storeOf(invocation: Invocation, location: string | undefined): Promise<Pick<RepositoryTargetOptions, "storage" | "isOnThisHost">> {
  const { isOnThisHost } = await import("../../storage/on-this-host.ts");
  return { storage: await openNamedStorage(inRepository(invocation, location)), isOnThisHost: isOnThisHost(location ?? "") };
}

/** Undefined where nothing is to be stored beside the snapshot. */
function bundleRequest(config: Config): BundleRequest | undefined {
  const [includes, presets] = [config.get("include") ?? [], config.get("include-preset") ?? []];
  if (includes.length + presets.length === 0) return undefined;
  return { includes, presets, hostRoot: config.get("host-root"), allowPlaintextSecrets: config.get("allow-plaintext-secrets") };
}
