// Copies backups from one repository to another, whatever stores they are in.
// 1. Both sides are read, and what is to be done with each backup is decided: nothing is written before all that can be refused is refused.
// 2. Restore records and the cluster file go first, so that whatever is there is bound.
// 3. Backups go newest first, one after the other, each published when it was read back. What is there already is left alone, so that a copy that was
//    interrupted is finished by the next.
import type { AgeKeys } from "../age/identities.ts";
import type { AgeRecipients } from "../age/recipients.ts";
import { ERRORS, EtcdsafeError, whyStopped } from "../errors.ts";
import { scanDeletions } from "../repository/backup-scan.ts";
import { type CatalogueEntry, listBackups } from "../repository/catalogue.ts";
import { type ClusterFile, readClusterFile } from "../repository/cluster-file.ts";
import { type AskedEncryption, chooseEncryption, requireUsableRecipients } from "../repository/encryption-policy.ts";
import { inTurns } from "../repository/in-turns.ts";
import type { Manifest } from "../repository/manifest.ts";
import { REPOSITORY_KEY } from "../repository/names.ts";
import { encryptedTo } from "../repository/object-decoder.ts";
import { encryptionFacts, type ObjectEncryption } from "../repository/object-encoder.ts";
import { versionLocker } from "../repository/object-lock.ts";
import { carryPin } from "../repository/pins.ts";
import { openOrCreateRepository, openToWrite, type Repository } from "../repository/repository.ts";
import type { Resigning } from "../repository/resigning.ts";
import { isSigned } from "../repository/trusted-manifests.ts";
import type { CallOptions } from "../runtime.ts";
import { isSamePlace } from "../storage/place.ts";
import type { Storage } from "../storage/storage.ts";
import { carriedBinding } from "./binding.ts";
import { carryBinding } from "./carried.ts";
import { type CopyOptions, copyBackup } from "./copy-backup.ts";
import { type CopyStep, planSteps, type Selection } from "./plan.ts";
import { tidyUp } from "./resume.ts";

export interface CopyRequest {
  readonly from: Repository;
  /** A repository, or where one is to be. */
  readonly to: Storage;
  /** Names of clusters. */
  readonly clusters: readonly string[];
  readonly selection: Selection;
  /** To whom what is copied is encrypted; where nothing is said, it goes as it is. */
  readonly encryption: AskedEncryption;
  /** What becomes of the signatures of what is encrypted to others. */
  readonly resigning: Resigning;
  /** Whether the target is on this host: what leaves it is encrypted, unless somebody says otherwise. */
  readonly isOnThisHost: boolean;
}

export interface CopyPlan {
  readonly clusters: readonly ClusterPlan[];
}

interface ClusterPlan {
  readonly cluster: string;
  /** Newest first. */
  readonly steps: readonly CopyStep[];
  /** The cluster file to write, in place of the one of `version`. */
  readonly binding: { readonly file: ClusterFile; readonly version: string | undefined } | undefined;
  /** Whether nobody will know whose the backups in the target are. */
  readonly isUnbound: boolean;
}

export interface CopiedBackup {
  readonly cluster: string;
  readonly backup: string;
  /** `copied`; `present` in the target already, as `as`; `failed`. */
  readonly outcome: "copied" | "present" | "failed";
  readonly as: string | null;
  /** Stored sizes of all its objects; null where it was not copied. */
  readonly storedSizeBytes: number | null;
  /** Who can open the copy; null where nobody has to, or it was not copied. */
  readonly encryption: ObjectEncryption | null;
  readonly failure: { readonly code: string; readonly message: string; readonly hint: string } | null;
}

/**
 * Writes nothing. Throws CLUSTER_MISMATCH where two clusters would come under one name, ENCRYPTION_REQUIRED where something would lie unencrypted
 * where it must not, and DECRYPTION_KEY_MISSING where something encrypted is to be encrypted to others and cannot be opened.
 */
