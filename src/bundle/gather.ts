// Reads the files of a host that go into a bundle, once and into memory, so that what is hashed is what is stored, and so that all that can be refused is
// refused before etcd is made to work. Links are stored as links and never followed; what is no file, directory or link is left out.
import { createHash } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { lstat, open, readdir, readlink } from "node:fs/promises";
import { posix } from "node:path";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import { type ContentKind, isSecret, kindsOf } from "./content.ts";
import { type Include, parseInclude } from "./include.ts";
import { CONTENT_SIZE_BYTES_MAX, ENTRIES_MAX, FILE_SIZE_BYTES_MAX } from "./limits.ts";
import { presetIncludes } from "./presets.ts";
import { followLink, linksOf, treeFault } from "./tree.ts";

export interface BundleRequest {
  /** As --include has them: `PATH[=NAME]`. */
  readonly includes: readonly string[];
  readonly presets: readonly string[];
  /** Where the host's file system is for this process: `/`, or where a container mounts it. */
  readonly hostRoot: string;
  readonly allowPlaintextSecrets: boolean;
}

/** One entry, as the index has it, and its bytes. */
export interface GatheredEntry {
  readonly name: string;
  readonly source: string;
  readonly type: "file" | "directory" | "symlink";
  /** Four octal digits. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly modifiedAt: string;
  readonly sizeBytes: number | null;
  readonly sha256: string | null;
  readonly linkTarget: string | null;
  /** Of a file; else empty. */
  readonly bytes: Uint8Array;
}

export interface GatheredBundle {
  readonly presets: readonly string[];
  /** By name, so that a directory comes before what is in it. */
  readonly entries: readonly GatheredEntry[];
  readonly kinds: readonly ContentKind[];
  /** What was asked for and is not in it, or will not be of use. */
  readonly warnings: readonly string[];
}

/** A file that changes while it is read is read again; what never rests is no configuration. */
const READ_TRIES_MAX = 3;

/**
 * Throws FILE_NOT_FOUND for what is not there, FILE_FAILED for what cannot be read or stored, USAGE for names that contradict each other, and
 * PLAINTEXT_SECRETS where it would be stored for everybody to read: `encrypted` says whether it will not.
 */
export async function gatherBundle(request: BundleRequest, { encrypted, signal }: CallOptions & { readonly encrypted: boolean }): Promise<GatheredBundle> {
  const gathering = new Gathering(signal);
  const includes = request.includes.map((text) => parseInclude(text, request.hostRoot));
  for (const preset of request.presets) {
    const found = await presetIncludes(preset, request.hostRoot).catch(failedToRead);
    includes.push(...found.includes);
    gathering.warnings.push(...found.warnings);
  }
  for (const include of includes) await gathering.add(include);
  const { kinds, secrets, warnings } = gathering;
  if (secrets.length > 0 && !encrypted && !request.allowPlaintextSecrets) throw plaintextSecrets(secrets);
  const entries = gathering.finished();
  return { presets: [...new Set(request.presets)], entries, kinds: [...kinds].sort(), warnings };
}

