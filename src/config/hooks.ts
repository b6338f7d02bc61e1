// Whom a run tells how it went by URLs that are secrets: from the environment, or from files.
import { hasUsableCredentials } from "../http/percent-encoding.ts";
import type { Config } from "./config.ts";
import type { Fault } from "./origin.ts";
import { readSecretFile } from "./secret-file.ts";
import { isHttpUrl } from "./value.ts";

/** Requests can be sent to these. */
export interface Hooks {
  readonly heartbeat: URL | undefined;
  readonly notify: URL | undefined;
}

/** Never throws. */
export async function readHooks(config: Config): Promise<{ readonly hooks: Hooks; readonly faults: readonly Fault[] }> {
  const faults: Fault[] = [];
  const urlOf = async (name: "heartbeat" | "notify"): Promise<URL | undefined> => {
    const path = config.get(`${name}-file`);
    const given = config.get(name);
    if (path === undefined && given === undefined) return undefined;
    const read = path === undefined ? hookUrl(given!) : await hookUrlIn(path);
    if ("url" in read) return read.url;
    const key = path === undefined ? name : (`${name}-file` as const);
    faults.push({ origin: config.origin(key), key, text: path === undefined ? read.refused : `${path} ${read.refused}` });
    return undefined;
  };
  return { hooks: { heartbeat: await urlOf("heartbeat"), notify: await urlOf("notify") }, faults };
}

/** `refused` completes a sentence about where the URL stands, and repeats nothing of it. */
type ReadUrl = { readonly url: URL } | { readonly refused: string };

async function hookUrlIn(path: string): Promise<ReadUrl> {
  const read = await readSecretFile(path, "a URL");
  return "refused" in read ? read : hookUrl(read.secret);
}

function hookUrl(text: string): ReadUrl {
  if (!isHttpUrl(text)) return { refused: "holds no URL that begins with http:// or https://" };
  const url = new URL(text);
  return hasUsableCredentials(url) ? { url } : { refused: "has a % in its user or password that is not percent-encoded" };
}
