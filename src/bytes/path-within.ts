// Which of two paths lies in the other, by their names alone.
import { isAbsolute, relative, resolve, sep } from "node:path";

/** Whether `inner` is `outer`, or lies in it. Neither need exist; links are not followed. */
export function isPathWithin(inner: string, outer: string): boolean {
  const path = relative(resolve(outer), resolve(inner));
  return path !== ".." && !path.startsWith(`..${sep}`) && !isAbsolute(path);
}
