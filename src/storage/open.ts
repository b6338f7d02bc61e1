// Where a repository is → its storage. The only file that names backends; each is loaded when it is needed.
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { EtcdsafeError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import type { Storage } from "./storage.ts";

/** RFC 3986 §3.1, with the two slashes that tell a URL from a path like `C:\backups`. */
const URL_START = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\//;
const NOT_YET = new Set(["s3", "gs", "azblob"]);

/** Opens a path or `file://` URL. Throws CONFIG_INVALID for anything else; nothing is read or written yet. */
export async function openStorage(location: string, runtime: Pick<Runtime, "sleep" | "randomBytes">): Promise<Storage> {
  const root = localPath(location);
  const { openFileStorage } = await import("./file.ts");
  return openFileStorage(root, runtime);
}

function localPath(location: string): string {
  if (location === "") throw invalid("an empty location names no repository");
  const scheme = URL_START.exec(location)?.[1]?.toLowerCase();
  if (scheme === undefined) return resolve(location);
  if (NOT_YET.has(scheme)) throw invalid(`${withoutSecrets(location)}: this version of etcdsafe supports local repositories only`);
  if (scheme === "file" && /[?#]/.test(location)) {
    throw invalid(`${withoutSecrets(location)} has a query or fragment, which the URL of a directory cannot have (%3F is a question mark, %23 a #)`);
  }
  if (scheme !== "file") throw invalid(`${withoutSecrets(location)}: ${scheme}:// is no kind of repository`);
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
  return new EtcdsafeError("CONFIG_INVALID", why, { hint: "Give --repository a directory: a path, or file:///path." });
}