class Gathering {
  readonly kinds = new Set<ContentKind>();
  /** Paths on the host. */
  readonly secrets: string[] = [];
  readonly warnings: string[] = [];
  readonly #signal: AbortSignal;
  readonly #entries = new Map<string, GatheredEntry>();
  #sizeBytes = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  async add(include: Include): Promise<void> {
    const stack = [include];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      this.#signal.throwIfAborted();
      const found = await readEntry(next, include).catch(failedToRead);
      if (found === "vanished") {
        if (next === include) throw new EtcdsafeError("FILE_NOT_FOUND", `there is no ${next.path} to include in the bundle`);
        this.warnings.push(`${next.source} vanished while the bundle's files were read, and is not in it`);
        continue;
      }
      if (typeof found === "string") {
        this.warnings.push(found);
        continue;
      }
      if (!this.#put(found.entry)) continue;
      for (const child of found.children.toReversed()) stack.push(child); // One by one: there may be more than a call takes arguments.
    }
  }

  /** The entries, without links that could not be unpacked. */
  finished(): GatheredEntry[] {
    const entries = [...this.#entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const links = linksOf(entries);
    const names = new Set(entries.map(({ name }) => name));
    const kept = entries.filter(({ name, type, source, linkTarget }) => {
      if (type !== "symlink") return true;
      const led = followLink(name, linkTarget ?? "", links);
      if ("fault" in led) this.warnings.push(`${source} is a symbolic link that ${led.fault}: it is not in the bundle`);
      else if (!names.has(led.path))
        this.warnings.push(`${source} is in the bundle as the link that it is, but what it leads to, ${led.path.replace(/^files/, "")}, is not`);
      return !("fault" in led);
    });
    const fault = treeFault(kept);
    if (fault !== undefined)
      throw new EtcdsafeError("USAGE", `the files to include make no bundle: ${fault}`, { hint: "Give them other names: --include PATH=NAME." });
    return kept;
  }

  /** False for what is in it already. */
  #put(entry: GatheredEntry): boolean {
    const there = this.#entries.get(entry.name);
    if (there !== undefined) {
      if (there.source === entry.source) return false;
      throw new EtcdsafeError("USAGE", `${there.source} and ${entry.source} would both be called ${entry.name} in the bundle`, {
        hint: "Give one of them another name: --include PATH=NAME.",
      });
    }
    this.#sizeBytes += entry.bytes.length;
    if (this.#sizeBytes > CONTENT_SIZE_BYTES_MAX) throw tooMuch(`the files to include have more than ${CONTENT_SIZE_BYTES_MAX} bytes`);
    if (this.#entries.size === ENTRIES_MAX) throw tooMuch(`there are more than ${ENTRIES_MAX} files to include`);
    this.#entries.set(entry.name, entry);
    if (entry.type !== "file") return true;
    const kinds = kindsOf(entry.source, entry.bytes);
    for (const kind of kinds) this.kinds.add(kind);
    if (isSecret(kinds)) this.secrets.push(entry.source);
    return true;
  }
}

interface Found {
  readonly entry: GatheredEntry;
  readonly children: readonly Include[];
}

/** Or why it is left out. `root` is what it was found below. */
async function readEntry(include: Include, root: Include): Promise<Found | string> {
  const { path, source, name } = include;
  for (let tries = 0; tries < READ_TRIES_MAX; tries++) {
    const stats = await lstat(path).catch(ifVanished);
    if (stats === undefined) return "vanished";
    const known = { name, source, mode: (stats.mode & 0o7777).toString(8).padStart(4, "0"), uid: stats.uid, gid: stats.gid, modifiedAt: timeOf(stats) };
    const none = { sizeBytes: null, sha256: null, linkTarget: null, bytes: new Uint8Array(0) };
    if (stats.isDirectory()) {
      const children = await childrenOf(include);
      if (children !== undefined) return { entry: { ...known, ...none, type: "directory" }, children };
    } else if (stats.isSymbolicLink()) {
      const target = await readlink(path).catch(ifVanished);
      if (target === undefined) continue;
      const linkTarget = storedTarget(target, include, root);
      if (linkTarget === undefined)
        return `${source} is a symbolic link to ${target}, which has no place in the bundle under this name: it is not in the bundle`;
      return { entry: { ...known, ...none, type: "symlink", linkTarget }, children: [] };
    } else if (stats.isFile()) {
      if (stats.size > FILE_SIZE_BYTES_MAX) throw tooMuch(`${source} has ${stats.size} bytes, and a file of a bundle at most ${FILE_SIZE_BYTES_MAX}`);
      const bytes = await readUnchanged(path, stats);
      if (bytes === undefined) continue;
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      return { entry: { ...known, ...none, type: "file", sizeBytes: bytes.length, sha256, bytes }, children: [] };
    } else {
      const why = `${source} is ${specialKind(stats)}, which a bundle cannot hold`;
      if (include !== root) return `${why}: it is not in the bundle`;
      throw new EtcdsafeError("FILE_FAILED", why, { hint: "Name the files and directories that are needed." });
    }
  }
  throw new EtcdsafeError("FILE_FAILED", `${source} changed each time while it was read`, { hint: "Run it again once nothing writes there." });
}

/** Undefined where it is not what `stats` say any more, or changes meanwhile. */
async function readUnchanged(path: string, stats: Stats): Promise<Uint8Array | undefined> {
  // Whatever takes the file's place meanwhile: a link is not followed, and a pipe is not waited for.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT" && error.code !== "ELOOP" && error.code !== "ENXIO") throw error;
  });
  if (file === undefined) return undefined;
  try {
    const before = await file.stat();
    if (!isSame(stats, before)) return undefined;
    const bytes = Buffer.alloc(before.size + 1); // One more, to see whether it grows.
    let filled = 0;
    for (let count = -1; count !== 0 && filled < bytes.length; filled += count) count = (await file.read(bytes, filled, bytes.length - filled)).bytesRead;
    return filled === before.size && isSame(before, await file.stat()) ? bytes.subarray(0, filled) : undefined;
  } finally {
    await file.close();
  }
}

