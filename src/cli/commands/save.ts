// `etcdsafe save`
import { fileTarget, streamTarget } from "../../backup/file-target.ts";
import { DEFAULT_SPOOL_DIRECTORY, save } from "../../backup/save.ts";
import type { Saved, SaveTarget } from "../../backup/save-target.ts";
import type { BundleRequest } from "../../bundle/gather.ts";
import type { Config } from "../../config/config.ts";
import { formatDuration } from "../../config/duration.ts";
import { originText } from "../../config/origin.ts";
import { EtcdsafeError } from "../../errors.ts";
import { snapshotObject } from "../../repository/manifest.ts";
import { encryptedTo } from "../../repository/object-decoder.ts";
import { bundleText } from "../bundle-text.ts";
import type { Invocation } from "../command.ts";
import { connectionOf } from "../connection.ts";
import { withDeadline } from "../deadline.ts";
import { databaseHashText, formatSize, formatSpan } from "../format.ts";
import { facts } from "../output.ts";
import { askedProtection } from "../protection.ts";
import { author, lockOf, openNamedStorage } from "../repository.ts";
import { writeOutTo } from "../write-out.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { config, output, runtime } = invocation;
  const spoolDirectory = config.get("no-spool") || config.get("output") === "-" ? undefined : (config.get("spool-dir") ?? DEFAULT_SPOOL_DIRECTORY);
  const connection = await connectionOf(invocation);
  const startedMs = runtime.monotonicMs();
  const limitMs = config.get("deadline");
  const exceeded = limitMs === undefined ? "" : `the save took longer than ${formatDuration(limitMs)} (${originText(config.origin("deadline"))})`;
  const { saved, suspects } = await withDeadline(limitMs, invocation.signal, exceeded, async (signal) =>
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
  for (const message of saved.warnings) runtime.log({ level: "warn", message });
  const text = () => savedText(saved, suspects, runtime.monotonicMs() - startedMs);
  // Standard output holds the snapshot itself then.
  if (config.get("output") === "-") runtime.log({ level: "info", message: text().trimEnd() });
  else output.print({ ...documentOf(saved), suspects: suspects.map(documentOf) }, text);
  return 0;
}

async function targetOf(invocation: Invocation): Promise<SaveTarget> {
  const { config, signal } = invocation;
  const path = config.get("output");
  if (path === undefined) {
    const compareEveryMs = config.get("check-members-every");
    const [{ RepositoryTarget }, { isOnThisHost }] = await Promise.all([import("../../backup/repository-target.ts"), import("../../storage/on-this-host.ts")]);
    const bundle = bundleRequest(config);
    return new RepositoryTarget({
      bundle,
      storage: await openNamedStorage(invocation),
      author: await author(),
      cluster: config.get("cluster"),
      compareEveryMs,
      ...(await askedProtection(invocation, "passphrase-file")),
      lock: lockOf(invocation),
      isOnThisHost: isOnThisHost(config.get("repository") ?? ""),
    });
  }
  if (path !== "-") return fileTarget(path, invocation.runtime);
  if (process.stdout.isTTY) throw new EtcdsafeError("USAGE", "--output -: standard output is a terminal", { hint: "Redirect it, or name a file." });
  return streamTarget(writeOutTo(process.stdout, { signal, stallLimitMs: config.get("stall-limit") }));
}

/** Undefined where nothing is to be stored beside the snapshot. */
function bundleRequest(config: Config): BundleRequest | undefined {
  const [includes, presets] = [config.get("include") ?? [], config.get("include-preset") ?? []];
  if (includes.length + presets.length === 0) return undefined;
  return { includes, presets, hostRoot: config.get("host-root"), allowPlaintextSecrets: config.get("allow-plaintext-secrets") };
}

function savedText(saved: Saved, suspects: readonly Saved[], spanMs: number): string {
  const { manifest, file, state, stateWhy, revision, rawSizeBytes, databaseSha256 } = saved;
  const began = manifest?.timelineBegan ?? null;
  return facts([
    ["saved", manifest?.id ?? file ?? "to standard output"],
    ["state", `${state}: ${stateWhy}`],
    ["revision", revision],
    ["keys", manifest?.counts?.keys],
    ["size", formatSize(rawSizeBytes)],
    ["stored", manifest === null ? null : formatSize(manifest.objects.reduce((sum, { storedSizeBytes }) => sum + storedSizeBytes, 0))],
    ["bundle", manifest?.bundle === undefined ? null : bundleText(manifest.bundle)],
    ["encrypted", manifest === null || snapshotObject(manifest).encryption === null ? null : encryptedTo(snapshotObject(manifest))],
    ["database SHA-256", manifest === null ? databaseHashText(databaseSha256) : null],
    ["timeline", began === null ? null : `${manifest?.timeline}, begun here: ${began.detail}`],
    ...suspects.map((suspect) => ["suspect", `${suspect.manifest?.id ?? suspect.file ?? "not kept"}: ${suspect.stateWhy}`] as const),
    ["took", formatSpan(spanMs)],
  ]);
}

function documentOf({ manifest, file, ...known }: Saved) {
  return manifest === null ? { manifest, file, ...known } : { manifest, file };
}
