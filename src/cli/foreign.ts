// Locations that are no repositories, but hold other tools' backups: they are listed, verified and restored where they are.
import { tmpdir } from "node:os";
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { ForeignLocation } from "../repository/foreign/location.ts";
import type { ReadBackup } from "../repository/foreign/resolve.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Invocation } from "./command.ts";
import { requireSnapshotFile } from "./operand.ts";
import { provesOrigin } from "./protection.ts";
import { openForReading, openStorageForReading } from "./repository.ts";

/** One look per run: source and evidence are of the same listing. */
const found = new WeakMap<Invocation["config"], Promise<ForeignLocation | undefined>>();

/** Runs `ours`, which opens the repository first of all; where there is none, but other tools' backups are, `theirs`. */
export async function orForeign<T>(invocation: Invocation, ours: () => Promise<T>, theirs: (location: ForeignLocation) => Promise<T>): Promise<T> {
  try {
    return await ours();
  } catch (error) {
    const location = isNoRepository(error) ? await findIn(invocation) : undefined;
    if (location === undefined) throw error;
    return theirs(location);
  }
}

/** Undefined where a file is at `path`; the location where there is none, and the name may be that of another tool's backup. Throws as requireSnapshotFile. */
export async function requireFileOrForeign(path: string, invocation: Invocation): Promise<ForeignLocation | undefined> {
  try {
    await requireSnapshotFile(path, invocation);
    return undefined;
  } catch (error) {
    const isMissing = hasCode(error, "FILE_NOT_FOUND");
    if (!isMissing || /^\.{0,2}\//.test(path) || invocation.config.get("repository") === undefined) throw error;
    const unopened: unknown = await openForReading(invocation).then(
      () => undefined,
      (why: unknown) => why,
    );
    const location = isNoRepository(unopened) ? await findIn(invocation) : undefined;
    if (location === undefined) throw error;
    return location;
  }
}

/** The backup that `reference` names, read to its end. Throws as resolveForeign. */
export async function resolveIn(
  location: ForeignLocation,
  reference: string,
  options: CallOptions & { readonly runtime: Runtime; passedOver(warning: string): void },
): Promise<ReadBackup> {
  const { resolveForeign } = await import("../repository/foreign/resolve.ts");
  return resolveForeign(location, reference, { ...options, spoolDirectory: tmpdir() });
}

function findIn(invocation: Invocation): Promise<ForeignLocation | undefined> {
  const { config } = invocation;
  const known = found.get(config) ?? find(invocation);
  found.set(config, known);
  return known;
}

async function find(invocation: Invocation): Promise<ForeignLocation | undefined> {
  const { findForeign } = await import("../repository/foreign/location.ts");
  const storage = await openStorageForReading(invocation);
  const location = await findForeign(storage, invocation);
  if (location !== undefined && provesOrigin(invocation.config))
    throw new EtcdsafeError("MANIFEST_UNTRUSTED", `${storage.location} holds other tools' backups, which nobody has signed (--trusted-key)`);
  return location;
}

function isNoRepository(error: unknown): boolean {
  return hasCode(error, "REPOSITORY_NOT_FOUND");
}
