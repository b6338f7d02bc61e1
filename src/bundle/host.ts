// Paths of a host whose root may be mounted elsewhere: what a path means there, links of that host included, and what it is called there.
import { lstat, readlink } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";

/** Linux's MAXSYMLINKS. */
const LINKS_FOLLOWED_MAX = 40;

/**
 * Where `path`, absolute on the host below `hostRoot`, is for this process: the links that lead to it are followed as that host would, itself not, so that
 * none leads out of the host. Undefined where nothing is there.
 */
export async function placeOnHost(hostRoot: string, path: string): Promise<string | undefined> {
  const root = resolve(hostRoot);
  const rest = path.split("/");
  let place = "/";
  let followed = 0;
  for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      place = dirname(place);
      continue;
    }
    const next = join(place, part);
    const stats = await lstat(join(root, next)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw error;
    });
    if (stats === undefined) return undefined;
    if (stats.isSymbolicLink() && rest.some((each) => each !== "")) {
      if (++followed > LINKS_FOLLOWED_MAX) return undefined;
      const target = await readlink(join(root, next));
      if (target.startsWith("/")) place = "/";
      rest.unshift(...target.split("/"));
    } else place = next;
  }
  return join(root, place);
}

/** What the host calls `path`, which is one of this process. */
export function nameOnHost(hostRoot: string, path: string): string {
  const inside = relative(resolve(hostRoot), resolve(path));
  return inside === ".." || inside.startsWith("../") ? resolve(path) : join("/", inside);
}