export async function planCopy(request: CopyRequest, options: CallOptions & { readonly keys: AgeKeys | undefined }): Promise<CopyPlan> {
  const { from, to } = request;
  const target = (await to.stat(REPOSITORY_KEY, options)) === undefined ? undefined : await openToWrite(to, options);
  const clusters: ClusterPlan[] = [];
  for (const cluster of request.clusters) {
    const source = await withSignatures(from, cluster, await listBackups(from, cluster, options), options);
    const there = target === undefined ? [] : await withSignatures(target, cluster, await listBackups(target, cluster, options), options);
    const sourceFile = (await readClusterFile(from.storage, cluster, options))?.file;
    const targetFile = target && (await readClusterFile(to, cluster, options));
    const sides = { cluster, location: to.location, source: sourceFile, target: targetFile?.file };
    const file = carriedBinding({ ...sides, sourceManifests: manifestsOf(source), targetManifests: manifestsOf(there) });
    const deleting = target === undefined ? new Set<string>() : await scanDeletions(to, cluster, options);
    const policy = target?.file.policy.encryption;
    if (policy !== undefined && request.encryption === "not-said") await requireUsableRecipients(policy, to.location);
    const encryptionOf = (manifest: Manifest) => encryptionFor(manifest, request, policy, options.keys);
    const steps = planSteps({ source, target: there, deleting, location: to.location }, request.selection, { encryptionOf, resigning: request.resigning });
    const isUnbound = sourceFile === undefined && targetFile === undefined && steps.some(({ kind }) => kind === "copy");
    clusters.push({ cluster, steps, binding: file && { file, version: targetFile?.version }, isUnbound });
  }
  return { clusters };
}

/** Anything may lie in the place of a signature: `isSigned` only where it is one. */
function withSignatures({ storage }: Repository, cluster: string, entries: readonly CatalogueEntry[], options: CallOptions): Promise<CatalogueEntry[]> {
  return inTurns(entries, async (entry) =>
    entry.manifest === null || !entry.isSigned ? entry : { ...entry, isSigned: await isSigned(storage, cluster, entry.id, options) },
  );
}

/** Goes on after a backup that fails, unless a store is at fault; throws only when aborted, and what opening the target throws. */
export async function applyCopy({ from, to: storage }: CopyRequest, { clusters }: CopyPlan, options: CopyOptions): Promise<CopiedBackup[]> {
  const { lock } = options.protection;
  if (lock !== undefined) await versionLocker(storage, lock, options); // It throws where that cannot be, before anything is written.
  const to = await openOrCreateRepository(storage, options.author, options);
  const results: CopiedBackup[] = [];
  let broken: EtcdsafeError | undefined;
  for (const { cluster, steps, binding, isUnbound } of clusters) {
    const unbound = broken ?? (await failureOf(() => carryBinding(from.storage, storage, cluster, binding, options), cluster, options));
    if (unbound === undefined && isUnbound) warnUnbound(cluster, from, options);
    const copies = new CopiesOfRun();
    for (const planned of steps) {
      const step = copies.stepNow(planned);
      const cause = broken ?? unbound;
      const isLost = cause !== undefined && step.kind === "copy";
      const result = cause === undefined ? await carriedOut(from, to, cluster, step, options) : { ...resultOf(cluster, step), ...(isLost && failed(cause)) };
      results.push(result);
      copies.record(planned, result);
      if (result.error !== undefined && ERRORS[result.error.code].exit === STORE_AT_FAULT) broken = result.error;
    }
  }
  return results.map(({ error: _, ...result }: CopiedBackup & { error?: EtcdsafeError }) => result);
}

/** What applyCopy would give if all went well, with `copied` for what it would copy. */
export function expectedResults({ clusters }: CopyPlan): CopiedBackup[] {
  return clusters.flatMap(({ cluster, steps }) => steps.map((step) => resultOf(cluster, step)));
}

/** Where what a backup was to be present as was not copied after all, it is copied itself, and the others like it are present as that. */
class CopiesOfRun {
  /** Ids of backups by those that were to be copied with the same content. */
  readonly #there = new Map<string, string>();

  stepNow(step: CopyStep): CopyStep {
    if (step.kind !== "present" || step.otherwise === undefined) return step;
    const as = this.#there.get(step.as);
    return as === undefined ? step.otherwise : { ...step, as };
  }

  record(planned: CopyStep, { backup, outcome }: CopiedBackup): void {
    if (outcome === "copied") this.#there.set(planned.kind === "present" ? planned.as : backup, backup);
  }
}

/** The exit code of all that says that a store cannot be used. */
const STORE_AT_FAULT = 5;

type Tried = CopiedBackup & { readonly error?: EtcdsafeError };

