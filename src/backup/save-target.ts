// Where a save goes: a repository, a file, or a stream. What differs between them, and nothing else.
import type { Spool } from "../bytes/spool.ts";
import type { ObservedCluster } from "../repository/cluster-file.ts";
import type { BackupState, Manifest, MemberOutcome } from "../repository/manifest.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { SavePhase, TakeOptions } from "./take.ts";

/** One stored snapshot. */
export interface Saved {
  /** Null where it did not go to a repository. */
  readonly manifest: Manifest | null;
  /** Null where it went to a repository, or to a stream, and where a suspect one was not kept. */
  readonly file: string | null;
  readonly state: BackupState;
  readonly stateWhy: string;
  readonly members: readonly MemberOutcome[];
  /** Null where nobody looked inside. */
  readonly revision: string | null;
  readonly rawSizeBytes: number;
  /** Of the database, hexadecimal: the hash at the snapshot's end. */
  readonly databaseSha256: string;
  readonly warnings: readonly string[];
  /** Where it went to several repositories: what became of each, in the order given. */
  readonly repositories?: readonly StoredIn[];
  /** It is stored, but an abort kept the last of what belongs to that from being done. */
  readonly isUnfinished?: boolean;
}

/** What became of a snapshot in one of several repositories. */
export interface StoredIn {
  readonly location: string;
  /** Null where it is not stored. */
  readonly manifest: Manifest | null;
  /** Whether it may be stored all the same: it was being published when the save was stopped. */
  readonly mayBeStored?: boolean;
  /** Null where it is. */
  readonly failure: { readonly code: string; readonly message: string; readonly hint: string } | null;
}

export interface SaveResult {
  readonly saved: Saved;
  /** Taken before it from members that turned out to stand alone with their data. */
  readonly suspects: readonly Saved[];
}

type Options = CallOptions & { readonly runtime: Runtime };

export interface SaveTarget {
  /** Refuses, before etcd is made to work, what it can refuse by then. */
  prepare(observed: ObservedCluster, options: Options): Promise<void>;
  /** Why members need not be compared this time, if so. */
  comparedAlready(options: Options): Promise<string | undefined>;
  /** Where the spool is to be, when it is to become the result. Throws TARGET_NO_SPACE. */
  openSpool?(expectedSizeBytes: number): Promise<Spool>;
  /** Receives into the spool, checks, and stores. */
  store(observed: ObservedCluster, spool: Spool, take: TakeOptions): Promise<Saved>;
  /** Without a local copy: the stream goes on as it comes, and is not looked into. */
  passOn(observed: ObservedCluster, take: TakeOptions): Promise<Saved>;
  /** Records what failed, where there is a place for it. Never throws. */
  failed(error: unknown, phase: SavePhase, options: Options): Promise<void>;
}
