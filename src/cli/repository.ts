// The repository that a command's options name.
import { EtcdsafeError } from "../errors.ts";
import type { Author, Repository } from "../repository/repository.ts";
import type { Storage } from "../storage/storage.ts";
import type { Invocation } from "./command.ts";
import { version } from "./version.ts";

/** For commands that only look: nothing can be changed through it. Throws REPOSITORY_NOT_FOUND where there is none. */
export async function openForReading(invocation: Invocation): Promise<Repository> {
  const [{ readOnly }, { openRepository }] = await Promise.all([import("../storage/read-only.ts"), import("../repository/repository.ts")]);
  return openRepository(readOnly(await openNamedStorage(invocation)), invocation);
}

/** Throws USAGE where no repository is named. */
export async function openNamedStorage({ config, runtime }: Invocation): Promise<Storage> {
  const location = config.get("repository");
  if (location === undefined) {
    throw new EtcdsafeError("USAGE", "no repository is named", {
      hint: "Give --repository, ETCDSAFE_REPOSITORY, or the key repository of the file that --config names.",
    });
  }
  const { openStorage } = await import("../storage/open.ts");
  return openStorage(location, runtime);
}

/** Recorded in everything that this process writes to a repository. */
export async function author(): Promise<Author> {
  const { hostname } = await import("node:os");
  return { tool: { name: "etcdsafe", version: version() }, writer: { host: hostname(), pid: process.pid } };
}
