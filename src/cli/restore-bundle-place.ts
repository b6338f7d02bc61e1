// Where `--bundle-dir` may not be: what a restore writes and what it unpacks would be in each other's way, and the second of them would fail when the first is done.
import { realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { isPathWithin } from "../bytes/path-within.ts";
import { EtcdsafeError } from "../errors.ts";
import type { RestorePlan } from "../restore/plan.ts";

/** What a restore writes, and what to call it. */
export interface WrittenPlace {
  readonly what: string;
  readonly path: string;
}

/** The directories that a run by `plan` writes. */
export function directoriesOf({ members }: Pick<RestorePlan, "members">): WrittenPlace[] {
  return members.flatMap(({ dataDir, walDir }) => [
    ...(dataDir === null ? [] : [{ what: "the data directory", path: dataDir }]),
    ...(walDir === null ? [] : [{ what: "the WAL directory", path: walDir }]),
  ]);
}

/** Throws USAGE where `directory` is one of `written`, lies in it, or around it, under whatever name. */
export async function requireApart(directory: string, written: readonly WrittenPlace[]): Promise<void> {
  const place = await realPlace(directory);
  for (const { what, path } of written) {
    const other = await realPlace(path);
    if (!isPathWithin(place, other) && !isPathWithin(other, place)) continue;
    const how = place === other ? "is" : isPathWithin(place, other) ? "lies in" : "is around";
    throw new EtcdsafeError("USAGE", `--bundle-dir: ${directory} ${how} ${what} of this restore, ${path}`, {
      hint: "Name another directory, one that does not exist or is empty. Nothing was written.",
    });
  }
}

/** What of the path is there without its links, and the rest as it is. */
async function realPlace(path: string): Promise<string> {
  const full = resolve(path);
  return realpath(full).catch(async () => (full === dirname(full) ? full : join(await realPlace(dirname(full)), basename(full))));
}
