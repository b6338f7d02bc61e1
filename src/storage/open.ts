// Where a repository is → its storage, with what every remote store needs around it. The only file that names backends; each, and with it its SDK, is
// loaded when it is needed.
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { EtcdsafeError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { asOf } from "./as-of.ts";
import { parallelReads } from "./parallel-reads.ts";
import type { StorageSettings } from "./settings.ts";
import type { Storage } from "./storage.ts";
import { throttled } from "./throttled.ts";

/** RFC 3986 §3.1, with the two slashes that tell a URL from a path like `C:\backups`. */
const URL_START = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\//;

type OpenRuntime = Pick<Runtime, "now" | "sleep" | "randomBytes" | "log" | "monotonicMs">;

/** What a location names, read but not looked at. */
export type Place =
  | { readonly kind: "file"; readonly root: string }
  | { readonly kind: "s3" | "gs"; readonly bucket: string; readonly prefix: string }
  | { readonly kind: "azblob"; readonly account: string; readonly container: string; readonly prefix: string };

/**
 * Opens a path or a URL: `file://`, `s3://bucket/prefix`, `gs://bucket/prefix`, `azblob://account/container/prefix`. Nothing is read or written yet.
 * With `time`, read-only and as it was then. Throws CONFIG_INVALID for anything else, USAGE for the past of a store that keeps no versions.
 */
export async function openStorage(location: string, settings: StorageSettings & { readonly time?: Date }, runtime: OpenRuntime): Promise<Storage> {
  const place = placeOf(location);
  const backend = await openBackend(place, settings, runtime);
  const shown = settings.time === undefined ? backend : asOf(backend, settings.time, runtime);
  const paced = isLimited(settings) ? throttled(shown, settings.limits, runtime) : shown;
  return place.kind === "file" ? paced : parallelReads(paced);
}

/** Throws CONFIG_INVALID; never repeats what may be a secret. */
export function placeOf(location: string): Place {
  if (location === "") throw invalid("an empty location names no repository");
  const scheme = URL_START.exec(location)?.[1]?.toLowerCase();
  if (scheme === undefined) return { kind: "file", root: resolve(location) };
  if (scheme === "file") return { kind: "file", root: filePath(location) };
  if (scheme !== "s3" && scheme !== "gs" && scheme !== "azblob") throw invalid(`${withoutSecrets(location)}: ${scheme}:// is no kind of repository`);
  const [host = "", ...path] = location.slice(location.indexOf("://") + 3).split("/");
  if (host.includes("@")) throw invalid(`${withoutSecrets(location)}: a URL must not hold credentials, since it is printed and logged`);
  if (/[?#]/.test(location)) throw invalid(`${withoutSecrets(location)} has a query or fragment, which the URL of a repository does not have`);
  const parts = path
    .join("/")
    .replace(/^\/+|\/+$/g, "")
    .split("/");
  if (parts.length > 1 && parts.includes("")) throw invalid(`${location} has an empty part in its path`);
  if (scheme !== "azblob") {
    if (host === "") throw invalid(`${location} names no bucket`);
    return { kind: scheme, bucket: host, prefix: parts.join("/") };
  }
  const [container = "", ...prefix] = parts;
  if (host === "" || container === "") throw invalid(`${location} names no account and container: azblob://account/container/prefix`);
  return { kind: scheme, account: host, container, prefix: prefix.join("/") };
}

async function openBackend(place: Place, settings: StorageSettings, runtime: OpenRuntime): Promise<Storage> {
  switch (place.kind) {
    case "file":
      return (await import("./file.ts")).openFileStorage(place.root, runtime);
    case "gs":
      return (await import("./gs.ts")).openGsStorage(place, settings, runtime);
    case "s3":
      return (await import("./s3.ts")).openS3Storage(place, settings, runtime);
    case "azblob":
      return (await import("./azblob.ts")).openAzblobStorage(place, settings, runtime);
  }
}

function isLimited({ limits }: StorageSettings): boolean {
  return limits.uploadBytesPerSecond !== undefined || limits.downloadBytesPerSecond !== undefined;
}

function filePath(location: string): string {
  if (/[?#]/.test(location)) {
    throw invalid(`${withoutSecrets(location)} has a query or fragment, which the URL of a directory cannot have (%3F is a question mark, %23 a #)`);
  }
  try {
    return fileURLToPath(location);
  } catch (cause) {
    throw invalid(`${withoutSecrets(location)} is not the URL of a directory: ${(cause as Error).message}`);
  }
}

/** Scheme, host and path alone: user information and query may hold credentials. */
function withoutSecrets(location: string): string {
  return location.replace(/\/\/[^/]*@/, "//").replace(/[?#].*$/s, "");
}

function invalid(why: string): EtcdsafeError {
  return new EtcdsafeError("CONFIG_INVALID", why, {
    hint: "Give a directory: a path, or file:///path; or s3://bucket/prefix, gs://bucket/prefix, azblob://account/container/prefix.",
  });
}
