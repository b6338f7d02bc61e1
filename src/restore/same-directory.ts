// Directories that are the same under different names: bind mounts, the host's file system seen from a container, links.
import type { BigIntStats } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { isPathWithin } from "../bytes/path-within.ts";

/** Whether one of `directories` is one of `targets`, lies in one, or around one, by its path or by device and inode. Neither need exist. */
export async function areSame(directories: readonly string[], targets: readonly string[]): Promise<boolean> {
  if (directories.some((directory) => targets.some((target) => isPathWithin(directory, target) || isPathWithin(target, directory)))) return true;
  const [chains, targetChains] = await Promise.all([Promise.all(directories.map(upwards)), Promise.all(targets.map(upwards))]);
  return chains.some((chain) => targetChains.some((other) => isWithin(chain, other) || isWithin(other, chain)));
}

/** Device and inode of the path and of all directories above it; undefined for what is not there, or may not be looked at. */
async function upwards(path: string): Promise<(string | undefined)[]> {
  const paths = [resolve(path)];
  for (let above = dirname(paths[0]!); above !== paths.at(-1); above = dirname(above)) paths.push(above);
  return Promise.all(paths.map(async (each) => identityOf(await stat(each, { bigint: true }).catch(() => undefined))));
}

function isWithin(inner: readonly (string | undefined)[], [outer]: readonly (string | undefined)[]): boolean {
  return outer !== undefined && inner.includes(outer);
}

function identityOf(stats: BigIntStats | undefined): string | undefined {
  return stats === undefined ? undefined : `${stats.dev}:${stats.ino}`;
}
