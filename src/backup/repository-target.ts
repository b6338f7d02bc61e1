// A save into a repository: uploaded from the spool while the spool is being checked; the manifest last, when all is known.
import type { AgeRecipients } from "../age/recipients.ts";
import type { BundleRequest, GatheredBundle } from "../bundle/gather.ts";
import type { Spool } from "../bytes/spool.ts";
import { readerOf } from "../bytes/stream.ts";
import { TrailingHash } from "../bytes/trailing-hash.ts";
import { formatId } from "../bytes/u64.ts";
import { openSnapshot } from "../cluster/snapshot-stream.ts";
import { EtcdsafeError } from "../errors.ts";
import { listBackups } from "../repository/catalogue.ts";
import { type ObservedCluster, readClusterFile } from "../repository/cluster-file.ts";
import { type AskedEncryption, chooseEncryption, requireUsableRecipients } from "../repository/encryption-policy.ts";
import { type Manifest, snapshotObject } from "../repository/manifest.ts";
import { BUNDLE_OBJECT, backupId, REPOSITORY_KEY, SNAPSHOT_OBJECT } from "../repository/names.ts";
import { type LockPolicy, versionLocker } from "../repository/object-lock.ts";
import { placeBackup, requireMayWrite } from "../repository/placement.ts";
import { type BackupUpload, beginUpload, type Protection } from "../repository/publish.ts";
import { type Author, openOrCreateRepository, openRepository, openToWrite, type Repository } from "../repository/repository.ts";
import { writeAttempt } from "../repository/sidecars.ts";
import type { SigningKey } from "../repository/signature.ts";
import { tryUploadMarker } from "../repository/upload-marker.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { comparedLately, notCompared } from "./comparison.ts";
import { kubernetesWarnings } from "./kubernetes.ts";
import { buildManifest, type ManifestFacts } from "./manifest.ts";
import { checkReceived } from "./receive.ts";
import { fromSpool, reported } from "./reported-bytes.ts";
import type { Saved, SaveTarget } from "./save-target.ts";
import { stateOf } from "./state.ts";
import { type CheckedSnapshot, check, type ReceivedSnapshot, receive, revisionBefore, type SavePhase, type TakeOptions } from "./take.ts";

export interface RepositoryTargetOptions {
  readonly encryption: AskedEncryption;
  /** Whether `storage` is on this host: what leaves it is encrypted, unless somebody says otherwise. */
  readonly isOnThisHost: boolean;
  /** Undefined: backups are not signed. */
  readonly signing: SigningKey | undefined;
  /** How the stored versions are locked, where they are. */
  readonly lock?: LockPolicy | undefined;
  readonly storage: Storage;
  readonly author: Author;
  readonly cluster: string;
  /** Members are not compared when a stored backup did so within this time, and found none that differs. */
  readonly compareEveryMs: number | undefined;
  /** Files of the host to store beside the snapshot. */
  readonly bundle?: BundleRequest | undefined;
  /** Asked right before the backup is published; throws where this process is not the writer any more. */
  readonly requireHeld?: ((options: CallOptions) => Promise<void>) | undefined;
  /** The operator's, by name. */
  readonly tags?: Manifest["tags"] | undefined;
}

/** A snapshot in the spool, on its way into one repository or several. */
export interface Received {
  /** Of the backup. */
  readonly id: string;
  readonly createdAt: Date;
  readonly observed: ObservedCluster;
  readonly snapshot: ReceivedSnapshot;
  /** Begins to check it, or waits for who has begun. */
  check(options: TakeOptions): Promise<CheckedSnapshot>;
}

type Options = CallOptions & { readonly runtime: Runtime };
type Upload = Awaited<ReturnType<BackupUpload["put"]>>;

/** How long the clean-up after a failed save may take. */
const ABANDON_LIMIT_MS = 10_000;

export class RepositoryTarget implements SaveTarget {
  readonly #options: RepositoryTargetOptions;
  #repository: Repository | undefined;
  #bundle: GatheredBundle | undefined;
  #encryption: AgeRecipients | undefined;
  #startedAt: string | undefined;
  #clusterId = "";

