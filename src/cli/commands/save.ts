// `etcdsafe save`
import { fileTarget, streamTarget } from "../../backup/file-target.ts";
import type { RepositoryTargetOptions } from "../../backup/repository-target.ts";
import { DEFAULT_SPOOL_DIRECTORY, save } from "../../backup/save.ts";
import type { Saved, SaveTarget, StoredIn } from "../../backup/save-target.ts";
import type { BundleRequest } from "../../bundle/gather.ts";
import type { Config } from "../../config/config.ts";
import { formatDuration } from "../../config/duration.ts";
import { optionText, originText } from "../../config/origin.ts";
import { EtcdsafeError } from "../../errors.ts";
import { snapshotObject } from "../../repository/manifest.ts";
import { encryptedTo } from "../../repository/object-decoder.ts";
import type { SigningKey } from "../../repository/signature.ts";
import { placeOf } from "../../storage/place.ts";
import { bundleText } from "../bundle-text.ts";
import type { Invocation } from "../command.ts";
import { connectionOf } from "../connection.ts";
import { withDeadline } from "../deadline.ts";
import { PARTLY_DONE } from "../exit-codes.ts";
import { databaseHashText, formatSize, formatSpan } from "../format.ts";
import { facts } from "../output.ts";
import { askedProtection, trustedKeysOf } from "../protection.ts";
import { resultText } from "../prune-text.ts";
import { author, lockOf, openNamedStorage } from "../repository.ts";
import { type PrunedRepository, pruneAfterSave, requirePruning, withLocation } from "../save-prune.ts";
import { tagsOf, tagsText } from "../tags.ts";
import { writeOutTo } from "../write-out.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { config, output, runtime } = invocation;
  const spoolDirectory = config.get("no-spool") || config.get("output") === "-" ? undefined : (config.get("spool-dir") ?? DEFAULT_SPOOL_DIRECTORY);
  requirePruning(invocation);
  const connection = await connectionOf(invocation);
  const startedMs = runtime.monotonicMs();
  const limitMs = config.get("deadline");
  const exceeded = limitMs === undefined ? "" : `the save took longer than ${formatDuration(limitMs)} (${originText(config.origin("deadline"))})`;
  // Of several repositories, one that does not answer may still be waited for when the save has failed for another reason.
  const ended = new AbortController();
  const saving = withDeadline(limitMs, AbortSignal.any([invocation.signal, ended.signal]), exceeded, async (signal) =>
    save(
      {
        connection,
        member: config.get("member"),
        checkMembers: config.get("check-members"),
        stallLimitMs: config.get("stall-limit"),
        spoolDirectory,
        target: await targetOf({ ...invocation, signal }),
      },
      { runtime, signal },
    ),
  );
  const { saved, suspects } = await saving.finally(() => ended.abort());
  for (const message of saved.warnings) runtime.log({ level: "warn", message });
  const spanMs = runtime.monotonicMs() - startedMs;
  const prunes = await pruneAfterSave(invocation, saved, saved.repositories === undefined ? [undefined] : placesOnce(config.all("repository")));
  const text = () => `${savedText(saved, suspects, spanMs)}${prunesText(prunes)}`;
  // Standard output holds the snapshot itself then.
  if (config.get("output") === "-") runtime.log({ level: "info", message: text().trimEnd() });
  else output.print({ ...documentOf(saved), suspects: suspects.map(documentOf), ...(config.get("prune") ? { prunes } : {}) }, text);
  const isPartly = prunes.some(({ result, failure }) => failure !== null || (result?.failures.length ?? 0) > 0);
  return isPartly || saved.repositories?.some(({ failure }) => failure !== null) ? PARTLY_DONE : 0;
}

async function targetOf(invocation: Invocation): Promise<SaveTarget> {
  const { config, signal } = invocation;
  const path = config.get("output");
  if (path === undefined) {
    const { RepositoryTarget: Target } = await import("../../backup/repository-target.ts");
    const locations = placesOnce(config.all("repository"));
    const protection = await askedProtection(invocation, "passphrase-file");
    await tellOfUnbelieved(invocation, protection.signing);
    const shared = {
      bundle: bundleRequest(config),
      author: await author(),
      cluster: config.get("cluster"),
      compareEveryMs: config.get("check-members-every"),
      tags: tagsOf(config),
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
  const said = (name: "trusted-key" | "sign-key-file") => optionText(name, config.origin(name));
  const [signer, how] =
    signing === undefined
      ? ["no --sign-key-file", "without a signature"]
      : [said("sign-key-file"), `with the signature of ${signing.publicKey}, which is not among those keys,`];
  const message = `${said("trusted-key")} and ${signer}: what is stored ${how} counts as damaged for whoever trusts those keys alone`;
  const hint = "Give --sign-key-file with a key that --trusted-key names, or name the one that signs there as well.";
  if (config.origin("trusted-key").kind === "flag") throw new EtcdsafeError("USAGE", message, { hint });
  runtime.log({ level: "warn", message: `${message}. ${hint}` });
}

/** One name of each place: a second would find the first one's backup in its way. */
function placesOnce(locations: readonly string[]): string[] {
  return [...Map.groupBy(locations, (location) => JSON.stringify(placeOf(location))).values()].map(([first]) => first!);
}

async function storeOf(invocation: Invocation, location: string | undefined): Promise<Pick<RepositoryTargetOptions, "storage" | "isOnThisHost">> {
  const { isOnThisHost } = await import("../../storage/on-this-host.ts");
  const { config } = invocation;
  return { storage: await openNamedStorage({ ...invocation, config: withLocation(config, location) }), isOnThisHost: isOnThisHost(location ?? "") };
}

/** Undefined where nothing is to be stored beside the snapshot. */
function bundleRequest(config: Config): BundleRequest | undefined {
  const [includes, presets] = [config.get("include") ?? [], config.get("include-preset") ?? []];
  if (includes.length + presets.length === 0) return undefined;
  return { includes, presets, hostRoot: config.get("host-root"), allowPlaintextSecrets: config.get("allow-plaintext-secrets") };
}

function savedText(saved: Saved, suspects: readonly Saved[], spanMs: number): string {
  const { manifest, file, state, stateWhy, revision, rawSizeBytes, databaseSha256, repositories } = saved;
  const began = manifest?.timelineBegan ?? null;
  return facts([
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
}

function prunesText(prunes: readonly PrunedRepository[]): string {
  return prunes.map(({ location, result }) => (result === null ? `${location} was not pruned\n` : `pruned ${location}\n${resultText(result)}`)).join("");
}

function storedInText({ location, manifest, failure }: StoredIn): string {
  if (failure !== null) return `${location}: NOT STORED: ${failure.code}: ${failure.message}`;
  const { encryption } = snapshotObject(manifest!);
  return `${location}, ${encryption === null ? "not encrypted" : `encrypted ${encryptedTo({ encryption })}`}`;
}

/** What can differ between them: all else is in the one manifest. */
function storedInDocument({ location, manifest, failure }: StoredIn) {
  if (manifest === null) return { location, backup: null, failure };
  const { id, timeline, timelineBegan } = manifest;
  return { location, backup: { id, timeline, timelineBegan, encryption: snapshotObject(manifest).encryption }, failure };
}

function documentOf({ manifest, file, repositories, ...known }: Saved) {
  const several = repositories === undefined ? {} : { repositories: repositories.map(storedInDocument) };
  return manifest === null ? { manifest, file, ...known } : { manifest, file, ...several };
}
