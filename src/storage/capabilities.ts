// What only some stores can do, each as an interface beside Storage: a storage that has it is tested for it by the conformance suite.
// Their methods need no `this`, so that wrappers can take them apart.
import type { ByteStream } from "../bytes/stream.ts";
import type { CallOptions } from "../runtime.ts";
import type { ObjectInfo, PutOptions, ReadOptions } from "./storage.ts";

/** One version of an object, or the mark that its key was deleted. */
export interface ObjectVersion extends ObjectInfo {
  readonly versionId: string;
  /** Nothing can be read then: it only says when the key was deleted (`modifiedAt`). */
  readonly isDeleteMarker: boolean;
}

/** Reading what was overwritten or deleted. */
export interface Versions {
  /** Whether the bucket keeps versions now. */
  isEnabled(options: CallOptions): Promise<boolean>;
  /** Every version of every object whose key starts with `prefix`: by key as `list` has them, of each key the newest first. */
  list(prefix: string, options: CallOptions): AsyncIterable<ObjectVersion>;
  /** Rejects with STORAGE_NOT_FOUND on the first pull. */
  read(key: string, versionId: string, options: ReadOptions): ByteStream;
}

export type LockMode = "governance" | "compliance";

/** How long one version cannot be deleted. */
export interface Retention {
  readonly mode: LockMode;
  readonly until: Date;
}

export interface LockState {
  readonly retention: Retention | undefined;
  readonly legalHold: boolean;
}

/** An object whose present version is locked. */
export interface LockedObject {
  readonly key: string;
  readonly lock: LockState;
}

/** Protects versions, not names: a locked version survives its key being overwritten or deleted. */
export interface Locks {
  /** For messages, what has them: "a bucket that was made with Object Lock". */
  readonly place: string;
  /** Of a store where versions cannot be locked, undefined; else what a new object gets by itself. */
  defaults(options: CallOptions): Promise<{ readonly retention: { readonly mode: LockMode; readonly days: number } | undefined } | undefined>;
  lock(key: string, versionId: string, lock: { readonly retention?: Retention; readonly legalHold?: boolean }, options: CallOptions): Promise<void>;
  state(key: string, versionId: string, options: CallOptions): Promise<LockState>;
  /** False where no object can be locked, so that nobody needs to ask for them. */
  canHold(options: CallOptions): Promise<boolean>;
  /** The locked ones, whether or not their time is over, of all objects whose key starts with `prefix`. Costs the least the store allows. Throws STORAGE_DENIED to who may not ask. */
  list(prefix: string, options: CallOptions): AsyncIterable<LockedObject>;
}

/** An upload that was begun and neither completed nor aborted: its parts take space, and are no object. */
export interface UnfinishedUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly startedAt: Date;
}

export interface UnfinishedUploads {
  list(prefix: string, options: CallOptions): AsyncIterable<UnfinishedUpload>;
  /** Of one that is gone already succeeds. */
  abort(upload: UnfinishedUpload, options: CallOptions): Promise<void>;
}

/** A piece of a new object: bytes of ours, or a range (`end` exclusive) of an object that is stored already. */
export type Piece = { readonly bytes: Uint8Array } | { readonly key: string; readonly start: number; readonly end: number };

/** Building an object out of stored ones without moving their bytes through this process. */
export interface ComposedPuts {
  /** As Storage.put, of all pieces one after the other. */
  put(key: string, pieces: readonly Piece[], options: PutOptions): Promise<ObjectInfo>;
}

/** The time as the store counts it: that of `modifiedAt`, retention and expiry. */
export interface StoreClock {
  /** `uncertaintyMs`: how far off the answer may be, from resolution and the way there. */
  now(options: CallOptions): Promise<{ readonly time: Date; readonly uncertaintyMs: number }>;
}
