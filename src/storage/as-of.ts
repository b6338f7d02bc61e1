// A storage as it was at some time, read-only: through everything that was overwritten or deleted since, where the store keeps versions.
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { ObjectVersion, Versions } from "./capabilities.ts";
import { readOnly } from "./read-only.ts";
import type { ObjectInfo, Storage } from "./storage.ts";

/** A large object is read in many ranges, which need not look its version up each time. */
const KNOWN_VERSIONS_MAX = 1000;

/** Throws USAGE, at once or when it is first asked for anything, where the store keeps no versions. */
export function asOf(inner: Storage, time: Date, runtime: Pick<Runtime, "log">): Storage {
  const { versions } = inner;
  if (versions === undefined) throw withoutVersions(inner);
  const view = new PastView(inner, versions, time, runtime);
  return readOnly({
    location: inner.location,
    capabilities: inner.capabilities,
    ...(inner.clock && { clock: inner.clock }),
    versions,
    put: inner.put.bind(inner),
    remove: inner.remove.bind(inner),
    read: (key, options) => view.read(key, options),
    stat: async (key, options) => infoOf(await view.find(key, options)),
    list: (prefix, options) => view.list(prefix, options),
  });
}

class PastView {
  readonly #inner: Storage;
  readonly #versions: Versions;
  readonly #time: Date;
  readonly #runtime: Pick<Runtime, "log">;
  readonly #known = new Map<string, ObjectVersion>();
  #checked: Promise<void> | undefined;

  constructor(inner: Storage, versions: Versions, time: Date, runtime: Pick<Runtime, "log">) {
    this.#inner = inner;
    this.#versions = versions;
    this.#time = time;
    this.#runtime = runtime;
  }

  async *read(key: string, options: Parameters<Versions["read"]>[2]): AsyncGenerator<Uint8Array> {
    const found = await this.find(key, options);
    if (found === undefined) throw new EtcdsafeError("STORAGE_NOT_FOUND", `there was no ${key} in ${this.#inner.location} at ${this.#time.toISOString()}`);
    yield* this.#versions.read(key, found.versionId, options);
  }

  async find(key: string, { signal }: CallOptions): Promise<ObjectVersion | undefined> {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    // Its own versions come first of all that begin like it.
    for await (const version of this.#present(key, { signal })) return version.key === key ? version : undefined;
    return undefined;
  }

  async *list(prefix: string, options: CallOptions): AsyncGenerator<ObjectInfo> {
    for await (const version of this.#present(prefix, options)) yield infoOf(version)!;
  }

  /** What was there, of every key that begins so: its newest version of the time, unless that was its deletion. */
  async *#present(prefix: string, { signal }: CallOptions): AsyncGenerator<ObjectVersion> {
    this.#checked ??= this.#requireVersions({ signal });
    await this.#checked.catch((error: unknown) => {
      this.#checked = undefined; // The next one asks again: what failed may have been the connection.
      throw error;
    });
    let last: string | undefined;
    for await (const version of this.#versions.list(prefix, { signal })) {
      if (version.key === last || version.modifiedAt > this.#time) continue;
      last = version.key;
      if (version.isDeleteMarker) continue;
      this.#remember(version);
      yield version;
    }
  }

  #remember(version: ObjectVersion): void {
    const [oldest] = this.#known.size < KNOWN_VERSIONS_MAX ? [] : this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(version.key, version);
  }

  /** Versions that were kept until someone switched that off are shown, with a warning; where there never were any, the past is gone. */
  async #requireVersions({ signal }: CallOptions): Promise<void> {
    const isEnabled = await this.#versions.isEnabled({ signal }).catch(unlessDenied);
    if (isEnabled === true) return;
    if (isEnabled === "denied") {
      // Who may not ask may still look.
      const message = `whether ${this.#inner.location} keeps versions may not be asked with these credentials: what was overwritten or deleted while it kept none is not shown`;
      this.#runtime.log({ level: "warn", message });
      return;
    }
    if (!(await this.#hasOldVersions({ signal }))) throw withoutVersions(this.#inner);
    this.#runtime.log({
      level: "warn",
      message: `${this.#inner.location} keeps no versions any more: what was overwritten or deleted since that was switched off is not shown`,
    });
  }

  async #hasOldVersions({ signal }: CallOptions): Promise<boolean> {
    let last: string | undefined;
    for await (const { key, isDeleteMarker } of this.#versions.list("", { signal })) {
      if (isDeleteMarker || key === last) return true;
      last = key;
    }
    return false;
  }
}

function unlessDenied(error: unknown): "denied" {
  if (hasCode(error, "STORAGE_DENIED")) return "denied";
  throw error;
}

function infoOf(version: ObjectVersion | undefined): ObjectInfo | undefined {
  if (version === undefined) return undefined;
  const { isDeleteMarker: _, ...info } = version;
  return info;
}

function withoutVersions({ location }: Storage): EtcdsafeError {
  return new EtcdsafeError("USAGE", `${location} keeps no versions of its objects, so nobody can tell what was there before`, {
    hint: "Leave --as-of away. For the future: switch the bucket's versioning on, before anything is overwritten.",
  });
}