  constructor(options: RepositoryTargetOptions) {
    this.#options = options;
  }

  get location(): string {
    return this.#options.storage.location;
  }

  async prepare(observed: ObservedCluster, options: Options): Promise<void> {
    const { storage, author, cluster, lock } = this.#options;
    this.#startedAt = options.runtime.now().toISOString();
    await this.#chooseEncryption(options);
    if (lock !== undefined) await versionLocker(storage, lock, options); // It throws where that cannot be, before the snapshot is taken.
    this.#repository = await openOrCreateRepository(storage, author, options);
    await requireMayWrite(this.#repository, cluster, observed, options);
    this.#clusterId = observed.clusterId;
    this.#bundle = await this.#gathered(options);
    await tryUploadMarker(storage, author, cluster, options);
  }

  async comparedAlready(options: Options): Promise<string | undefined> {
    const { cluster, compareEveryMs: everyMs } = this.#options;
    if (everyMs === undefined) return undefined;
    const manifests = (await listBackups(this.#opened(), cluster, options)).map(({ manifest }) => manifest).filter((manifest) => manifest !== null);
    const last = comparedLately(manifests, { clusterId: this.#clusterId, nowMs: options.runtime.now().getTime(), everyMs });
    return last && `${last.id} compared them, within the time of --check-members-every`;
  }

  async store(observed: ObservedCluster, spool: Spool, take: TakeOptions): Promise<Saved> {
    const createdAt = take.runtime.now();
    const snapshot = await receive(spool, take);
    const id = backupId(createdAt, snapshot.peek.revision, take.runtime.randomBytes);
    return this.storeReceived({ id, createdAt, observed, snapshot, check: (options) => check(snapshot, options) }, take);
  }

  /** Stores what is in the spool, while it is being checked. */
  async storeReceived({ id, createdAt, observed, snapshot, check }: Received, take: TakeOptions): Promise<Saved> {
    return this.#publish(id, createdAt, take, async (upload) => {
      const stop = new AbortController();
      const options = { ...take, signal: AbortSignal.any([take.signal, stop.signal]) };
      // Whichever fails first stops the other, and is what the save fails with.
      const failedIn = (phase: SavePhase) => (error: unknown) => {
        if (!stop.signal.aborted) take.onPhase(phase);
        stop.abort(error);
        throw error;
      };
      const checking = check(options).then((checked) => {
        take.onPhase("upload"); // It began with the check, and is all that is left now.
        return checked;
      }, failedIn("check"));
      const { spool } = snapshot;
      const hash = new TrailingHash();
      const storing = async () => {
        const totalBytes = snapshot.rawSizeBytes;
        const object = await upload.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, fromSpool(spool, totalBytes, options), { ...options, rawHash: hash });
        options.runtime.progress({ step: "upload", doneBytes: totalBytes, totalBytes, done: true });
        return object;
      };
      const [object, checked] = await bothEnd(storing().catch(failedIn("upload")), checking);
      take.onPhase("check");
      const { dataSha256 } = checkReceived(hash.finish(), { spoolDirectory: spool.directory });
      const { comparison, newestRowsAt, ...known } = checked;
      return { ...known, ...stateOf(comparison), dataSha256, comparison: comparison.record, observed, snapshot, object, newestRowsAt };
    });
  }

  async passOn(observed: ObservedCluster, take: TakeOptions): Promise<Saved> {
    const createdAt = take.runtime.now();
    take.onPhase("connect");
    const before = await revisionBefore(take);
    await using stream = await openSnapshot(take.clients.at(take.serving.endpoint), take);
    const id = backupId(createdAt, before, take.runtime.randomBytes);
    return await this.#publish(id, createdAt, take, async (upload) => {
      take.onPhase("stream");
      const hash = new TrailingHash();
      // A store that stands still does not ask for more, and so would not hear that the stream was given up for it.
      const signal = AbortSignal.any([take.signal, stream.lost]);
      const object = await upload.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, readerOf(reported(stream, take.runtime)), { signal, rawHash: hash });
      const { dataSha256 } = checkReceived(hash.finish(), {});
      const state = { state: "partial", stateWhy: "saved without a local copy, so its structure was not checked (--no-spool)" } as const;
      const snapshot = { revisionBefore: before, quorumSeen: take.selection.quorum };
      const comparison = notCompared("a snapshot that is not looked into cannot be compared").record;
      return { ...state, observed, snapshot, facts: undefined, comparison, warnings: [], dataSha256, object, newestRowsAt: () => [] };
    });
  }

  async failed(error: unknown, phase: SavePhase, { runtime, signal }: Options): Promise<void> {
    const { storage, author, cluster } = this.#options;
    if (!(error instanceof EtcdsafeError) || (this.#repository === undefined && !(await isUsed(storage, cluster, { signal })))) return;
    const failure = { code: error.code, message: error.message, hint: error.hint };
    const finishedAt = runtime.now().toISOString();
    await writeAttempt(
      storage,
      cluster,
      author,
      { action: "save", phase, backup: null, startedAt: this.#startedAt ?? finishedAt, finishedAt, failure },
      { runtime, signal },
    ).catch(() => {
      // The save's own error says enough; a repository that cannot be written is often what it is about.
    });
  }

  async #gathered(options: Options): Promise<GatheredBundle | undefined> {
    const { bundle } = this.#options;
    if (bundle === undefined) return undefined;
    return (await import("../bundle/gather.ts")).gatherBundle(bundle, { ...options, encrypted: this.#encryption !== undefined });
  }

  /** Of one save to several repositories, all hold the same bytes: nothing in it tells of the moment it is stored. */
  async #storeBundle(
    upload: BackupUpload,
    { id: backup, createdAt }: { readonly id: string; readonly createdAt: Date },
    { signal }: TakeOptions,
  ): Promise<ManifestFacts["bundle"]> {
    if (this.#bundle === undefined) return undefined;
    const [{ bundleTar }, { bundleHolds }] = await Promise.all([import("../bundle/write.ts"), import("../bundle/holds.ts")]);
    const { author, cluster } = this.#options;
    await using raw = readerOf(bundleTar(this.#bundle, { author, cluster, backup, createdAt }));
    return { object: await upload.put({ role: "bundle", name: BUNDLE_OBJECT }, raw, { signal }), holds: bundleHolds(this.#bundle) };
  }

  /** Begins a backup, has its object stored by `work`, and writes the manifest; or leaves nothing. */
  async #publish(id: string, createdAt: Date, take: TakeOptions, work: (upload: BackupUpload) => Promise<Known>): Promise<Saved> {
    const { author, cluster } = this.#options;
    const { runtime, signal } = take;
    const upload = await beginUpload(this.#opened(), author, { cluster, id, action: "save" }, { runtime, signal, protection: this.#protection() });
    try {
      const known = await work(upload);
      const bundle = await this.#storeBundle(upload, { id, createdAt }, take);
      take.onPhase("manifest");
      const manifest = await this.#manifest(id, createdAt, { ...known, bundle }, take);
      await this.#options.requireHeld?.({ signal });
      const { isFinished } = await upload.publish(manifest, { signal });
      return isFinished ? savedOf(manifest) : { ...savedOf(manifest), isUnfinished: true };
    } catch (error) {
      await upload.abandon(ABANDON_LIMIT_MS);
      throw upload.reasonOf(error);
    }
  }

  async #manifest(
    id: string,
    createdAt: Date,
    known: Known & Pick<ManifestFacts, "bundle">,
    { runtime, signal, serving, memberClockMs }: TakeOptions,
  ): Promise<Manifest> {
    const { author, cluster } = this.#options;
    const { observed, snapshot, newestRowsAt, ...rest } = known;
    const lacking = known.facts === undefined ? [] : kubernetesWarnings(known.facts.kubernetes, this.#bundle?.kinds);
    const facts: Omit<ManifestFacts, "timeline" | "timelineBegan"> = {
      ...rest,
      warnings: [...known.warnings, ...(this.#bundle?.warnings ?? []), ...lacking],
      tool: author.tool,
      id,
      cluster,
      clusterId: observed.clusterId,
      createdAt: createdAt.toISOString(),
      publishedAt: runtime.now().toISOString(),
      clockOffsets: { storeMs: await this.#storeClockMs({ runtime, signal }), memberMs: memberClockMs },
      servingMember: {
        id: formatId(serving.memberId),
        name: serving.name,
        endpoint: serving.endpoint,
        isLeader: serving.isLeader,
        etcdVersion: serving.etcdVersion,
      },
      quorumSeen: snapshot.quorumSeen,
      revisionBefore: snapshot.revisionBefore,
      kubeSystemUid: observed.kubeSystemUid,
      tags: this.#options.tags,
    };
    // The timeline follows from what the manifest says of the snapshot, so it is put in last.
    const draft = buildManifest({ ...facts, timeline: "", timelineBegan: null });
    const state = { ...draft, finishedCompactRevision: (known.facts?.compactRevision ?? -1n).toString(), newestRowsAt };
    const { timeline, began } = await placeBackup(this.#opened(), cluster, observed, state, { runtime, signal });
    return { ...draft, timeline, timelineBegan: began };
  }

  /** Null where the store has no clock, or does not answer: whether it can be written to, the manifest tells. */
  async #storeClockMs({ runtime, signal }: Options): Promise<number | null> {
    const reading = await this.#options.storage.clock?.now({ signal }).catch(() => undefined);
    return reading === undefined ? null : reading.time.getTime() - runtime.now().getTime();
  }

  /** Before a repository is created where there is none: a refusal leaves nothing. */
  async #chooseEncryption({ runtime, signal }: Options): Promise<void> {
    const { storage, encryption: asked, isOnThisHost } = this.#options;
    const exists = (await storage.stat(REPOSITORY_KEY, { signal })) !== undefined;
    const policy = exists ? (await openRepository(storage, { signal })).file.policy.encryption : undefined;
    this.#encryption = chooseEncryption(asked, policy, { location: storage.location, isOnThisHost });
    if (asked !== "not-said" || policy === undefined) return;
    await requireUsableRecipients(policy, storage.location);
    if (this.#encryption !== undefined)
      runtime.log({ level: "info", message: `encrypted to ${policy.recipients.join(", ")}, as the repository's policy says` });
  }

  #protection(): Protection {
    const { signing, lock } = this.#options;
    return { encryption: this.#encryption, signing, lock };
  }

  #opened(): Repository {
    if (this.#repository === undefined) throw new EtcdsafeError("INTERNAL", "a repository was used before it was opened");
    return this.#repository;
  }
}

/** Of a save that failed before it came to its repository: whether somebody saves there under that name, with its state where this one looks. */
async function isUsed(storage: Storage, cluster: string, options: CallOptions): Promise<boolean> {
  try {
    await openToWrite(storage, options);
    return (await readClusterFile(storage, cluster, options)) !== undefined;
  } catch {
    return false; // What is wrong there, the next save that reaches etcd tells.
  }
}

/** What `work` finds out for the manifest. */
type Known = Pick<ManifestFacts, "state" | "stateWhy" | "warnings" | "comparison" | "dataSha256" | "facts"> & {
  readonly newestRowsAt: CheckedSnapshot["newestRowsAt"];
  readonly observed: ObservedCluster;
  readonly snapshot: Pick<ManifestFacts, "revisionBefore" | "quorumSeen">;
  readonly object: Upload;
};

function savedOf(manifest: Manifest): Saved {
  const { state, stateWhy, comparison, revision, snapshot, warnings } = manifest;
  return {
    manifest,
    file: null,
    state,
    stateWhy,
    members: comparison.members,
    revision: state === "partial" ? null : revision,
    rawSizeBytes: snapshotObject(manifest).rawSizeBytes,
    databaseSha256: snapshot.dataSha256,
    warnings,
  };
}

/** Both results, or the failure that came first, once both have ended. */
async function bothEnd<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  const both = Promise.all([a, b]);
  both.catch(() => undefined); // Until it is looked at below: a rejection that nobody awaits ends the process.
  await Promise.allSettled([a, b]);
  return both;
}
