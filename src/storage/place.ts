// What a location names, read but not looked at: a path, or a URL. Light, for whoever only has to know that.
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { EtcdsafeError } from "../errors.ts";

/** RFC 3986 §3.1, with the two slashes that tell a URL from a path. */
const URL_START = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\//;
/** `s3:bucket`, `s3:/bucket`, `file:backups`: taken for a path, it would put a backup where nobody meant it to be. */
const MISTYPED_URL = /^[a-zA-Z0-9][a-zA-Z0-9+.-]*:(?!\/\/)/;

/** What stores refuse however they are set up; their own rules are narrower, and some of them older than others. */
const NAMES = {
  /** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; the oldest buckets of Amazon's hold capitals, `_`, and are longer. */
  s3: { regex: /^[\w.:-]{3,255}$/, rule: "3 to 63 lower-case letters, digits, dots and hyphens" },
  /** https://cloud.google.com/storage/docs/buckets#naming */
  gs: { regex: /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/, rule: "3 to 63 lower-case letters, digits, dots, hyphens and underscores" },
  /** https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata */
  container: { regex: /^(\$root|\$web|(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*)$/, rule: "3 to 63 lower-case letters, digits and single hyphens" },
  /** https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-name */
  account: { regex: /^[a-z0-9]{3,24}$/, rule: "3 to 24 lower-case letters and digits" },
} as const;

export type Place =
  | { readonly kind: "file"; readonly root: string }
  | { readonly kind: "s3" | "gs"; readonly bucket: string; readonly prefix: string }
  | { readonly kind: "azblob"; readonly account: string; readonly container: string; readonly prefix: string };

/** Throws CONFIG_INVALID; never repeats what may be a secret. */
export function placeOf(location: string): Place {
  if (location === "") throw invalid("an empty location names no repository");
  const scheme = URL_START.exec(location)?.[1]?.toLowerCase();
  if (scheme === undefined && isMistypedUrl(location)) throw invalid(`${withoutSecrets(location)}: a URL has two slashes after its colon; ./NAME is a path`);
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
  // Clients and stores take them for directories, each in its own way.
  if (parts.includes(".") || parts.includes("..")) throw invalid(`${location} has . or .. in its path`);
  if (scheme !== "azblob") {
    if (host === "") throw invalid(`${location} names no bucket`);
    requireName(location, "bucket", host, NAMES[scheme]);
    return { kind: scheme, bucket: host, prefix: parts.join("/") };
  }
  const [container = "", ...prefix] = parts;
  if (host === "" || container === "") throw invalid(`${location} names no account and container: azblob://account/container/prefix`);
  requireName(location, "account", host, NAMES.account);
  requireName(location, "container", container, NAMES.container);
  return { kind: scheme, account: host, container, prefix: prefix.join("/") };
}

/** Whether both name the same, however each is spelled: with a slash at its end, as a URL, from the current directory. Pure but for that directory. */
export function isSamePlace(a: string, b: string): boolean {
  try {
    return isDeepStrictEqual(placeOf(a), placeOf(b));
  } catch {
    return a === b; // What names no place is told by whoever opens it.
  }
}

/** Whether it begins as a URL does, and is none. */
export function isMistypedUrl(location: string): boolean {
  return MISTYPED_URL.test(location);
}

function requireName(location: string, what: string, name: string, { regex, rule }: { readonly regex: RegExp; readonly rule: string }): void {
  if (!regex.test(name)) throw invalid(`${location}: ${name} cannot be the name of a ${what}: those are ${rule}`);
}

function filePath(location: string): string {
  if (/[?#]/.test(location)) {
    throw invalid(`${withoutSecrets(location)} has a query or fragment, which the URL of a directory cannot have (%3F is a question mark, %23 a #)`);
  }
  try {
    return resolve(fileURLToPath(location)); // Without a slash at its end.
  } catch (cause) {
    throw invalid(`${withoutSecrets(location)} is not the URL of a directory: ${(cause as Error).message}`);
  }
}

/** Scheme, host and path alone: user information and query may hold credentials. */
function withoutSecrets(location: string): string {
  return location.replace(/^([^/:]*:)?(\/*)[^/]*@/, "$1$2").replace(/[?#].*$/s, "");
}

function invalid(why: string): EtcdsafeError {
  return new EtcdsafeError("CONFIG_INVALID", why, {
    hint: "Give a directory: a path, or file:///path; or s3://bucket/prefix, gs://bucket/prefix, azblob://account/container/prefix.",
  });
}

/** One name of each place, in the order given: what is stored in one place twice would be in its own way. Throws as placeOf. */
export function distinctPlaces(locations: readonly string[]): string[] {
  return [...Map.groupBy(locations, (location) => JSON.stringify(placeOf(location))).values()].map(([first]) => first!);
}
