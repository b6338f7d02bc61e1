// The retention policy that a repository gives to all who prune there: part of its file, which is replaced by compare-and-swap.
import { streamOf } from "../bytes/stream.ts";
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import { REPOSITORY_KEY } from "./names.ts";
import { encodeRepositoryFile, openRepository, type Repository, type RepositoryFile } from "./repository.ts";
import type { RetentionPolicy } from "./retention-policy.ts";

/** So many others change the file at the same time only if something is wrong. */
const TRIES_MAX = 5;

/** Replaces the whole of it; the rest of the file stays as it is. Throws STORAGE_CONFLICT where others change the file all the time. */
export async function setRetention({ storage }: Repository, retention: RetentionPolicy, options: CallOptions): Promise<RepositoryFile> {
  for (let tries = 1; ; tries++) {
    // The version first: of a file that was changed since, it is an old one.
    const version = (await storage.stat(REPOSITORY_KEY, options))?.version;
    if (version === undefined) throw new EtcdsafeError("REPOSITORY_NOT_FOUND", `the repository in ${storage.location} was removed meanwhile`);
    const { file } = await openRepository(storage, options);
    const next: RepositoryFile = { ...file, policy: { ...file.policy, retention } };
    try {
      await storage.put(REPOSITORY_KEY, streamOf(encodeRepositoryFile(next)), { ...options, ifVersion: version });
      return next;
    } catch (error) {
      if (!hasCode(error, "STORAGE_CONFLICT") || tries === TRIES_MAX) throw error;
    }
  }
}
