// A memory storage that keeps versions and locks them, as a bucket with Object Lock does: for tests of what stands on that.
import type { ByteStream } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import type { LockMode, LockState, Locks, ObjectVersion, Retention, Versions } from "../../src/storage/capabilities.ts";
import type { ObjectInfo, PutOptions, Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { MemoryStorage } from "./memory-storage.ts";

export interface VersionedStorage extends Storage {
  readonly versions: Versions;
  readonly locks: Locks;
  /** The clock of the store; it does not move by itself. */
  time: Date;
  versioning: boolean;
  /** Undefined: no Object Lock; null: none by default. */
  defaultRetention: { readonly mode: LockMode; readonly days: number } | null | undefined;
  /** By key and version. */
  readonly locked: Map<string, { retention?: Retention; legalHold?: boolean }>;
}

export function versionedStorage(): VersionedStorage {
  const inner = new MemoryStorage();
  const history: { version: ObjectVersion; bytes: Uint8Array }[] = [];
  let writes = 0;
  const record = (info: ObjectInfo, bytes: Uint8Array, isDeleteMarker: boolean): ObjectInfo => {
    const dated = { ...info, modifiedAt: self.time, versionId: `v${++writes}` };
    history.push({ version: { ...dated, isDeleteMarker }, bytes });
    return dated;
  };
  const locks: Locks = {
    place: "a bucket that was made with Object Lock",
    defaults: async () => (self.defaultRetention === undefined ? undefined : { retention: self.defaultRetention ?? undefined }),
    lock: async (key, versionId, lock) => void self.locked.set(`${key} ${versionId}`, { ...self.locked.get(`${key} ${versionId}`), ...lock }),
    state: async (key, versionId): Promise<LockState> => {
      const { retention, legalHold = false } = self.locked.get(`${key} ${versionId}`) ?? {};
      return { retention, legalHold };
    },
    canHold: async () => self.defaultRetention !== undefined,
    async *list(prefix, options) {
      for await (const { key } of inner.list(prefix, options)) {
        const { version } = history.findLast((each) => each.version.key === key)!;
        const lock = await locks.state(key, version.versionId, options);
        if (lock.legalHold || lock.retention !== undefined) yield { key, lock };
      }
    },
  };
  const versions: Versions = {
    isEnabled: async () => self.versioning,
    async *list(prefix) {
      const found = history.map(({ version }) => version).filter(({ key }) => key.startsWith(prefix));
      // Newest first; a stable sort by key keeps that.
      yield* found.reverse().sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
    },
    async *read(key, versionId, { range }) {
      const found = history.find(({ version }) => version.key === key && version.versionId === versionId && !version.isDeleteMarker);
      if (found === undefined) throw new EtcdsafeError("STORAGE_NOT_FOUND", `${key}: there is no such version`);
      yield found.bytes.slice(range?.start ?? 0, range?.end);
    },
  };
  const self: VersionedStorage = Object.assign(
    wrapped(inner, {
      put: async (key: string, body: ByteStream, options: PutOptions) => {
        const info = await inner.put(key, body, options);
        return record(info, inner.bytesOf(key)!, false);
      },
      remove: async (key, options) => {
        await inner.remove(key, options);
        record({ key, sizeBytes: 0, modifiedAt: self.time, version: "" }, new Uint8Array(0), true);
      },
    }),
    { versions, locks, time: new Date(0), versioning: true, defaultRetention: null, locked: new Map() },
  );
  return self;
}