async function carriedOut(from: Repository, to: Repository, cluster: string, step: CopyStep, options: CopyOptions): Promise<Tried> {
  const expected = resultOf(cluster, step);
  let facts: Partial<Tried> = {};
  const error = await failureOf(
    async () => {
      if (step.kind === "present") await tidyUp(to, cluster, step.as, options);
      // Of the same name it came along when that was copied; somebody may have unpinned it there since.
      if (step.kind === "present" && step.as !== step.backup)
        await carryPin({ storage: from.storage, backup: step.backup }, { storage: to.storage, backup: step.as }, cluster, options.author, options);
      if (step.kind !== "copy") return;
      const { manifest } = step.entry;
      facts = factsOf(await copyBackup(from, to, { cluster, manifest, to: step.to }, options));
    },
    `${cluster}/${expected.backup}`,
    options,
  );
  return { ...expected, ...facts, ...(error && failed(error)) };
}

/** What keeps `what` from being copied; undefined where nothing does. Throws where everything has to end. */
async function failureOf(step: () => Promise<void>, what: string, { signal, runtime }: CopyOptions): Promise<EtcdsafeError | undefined> {
  try {
    await step();
    return undefined;
  } catch (error) {
    if (signal.aborted) throw whyStopped(error, signal);
    if (!(error instanceof EtcdsafeError) || error.code === "INTERNAL") throw error;
    runtime.log({ level: "error", message: `${what} is not copied: ${error.message}` });
    return error;
  }
}

function resultOf(cluster: string, step: CopyStep): Tried {
  const nothing = { cluster, as: null, storedSizeBytes: null, encryption: null, failure: null };
  if (step.kind === "present") return { ...nothing, backup: step.backup, outcome: "present", as: step.as };
  if (step.kind === "refused") return { ...nothing, backup: step.backup, ...failed(step.error) };
  const { manifest } = step.entry;
  const facts = factsOf(manifest);
  return { ...nothing, backup: manifest.id, outcome: "copied", ...facts, ...(step.to && { encryption: encryptionFacts(step.to) }) };
}

function factsOf({ objects }: Manifest): Pick<CopiedBackup, "storedSizeBytes" | "encryption"> {
  return { storedSizeBytes: objects.reduce((sum, { storedSizeBytes }) => sum + storedSizeBytes, 0), encryption: objects[0]?.encryption ?? null };
}

function failed(error: EtcdsafeError): Pick<Tried, "outcome" | "storedSizeBytes" | "encryption" | "failure" | "error"> {
  const { code, message, hint } = error;
  return { outcome: "failed", storedSizeBytes: null, encryption: null, failure: { code, message, hint }, error };
}

/** Undefined: as it is. What is encrypted stays so, and to the same, unless somebody says to whom else. */
function encryptionFor(
  manifest: Manifest,
  { encryption: asked, isOnThisHost, to }: CopyRequest,
  policy: Repository["file"]["policy"]["encryption"],
  keys: AgeKeys | undefined,
): AgeRecipients | undefined {
  const isEncrypted = manifest.objects.every(({ encryption }) => encryption !== null);
  const isAsAsked = typeof asked === "object" && manifest.objects.every(({ encryption }) => opensAlike(encryption, encryptionFacts(asked)));
  if (isAsAsked || (isEncrypted && typeof asked !== "object")) return undefined;
  const wanted = chooseEncryption(asked, policy, { location: to.location, isOnThisHost });
  const closed = wanted === undefined ? undefined : manifest.objects.find(({ encryption }) => encryption !== null);
  if (closed !== undefined && keys === undefined)
    throw new EtcdsafeError(
      "DECRYPTION_KEY_MISSING",
      `${manifest.id} is encrypted ${encryptedTo(closed)}: encrypting it to others takes a key that opens it, and none was given`,
    );
  return wanted;
}

/** A passphrase may be another one each time. */
function opensAlike(found: ObjectEncryption | null, wanted: ObjectEncryption): boolean {
  const [a, b] = [new Set(found?.recipients), new Set(wanted.recipients)];
  return found !== null && !found.passphrase && !wanted.passphrase && a.size === b.size && a.isSubsetOf(b);
}

function warnUnbound(cluster: string, { storage, file }: Repository, { runtime }: CopyOptions): void {
  const { stateStore } = file;
  const elsewhere =
    stateStore === undefined || (storage.stateLocation !== undefined && isSamePlace(storage.stateLocation, stateStore.location))
      ? ""
      : ` (it is in ${stateStore.location}: state-url in the file of --from-config)`;
  const message = `${storage.location} has no cluster.json of ${cluster}${elsewhere}: the copy is restored from as any, but before it is saved to, it takes \`etcdsafe repo adopt\``;
  runtime.log({ level: "warn", message });
}

function manifestsOf(entries: readonly CatalogueEntry[]): Manifest[] {
  return entries.flatMap(({ manifest }) => manifest ?? []);
}
