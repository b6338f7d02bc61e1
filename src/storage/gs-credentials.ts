// Access tokens for Google Cloud Storage: of a file (service account, external account), else of google-auth-library's own chain. A file that
// was replaced is read again, so that rotated keys need no restart.
import { readFile, stat } from "node:fs/promises";
import type { Storage as GoogleStorage } from "@google-cloud/storage";
import { EtcdsafeError } from "../errors.ts";
import type { ConnectionSettings, HttpSender } from "../http/request.ts";
import type { CallOptions } from "../runtime.ts";
import { orAborted } from "./or-aborted.ts";

export interface GsCredentials {
  /** Headers that authorise a request. */
  headers(options: CallOptions): Promise<Record<string, string>>;
  /** The store refused the last ones: the next are made anew. */
  forget(): void;
}

type Client = GoogleStorage["authClient"];

/** `file`: undefined for the default chain. A token is asked for when the first request needs one. */
export async function gsCredentials(file: string | undefined, { agents }: HttpSender, { idleLimitMs }: ConnectionSettings): Promise<GsCredentials> {
  const { Storage } = await import("@google-cloud/storage");
  const watched = file ?? process.env["GOOGLE_APPLICATION_CREDENTIALS"];
  let client: Client | undefined;
  let seen = "";
  return {
    headers: async ({ signal }) => {
      const now = await versionOf(watched);
      if (client === undefined || now !== seen) {
        // The agent by protocol: metadata servers are asked over HTTP, token endpoints over HTTPS. Trying again is retry.ts.
        const agent = (url: URL) => (url.protocol === "https:" ? agents.https : agents.http);
        const transporterOptions = { agent, timeout: idleLimitMs, retryConfig: { retry: 0, noResponseRetries: 0 } };
        const account = file === undefined ? {} : { credentials: await accountIn(file) };
        client = new Storage({ ...account, clientOptions: { transporterOptions: transporterOptions as never } }).authClient;
        seen = now;
      }
      return { ...(await orAborted(client.getRequestHeaders(), signal)) }; // The library's requests know no signal: they are left to their own end.
    },
    forget: () => {
      client = undefined;
    },
  };
}

/** Changes whenever the file does; one that is not there is told of by whoever reads it. */
async function versionOf(path: string | undefined): Promise<string> {
  if (path === undefined) return "";
  const stats = await stat(path, { bigint: true }).catch(() => undefined);
  return stats === undefined ? "" : `${stats.mtimeNs}-${stats.ino}-${stats.size}`;
}

/** The library would take what is no JSON for a private key, and ask without a token. Throws CONFIG_INVALID; never repeats what is in the file. */
async function accountIn(path: string): Promise<object> {
  const text = await readFile(path, "utf8").catch((cause: Error) => {
    throw new EtcdsafeError("CONFIG_INVALID", `the credentials ${path} cannot be read: ${cause.message}`, { cause });
  });
  try {
    const account: unknown = JSON.parse(text);
    if (typeof account === "object" && account !== null) return account;
  } catch {
    // What JSON.parse says repeats a part of the file.
  }
  throw new EtcdsafeError("CONFIG_INVALID", `the credentials ${path} are not those of a service account or an external account: they are no JSON object`);
}
