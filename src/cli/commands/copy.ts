// `etcdsafe copy FROM TO`
import type { Config } from "../../config/config.ts";
import { throwFaults } from "../../config/config-error.ts";
import { readFromConfig } from "../../config/from-config.ts";
import { applyCopy, type CopiedBackup, type CopyPlan, type CopyRequest, expectedResults, planCopy } from "../../copy/copy.ts";
import type { CopyOptions } from "../../copy/copy-backup.ts";
import { ERRORS, EtcdsafeError } from "../../errors.ts";
import { listClusters } from "../../repository/catalogue.ts";
import type { Repository } from "../../repository/repository.ts";
import { type Resigning, requireSameTrust } from "../../repository/resigning.ts";
import { requireClusterName } from "../../repository/resolve.ts";
import type { TrustedKey } from "../../repository/signature.ts";
import { onlySigned } from "../../repository/trusted-manifests.ts";
import { isOnThisHost } from "../../storage/on-this-host.ts";
import { isSamePlace, placeOf } from "../../storage/place.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Invocation } from "../command.ts";
import { copyText } from "../copy-text.ts";
import { PARTLY_DONE } from "../exit-codes.ts";
import { orForeign } from "../foreign.ts";
import { isProcessGone } from "../process-gone.ts";
import { askedAnew, keysOf, provesOrigin, trustedKeysOf } from "../protection.ts";
import { author, lockOf, openForReading, openNamedStorage } from "../repository.ts";
import { sinceOf } from "../since.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { config, operands, output, runtime, signal } = invocation;
  const [fromUrl, toUrl] = operands as [string, string];
  // Stores of their own endpoints may have the same names.
  const mayDiffer = config.get("from-config") !== undefined && placeOf(toUrl).kind !== "file";
  if (!mayDiffer && isSamePlace(fromUrl, toUrl))
    throw new EtcdsafeError("USAGE", "FROM and TO name one place: there is nothing to copy", { hint: "Name two repositories." });
  const source = { ...invocation, config: await sourceConfig(config, fromUrl) };
  const { encryption, resigning } = await askedAnew(invocation, provesOrigin(source.config));
  const keys = await keysOf(source);
  const from = await openSource(source);
  const target = { ...invocation, config: withRepository(config.without(["trusted-key"]), toUrl, "TO") };
  const request: CopyRequest = {
    from,
    to: await openTarget(target, await trustedKeysOf(source), resigning),
    clusters: await clustersOf(from, invocation),
    selection: { last: config.get("last"), since: sinceOf(config, runtime.now()) },
    encryption,
    resigning,
    isOnThisHost: isOnThisHost(toUrl),
  };
  const plan = await planCopy(request, { keys, signal });
  await requireProvenToSign(plan, from, { resigning, signal });
  const places = { from: from.storage.location, to: request.to.location };
  if (config.get("plan")) {
    const backups = expectedResults(plan);
    output.print({ plan: { ...places, backups } }, () => copyText(backups, places, "would be copied"));
    return 0;
  }
  const options: CopyOptions = {
    runtime,
    signal,
    author: await author(),
    keys,
    protection: { signing: resigning.signing, lock: lockOf(target) },
    isGone: isProcessGone,
  };
  const backups = await applyCopy(request, plan, options);
  output.print({ ...places, backups }, () => copyText(backups, places, "copied"));
  return exitCodeOf(backups);
}

async function sourceConfig(config: Config, location: string): Promise<Config> {
  const { config: source, faults } = await readFromConfig(config);
  throwFaults(faults);
  return withRepository(source, location, "FROM");
}

/** What is there already counts where it is believed as what is copied, or is signed with the key that copies are signed with. */
async function openTarget(target: Invocation, trusted: readonly TrustedKey[] | undefined, { signing, allowUnsigned }: Resigning): Promise<Storage> {
  const storage = await openNamedStorage(target);
  return trusted === undefined || allowUnsigned ? storage : onlySigned(storage, [...trusted, ...(signing === undefined ? [] : [signing.publicKey])]);
}

function withRepository(config: Config, location: string, operand: string): Config {
  return config.with("repository", { value: location, origin: { kind: "flag", flag: operand } });
}

/** Throws USAGE where other tools keep their backups: those are no etcdsafe backups, and nothing would say what is in them. */
function openSource(source: Invocation): Promise<Repository> {
  return orForeign(
    source,
    () => openForReading(source),
    async ({ storage }) => {
      throw new EtcdsafeError("USAGE", `${storage.location} is no repository, but holds another tool's backups, which are not copied`, {
        hint: "They are listed, verified and restored where they are (docs/other-tools.md). To move them, copy their files as they are; to have one as a plain snapshot, `etcdsafe restore BACKUP --to-snapshot FILE`.",
      });
    },
  );
}

async function clustersOf(from: Repository, { config, signal }: Invocation): Promise<string[]> {
  if (config.get("all-clusters")) return listClusters(from, { signal });
  await requireClusterName(from, config.get("cluster"), { signal });
  return [config.get("cluster")];
}

/** Of what is signed anew; what would lose its signature is not among it. */
async function requireProvenToSign(
  { clusters }: CopyPlan,
  { storage }: Repository,
  { resigning, signal }: { readonly resigning: Resigning; readonly signal: AbortSignal },
): Promise<void> {
  for (const step of clusters.flatMap(({ steps }) => steps))
    if (step.kind === "copy" && step.to !== undefined) await requireSameTrust(storage, step.entry.manifest, resigning, { signal });
}

function exitCodeOf(backups: readonly CopiedBackup[]): number {
  const [first] = backups.flatMap(({ failure }) => failure ?? []);
  if (first === undefined) return 0;
  return backups.every(({ failure }) => failure !== null) ? ERRORS[first.code as keyof typeof ERRORS].exit : PARTLY_DONE;
}
