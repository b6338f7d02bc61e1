// Whom a run tells how it went by URLs that are secrets: from the environment, or from files.
import type { Config } from "./config.ts";
import type { Fault } from "./origin.ts";
import { readSecretFile } from "./secret-file.ts";
import { isHttpUrl } from "./value.ts";

export interface Hooks {
  readonly heartbeat: string | undefined;
  readonly notify: string | undefined;
}

/** Never throws. */
export async function readHooks(config: Config): Promise<{ readonly hooks: Hooks; readonly faults: readonly Fault[] }> {
  const faults: Fault[] = [];
  const urlOf = async (name: "heartbeat" | "notify"): Promise<string | undefined> => {
    const option = `${name}-file` as const;
    const path = config.get(option);
    if (path === undefined) return config.get(name);
    const read = await readSecretFile(path, "a URL");
    const refused = "refused" in read ? read.refused : isHttpUrl(read.secret) ? undefined : "holds no URL that begins with http:// or https://";
    if (refused === undefined && "secret" in read) return read.secret;
    faults.push({ origin: config.origin(option), key: option, text: `${path} ${refused}` });
    return undefined;
  };
  return { hooks: { heartbeat: await urlOf("heartbeat"), notify: await urlOf("notify") }, faults };
}