function isSame(a: Stats, b: Stats): boolean {
  return b.isFile() && (["dev", "ino", "size", "mtimeMs", "ctimeMs", "mode", "uid", "gid"] as const).every((key) => a[key] === b[key]);
}

/** Undefined where it is no directory any more. */
async function childrenOf({ path, source, name }: Include): Promise<Include[] | undefined> {
  const found = await readdir(path, { encoding: "buffer" }).catch(ifVanished);
  return found?.map((bytes) => {
    const child = bytes.toString();
    if (!Buffer.from(child).equals(bytes))
      throw new EtcdsafeError("FILE_FAILED", `a file in ${source} has a name that is not UTF-8, ${JSON.stringify(child)}`, {
        hint: "Rename it, or name the others.",
      });
    return { path: posix.join(path, child), source: posix.join(source, child), name: `${name}/${child}` };
  });
}

/**
 * The target as the bundle has it: relative, so that it leads below wherever that is unpacked, and on the host to the same file again. Undefined where
 * a name that --include gave has moved it away from what it leads to.
 */
function storedTarget(target: string, { source, name }: Include, root: Include): string | undefined {
  const from = posix.dirname(source);
  const full = posix.resolve(from, target);
  const isMoved = name !== posix.join("files", source);
  if (isMoved && full !== root.source && !full.startsWith(`${root.source}/`)) return undefined;
  // More `..` than there are directories stay at the root of a host.
  const isPlain = !target.startsWith("/") && posix.join("x", from, target).startsWith("x/");
  return isPlain ? target : posix.relative(from, full) || ".";
}

function ifVanished(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT" && error.code !== "ENOTDIR" && error.code !== "EINVAL") throw error;
}

function failedToRead(error: unknown): never {
  if (error instanceof EtcdsafeError || !(error instanceof Error) || !("syscall" in error)) throw error;
  throw new EtcdsafeError("FILE_FAILED", `what the bundle is to hold cannot be read: ${error.message}`, {
    hint: "Run it as a user that may read it.",
    cause: error,
  });
}

function timeOf({ mtimeMs }: Stats): string {
  return new Date(Math.max(0, Math.floor(mtimeMs))).toISOString();
}

function specialKind(stats: Stats): string {
  if (stats.isSocket()) return "a socket";
  if (stats.isFIFO()) return "a named pipe";
  return "a device";
}

function tooMuch(what: string): EtcdsafeError {
  return new EtcdsafeError("FILE_FAILED", `${what}: that is too much for a bundle`, {
    hint: "A bundle is for certificates, keys and configuration; name those files and directories, and keep the rest in a backup of its own.",
  });
}

const NAMED_SECRETS_MAX = 3;

function plaintextSecrets(sources: readonly string[]): EtcdsafeError {
  const more = sources.length > NAMED_SECRETS_MAX ? ` and ${sources.length - NAMED_SECRETS_MAX} more` : "";
  return new EtcdsafeError(
    "PLAINTEXT_SECRETS",
    `the bundle would hold private keys or other secrets, unencrypted: ${sources.slice(0, NAMED_SECRETS_MAX).join(", ")}${more}`,
  );
}
