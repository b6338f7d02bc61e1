// Where a repository's objects live. Keys are opaque `/`-separated strings; everything smarter is above this folder.
// Backends keep the contract below; retrying, throttling and read-only are wrappers of the same interface. What only some stores can do
// beyond it is in capabilities.ts.
import type { ByteStream } from "../bytes/stream.ts";
import type { CallOptions } from "../runtime.ts";
import type { ComposedPuts, Locks, StoreClock, UnfinishedUploads, Versions } from "./capabilities.ts";

export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  /** ETag or generation: differs whenever the content does. */
  readonly version: string;
  /** The store's name for this version, by which it can be read after the key was overwritten or deleted; only where the store keeps versions. */
  readonly versionId?: string;
}

/** Which conditions of a put the store honours. A capability claimed is a capability the conformance suite tests. */
export interface StorageCapabilities {
  readonly putIfAbsent: boolean;
  readonly putIfVersion: boolean;
}

export interface PutOptions extends CallOptions {
  /** Rejects with STORAGE_CONFLICT when the key exists already. */
  readonly ifAbsent?: boolean;
  /** Rejects with STORAGE_CONFLICT unless the stored object's version is this one. */
  readonly ifVersion?: string;
}

/** `start` inclusive, `end` exclusive, in bytes; an `end` past the object's size reads to its end. */
export interface ReadOptions extends CallOptions {
  readonly range?: { readonly start: number; readonly end: number };
}

export interface Storage {
  /** For messages: a URL without secrets. */
  readonly location: string;
  /** The same of the store that what is rewritten lives in, where that is another one (state-split.ts). */
  readonly stateLocation?: string;
  readonly capabilities: StorageCapabilities;
  /** Each is absent where the store cannot do it. */
  readonly versions?: Versions;
  readonly locks?: Locks;
  readonly unfinished?: UnfinishedUploads;
  readonly composed?: ComposedPuts;
  readonly clock?: StoreClock;
  /** All of `body` becomes visible under `key`, durably, or nothing does: not when it fails, is aborted, or the process dies. As every stream's, a chunk is gone once the next is asked for. */
  put(key: string, body: ByteStream, options: PutOptions): Promise<ObjectInfo>;
  /** Rejects with STORAGE_NOT_FOUND on the first pull. */
  read(key: string, options: ReadOptions): ByteStream;
  stat(key: string, options: CallOptions): Promise<ObjectInfo | undefined>;
  /** Every object whose key starts with `prefix`, in order of keys (by UTF-8 bytes). */
  list(prefix: string, options: CallOptions): AsyncIterable<ObjectInfo>;
  /** Removing what is absent succeeds. */
  remove(key: string, options: CallOptions): Promise<void>;
}
