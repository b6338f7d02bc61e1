// Where this user's memory of catalogues is, and whether a command may use it.
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import type { DocumentCache } from "../repository/catalogue-cache.ts";
import type { Repository } from "../repository/repository.ts";
import type { Invocation } from "./command.ts";
import { provesOrigin } from "./protection.ts";
import { version } from "./version.ts";

/** What `work` gives with the memory of this cluster, which is kept afterwards. Nobody's memory stands for a signature, or for the past. */
export async function withCatalogueCache<T>(
  { config, environment, runtime }: Invocation,
  repository: Repository,
  cluster: string,
  work: (cache: DocumentCache | undefined) => Promise<T>,
): Promise<T> {
  if (config.get("no-cache") || provesOrigin(config) || config.get("as-of") !== undefined) return work(undefined);
  const { readCatalogueCache, writeCatalogueCache } = await import("../repository/catalogue-cache-file.ts");
  const place = { directory: cacheDirectory(environment), repository, cluster, version: version() };
  const cache = await readCatalogueCache(place);
  const result = await work(cache);
  await writeCatalogueCache(place, cache, runtime);
  return result;
}

/** XDG Base Directory Specification: a relative path is to be ignored. */
function cacheDirectory({ XDG_CACHE_HOME: xdg = "" }: Invocation["environment"]): string {
  return join(isAbsolute(xdg) ? xdg : join(homedir(), ".cache"), "etcdsafe", "catalogue");
}
