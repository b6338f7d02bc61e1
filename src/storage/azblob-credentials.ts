// Who asks Azure, and where: Gardener's file, the variables that Azure's own tools take, else what @azure/identity finds (workload identity, managed
// identity, `az login`). A file that was replaced is read again, so that rotated keys need no restart.
import type { TokenCredential } from "@azure/identity";
import { EtcdsafeError } from "../errors.ts";
import { gardenerValues, gardenerVersion } from "./gardener-values.ts";
import type { AzblobSettings } from "./settings.ts";

/** Of the public cloud; Gardener's `domain`, and the EndpointSuffix of a connection string after `blob.`, name others. */
const DEFAULT_DOMAIN = "blob.core.windows.net";

export interface AzblobAccess {
  /** Of the account, without a slash at its end. */
  readonly endpoint: string;
  readonly secret: { readonly kind: "key"; readonly key: string } | { readonly kind: "sas"; readonly sas: string } | { readonly kind: "identity" };
}

/** What the access depends on: asked again when this changes. */
export async function accessVersion({ credentials }: AzblobSettings): Promise<string> {
  return credentials === undefined ? "" : await gardenerVersion(credentials).catch(() => ""); // One that is not there is told of by whoever reads it.
}

/** Throws CONFIG_INVALID; never repeats a key. */
export async function readAccess(account: string, settings: AzblobSettings): Promise<AzblobAccess> {
  const found = settings.credentials === undefined ? fromEnvironment() : await fromFile(settings.credentials);
  if (found.account !== undefined && found.account !== account) {
    throw invalid(`the credentials are those of the storage account ${found.account}, and the repository's is ${account}`);
  }
  const endpoint = settings.endpoint ?? found.endpoint ?? `https://${account}.${found.domain ?? DEFAULT_DOMAIN}`;
  const secret =
    found.key !== undefined ? ({ kind: "key", key: found.key } as const) : found.sas !== undefined ? ({ kind: "sas", sas: found.sas } as const) : undefined;
  if (secret === undefined && !endpoint.startsWith("https:")) {
    throw invalid(`${endpoint} is no https:// address, and no key or SAS is given: access tokens are sent over TLS alone`);
  }
  return { endpoint: endpoint.replace(/\/+$/, ""), secret: secret ?? { kind: "identity" } };
}

/** Where a token is asked for at an identity service of Azure's. */
export interface IdentityConnection {
  readonly ca: readonly string[] | undefined;
  readonly proxy: string | undefined;
  readonly limitMs: number;
}

/** Loaded only where no key and no SAS is at hand: it is large. Its own requests are limited in time and not tried again by itself. */
export function identityCredential({ ca, proxy, limitMs }: IdentityConnection): TokenCredential {
  let inner: TokenCredential | undefined;
  return {
    getToken: async (scopes, options) => {
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(() => late.reject(new Error(`no answer within ${limitMs / 1000} s`)), limitMs);
      try {
        const { DefaultAzureCredential } = await import("@azure/identity");
        inner ??= new DefaultAzureCredential({
          retryOptions: { maxRetries: 0 },
          ...(ca && { tlsOptions: { ca: [...ca] } }),
          ...(proxy !== undefined && { proxyOptions: proxyOptions(proxy) }),
        });
        return await Promise.race([inner.getToken(scopes, options), late.promise]);
      } catch (error) {
        throw new TokenError(error as Error);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** No token was to be had from Azure's identity services. */
export class TokenError extends Error {
  override readonly name = "TokenError";
  /** The service was not reached, or not well: nothing is said about the credentials. */
  readonly isTransient: boolean;

  constructor(reason: Error) {
    super(reason.message.split("\n", 1).join("")); // The chain lists all that it tried, line by line.
    this.isTransient = /ECONN|ETIMEDOUT|EAI_AGAIN|network_error|no answer within|status code 5\d\d/i.test(reason.message);
  }
}

interface Found {
  readonly account?: string | undefined;
  readonly key?: string | undefined;
  readonly sas?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly domain?: string | undefined;
}

async function fromFile(path: string): Promise<Found> {
  const values = await gardenerValues("the Azure credentials", path);
  const account = values.get("storageAccount");
  const key = values.get("storageKey");
  if (account === undefined || key === undefined) throw invalid(`the Azure credentials ${path} must hold storageAccount and storageKey`);
  requireKey(`the storageKey of ${path}`, key);
  return { account, key, domain: values.get("domain") };
}

function fromEnvironment(): Found {
  const { AZURE_STORAGE_CONNECTION_STRING: connection, AZURE_STORAGE_KEY: key, AZURE_STORAGE_SAS_TOKEN: sas } = process.env;
  if (connection !== undefined) return fromConnectionString(connection);
  if (key !== undefined) {
    requireKey("AZURE_STORAGE_KEY", key);
    return { key };
  }
  return sas === undefined ? {} : { sas: signature("AZURE_STORAGE_SAS_TOKEN", sas) };
}

/** https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string */
function fromConnectionString(text: string): Found {
  const name = "AZURE_STORAGE_CONNECTION_STRING";
  const pairs = text.split(";").filter((part) => part.trim() !== "");
  if (pairs.some((pair) => pair.indexOf("=") < 1)) throw invalid(`${name} is none: its parts are NAME=VALUE, with ; between them`);
  const parts = new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf("=")).trim().toLowerCase(), pair.slice(pair.indexOf("=") + 1).trim()]));
  const sas = parts.get("sharedaccesssignature");
  const key = parts.get("accountkey");
  if (key === undefined && sas === undefined) throw invalid(`${name} holds neither AccountKey nor SharedAccessSignature`);
  if (key !== undefined) requireKey(`the AccountKey of ${name}`, key);
  const suffix = parts.get("endpointsuffix");
  return {
    account: parts.get("accountname"),
    key,
    sas: sas === undefined ? undefined : signature(`the SharedAccessSignature of ${name}`, sas),
    endpoint: parts.get("blobendpoint"),
    domain: suffix === undefined ? undefined : `blob.${suffix}`,
  };
}

function proxyOptions(proxy: string): { host: string; port: number; username?: string; password?: string } {
  const { protocol, hostname, port, username, password } = new URL(proxy);
  const credentials = username === "" ? {} : { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  return { host: `${protocol}//${hostname}`, port: Number(port === "" ? (protocol === "https:" ? 443 : 80) : port), ...credentials };
}

/** The service would say no more than that it refuses. `what` holds no secret. */
function requireKey(what: string, key: string): void {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key) || key.length % 4 !== 0) throw invalid(`${what} is no key of a storage account: those are base64`);
}

function signature(what: string, sas: string): string {
  const query = sas.replace(/^\?/, "");
  if (!new URLSearchParams(query).has("sig")) throw invalid(`${what} is no shared access signature: it lacks sig=`);
  return query;
}

function invalid(message: string): EtcdsafeError {
  return new EtcdsafeError("CONFIG_INVALID", message);
}
