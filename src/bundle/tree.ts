// Which trees of files a bundle may hold: only what lies below one directory once it is unpacked, whatever its links lead to. Pure; who makes a bundle and
// who unpacks one go by the same rules, so that nothing is stored that no restore would take.
import { ENTRIES_MAX, NAME_SIZE_BYTES_MAX } from "./limits.ts";

/** The tar's first entry. */
export const INDEX_NAME = "etcdsafe-bundle.json";
/** All others lie below this. */
export const FILES = "files";

/** POSIX's NAME_MAX, on every file system that etcd is run on. */
const PART_SIZE_BYTES_MAX = 255;
/** Linux's MAXSYMLINKS (`include/linux/namei.h`): what takes more leads nowhere. */
const LINKS_FOLLOWED_MAX = 40;

export interface TreeEntry {
  /** In the tar, `files/…`. */
  readonly name: string;
  readonly type: "file" | "directory" | "symlink";
  /** Of a symlink, else null. */
  readonly linkTarget: string | null;
}

/** Why these entries may not be unpacked, if so: the first fault, as a sentence about one of them. */
export function treeFault(entries: readonly TreeEntry[]): string | undefined {
  if (entries.length > ENTRIES_MAX) return `it has ${entries.length} entries; ${ENTRIES_MAX} are the limit`;
  const types = new Map<string, TreeEntry["type"]>();
  for (const { name, type } of entries) {
    const fault = nameFault(name);
    if (fault !== undefined) return `${quoted(name)} ${fault}`;
    if (types.has(name)) return `${quoted(name)} is in it twice`;
    types.set(name, type);
  }
  for (const { name } of entries) {
    for (let end = name.lastIndexOf("/"); end > 0; end = name.lastIndexOf("/", end - 1)) {
      const type = types.get(name.slice(0, end)) ?? "directory";
      if (type !== "directory") return `${quoted(name)} lies below a ${type}`;
    }
  }
  const links = linksOf(entries);
  for (const [name, target] of links) {
    const led = followLink(name, target, links);
    if ("fault" in led) return `the link ${quoted(name)} ${led.fault}`;
  }
  return undefined;
}

export function linksOf(entries: readonly TreeEntry[]): ReadonlyMap<string, string> {
  return new Map(entries.flatMap(({ name, type, linkTarget }) => (type === "symlink" ? [[name, linkTarget ?? ""] as const] : [])));
}

/** Completes "NAME …"; undefined for one that is relative, below `files/`, and means one place only. */
function nameFault(name: string): string | undefined {
  const [first, ...parts] = name.split("/");
  if (first !== FILES || parts.length === 0) return `does not lie below ${FILES}/`;
  if (parts.some((part) => part === "" || part === "." || part === "..")) return "is no plain path: it has an empty part, or one that leads elsewhere";
  if (!name.isWellFormed() || name.includes("\0")) return "is no name of a file";
  if (Buffer.byteLength(name) > NAME_SIZE_BYTES_MAX) return `is longer than ${NAME_SIZE_BYTES_MAX} bytes`;
  if (parts.some((part) => Buffer.byteLength(part) > PART_SIZE_BYTES_MAX)) return `has a part that is longer than ${PART_SIZE_BYTES_MAX} bytes`;
  return undefined;
}

/** Where a link leads within the tree, through its other `links` as well, as a kernel would go; or completes "the link NAME …". */
export function followLink(name: string, target: string, links: ReadonlyMap<string, string>): { readonly path: string } | { readonly fault: string } {
  const path = name.split("/").slice(0, -1);
  const rest: string[] = [];
  let followed = 0;
  for (let next: string | undefined = target; next !== undefined; ) {
    if (next === "" || next.includes("\0") || !next.isWellFormed()) return { fault: "leads to no path" };
    if (Buffer.byteLength(next) > NAME_SIZE_BYTES_MAX) return { fault: `has a target that is longer than ${NAME_SIZE_BYTES_MAX} bytes` };
    if (next.startsWith("/")) return { fault: `leads to the absolute path ${quoted(next)}` };
    if (followed++ > LINKS_FOLLOWED_MAX) return { fault: "leads in circles" };
    rest.unshift(...next.split("/"));
    next = undefined;
    for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
      if (part === "" || part === ".") continue;
      if (part === "..") {
        if (path.length <= 1) return { fault: `leads out of ${FILES}/, to ${quoted(target)}` };
        path.pop();
        continue;
      }
      next = links.get([...path, part].join("/"));
      if (next !== undefined) break;
      path.push(part);
    }
  }
  return { path: path.join("/") };
}

function quoted(name: string): string {
  return JSON.stringify(name);
}
