// Puts a watcher in front of every function of node:fs that changes files, in its sync, callback, promise and FileHandle forms.
// Functions that are made of others (writeFile, write streams) are counted as the parts they are made of.
import fs, { constants } from "node:fs";
import type { CrashWhen, Effect, EffectKind } from "./crash-effects.ts";
import { replaceWholeFileWrites } from "./whole-file-writes.ts";

export interface Watcher {
  /** Told of each effect before it happens; answers what to do about it. Does not return where the process is to die before the effect. */
  notice(effect: Effect): CrashWhen | undefined;
  /** Told once the effect has happened; not of one that failed. */
  ended(effect: Effect): void;
  /** Ends the process at once. */
  die(): never;
}

type AnyFunction = (...args: unknown[]) => unknown;
type Functions = Record<string, AnyFunction>;
type Form = "sync" | "callback" | "promise";
/** Looks at a call; answers what was noticed, if it is an effect. */
type Before = (args: readonly unknown[], self: unknown) => Noticed | undefined;
type After = (args: readonly unknown[], result: unknown) => void;

interface Noticed {
  readonly effect: Effect;
  /** Whether the process dies once the call is done. */
  readonly dies: boolean;
}

interface Written {
  readonly bytes: Uint8Array;
  /** Null: where the file stands. */
  readonly position: number | null;
}

/** Functions that take paths, and which argument is the path that an effect is known by; where it is the second, the first is `from`. */
const BY_PATH: Readonly<Record<string, readonly [EffectKind, 0 | 1]>> = {
  rename: ["rename", 1],
  link: ["link", 1],
  symlink: ["link", 1],
  copyFile: ["copy", 1],
  cp: ["copy", 1],
  unlink: ["unlink", 0],
  rm: ["rm", 0],
  rmdir: ["rm", 0],
  mkdir: ["mkdir", 0],
  mkdtemp: ["mkdir", 0],
  truncate: ["truncate", 0],
  chmod: ["access", 0],
  chown: ["access", 0],
};
const BY_DESCRIPTOR: Readonly<Record<string, EffectKind>> = { fsync: "sync", fdatasync: "sync", ftruncate: "truncate" };
const BY_HANDLE: Readonly<Record<string, EffectKind>> = { sync: "sync", datasync: "sync", truncate: "truncate" };
const OPENED_FOR_WRITING = constants.O_WRONLY | constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC;
const STDERR = 2;

const plainWriteSync = fs.writeSync;
const plainReadlinkSync = fs.readlinkSync;
const openedHere = new Map<number, string>();

/** To be called once, before anything else of the process has a function of node:fs in hand. */
export async function patchFileSystem(watcher: Watcher): Promise<void> {
  const handle = await fs.promises.open("/dev/null");
  const handles: Functions = Object.getPrototypeOf(handle);
  await handle.close();
  const noticed = (effect: Effect): Noticed => ({ effect, dies: watcher.notice(effect) === "after" });
  const writes = (fd: number, written: Written): Noticed | undefined => {
    if (fd <= STDERR) return undefined; // What is printed is no effect on files.
    const effect: Effect = { kind: "write", path: pathOf(fd), sizeBytes: written.bytes.length };
    const when = watcher.notice(effect);
    if (when !== "torn") return { effect, dies: when === "after" };
    plainWriteSync(fd, written.bytes, 0, written.bytes.length >> 1, written.position);
    watcher.die();
  };
  const everywhere = (name: string, before: Before, after?: After) => {
    patch(fs as unknown as Functions, `${name}Sync`, "sync", watcher, before, after);
    patch(fs as unknown as Functions, name, "callback", watcher, before, after);
    patch(fs.promises as unknown as Functions, name, "promise", watcher, before, after);
  };

  everywhere("open", ([path, flags]) => (isForWriting(flags) ? noticed({ kind: "open", path: String(path) }) : undefined), rememberPath);
  for (const [name, [kind, index]] of Object.entries(BY_PATH)) {
    everywhere(name, (args) => noticed({ kind, path: String(args[index]), ...(index === 1 ? { from: String(args[0]) } : {}) }));
  }
  for (const [name, kind] of Object.entries(BY_DESCRIPTOR)) everywhere(name, ([fd]) => noticed({ kind, path: pathOf(fd as number) }));
  for (const [name, kind] of Object.entries(BY_HANDLE)) {
    patch(handles, name, "promise", watcher, (_, self) => noticed({ kind, path: pathOf(fdOf(self)) }));
  }
  everywhere("write", ([fd, ...rest]) => writes(fd as number, writtenOne(rest)));
  everywhere("writev", ([fd, ...rest]) => writes(fd as number, writtenMany(rest)));
  patch(handles, "write", "promise", watcher, (args, self) => writes(fdOf(self), writtenOne(args)));
  patch(handles, "writev", "promise", watcher, (args, self) => writes(fdOf(self), writtenMany(args)));
  replaceWholeFileWrites(handles);
}

/** Replaces `owner[name]`, where there is one. */
function patch(owner: Functions, name: string, form: Form, watcher: Watcher, before: Before, after?: After): void {
  const plain = owner[name];
  if (plain === undefined) return;
  const patched = function (this: unknown, ...all: unknown[]): unknown {
    const callback = form === "callback" ? (all.at(-1) as AnyFunction) : undefined;
    const args = callback === undefined ? all : all.slice(0, -1);
    const noticed = before(args, this);
    const over = (result: unknown) => {
      after?.(args, result);
      if (noticed !== undefined) watcher.ended(noticed.effect);
      if (noticed?.dies) watcher.die();
      return result;
    };
    if (form === "sync") return over(plain.apply(this, args));
    if (form === "promise") return (plain.apply(this, args) as Promise<unknown>).then(over);
    const finished = (error: unknown, ...results: unknown[]) => {
      if (error === null || error === undefined) over(results[0]);
      return callback?.(error, ...results);
    };
    return plain.apply(this, [...args, finished]);
  };
  owner[name] = Object.defineProperties(patched, Object.getOwnPropertyDescriptors(plain)); // With what util.promisify looks for.
}

function isForWriting(flags: unknown): boolean {
  return typeof flags === "number" ? (flags & OPENED_FOR_WRITING) !== 0 : /[wa+]/.test(String(flags ?? "r"));
}

/** (buffer, offset, length, position), (buffer, { offset, length, position }) or (string, position, encoding). */
function writtenOne([data, second, third, fourth]: readonly unknown[]): Written {
  if (typeof data === "string") return { bytes: Buffer.from(data, third as BufferEncoding | undefined), position: positionOf(second) };
  const view = data as NodeJS.ArrayBufferView;
  const options = typeof second === "object" && second !== null ? second : { offset: second, length: third, position: fourth };
  const { offset, length, position } = options as { offset?: number; length?: number; position?: unknown };
  const bytes = new Uint8Array(view.buffer, view.byteOffset + (offset ?? 0), length ?? view.byteLength - (offset ?? 0));
  return { bytes, position: positionOf(position) };
}

function writtenMany([views, position]: readonly unknown[]): Written {
  const parts = (views as NodeJS.ArrayBufferView[]).map((view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  return { bytes: Buffer.concat(parts), position: positionOf(position) };
}

function positionOf(position: unknown): number | null {
  return typeof position === "number" || typeof position === "bigint" ? Number(position) : null;
}

function fdOf(handle: unknown): number {
  return (handle as fs.promises.FileHandle).fd;
}

function rememberPath([path]: readonly unknown[], opened: unknown): void {
  const fd = typeof opened === "object" && opened !== null ? fdOf(opened) : opened;
  if (typeof fd === "number") openedHere.set(fd, String(path));
}

/** Where there is no /proc, the path that this thread opened the descriptor by. */
function pathOf(fd: number): string {
  try {
    return plainReadlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return openedHere.get(fd) ?? "";
  }
}
