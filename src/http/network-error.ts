// Why no answer came, or none of the store that was asked, in words that hold for every kind of store. Names hosts, never URLs.
import { EtcdsafeError } from "../errors.ts";

/** The connection was refused, broke, was silent for too long, or is not to be trusted. */
export class NetworkError extends Error {
  override readonly name: string = "NetworkError";
  readonly hint: string | undefined;

  constructor(message: string, { cause, hint }: { readonly cause?: unknown; readonly hint?: string } = {}) {
    super(message, cause === undefined ? {} : { cause });
    this.hint = hint;
  }
}

/** There is no talking TLS to it, however often that is tried. */
class TlsError extends NetworkError {
  override readonly name = "TlsError";
}

/** Somebody between here and the store wants to know who asks. */
class ProxyRefusedError extends NetworkError {
  override readonly name = "ProxyRefusedError";
}

/** RFC 9110 §15.5.8: no store answers so, only a proxy. */
export const PROXY_REFUSED = 407;
const PROXY_HINT = "Check the user and the password of the proxy that HTTPS_PROXY or HTTP_PROXY names, or name the store in NO_PROXY.";

/** Statuses that mean something else from every store, and that any web server answers for what it does not know. */
const SAID_BY_ANY_SERVER: ReadonlySet<number> = new Set([400, 404, 405]);

/** node:tls: results of certificate verification. https://docs.openssl.org/3.0/man1/openssl-verification-options/ */
const VERIFICATION = /CERT|SIGNATURE|ISSUER|CRL|INVALID_CA|PATH_LENGTH|INVALID_PURPOSE|HOSTNAME_MISMATCH/;
const CERTIFICATE_HINTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "Have the store's certificate renewed, and check this host's clock.",
  CERT_NOT_YET_VALID: "Check this host's clock against the store's.",
  ERR_TLS_CERT_ALTNAME_INVALID: "Use an endpoint whose host is among the names in the certificate.",
};

/** `cause`: what became of a tunnel; none where the proxy answered in the store's stead. */
export function proxyRefused({ host }: Pick<URL, "host">, cause?: Error): NetworkError {
  const message = `${host}: the proxy on the way refuses ${cause === undefined ? "it" : "the tunnel"} (HTTP status ${PROXY_REFUSED})`;
  return new ProxyRefusedError(message, { cause, hint: PROXY_HINT });
}

/** `proxyEnv`: of proxies.ts. */
export function networkError({ host, hostname, protocol }: URL, error: Error, proxyEnv: NodeJS.ProcessEnv): NetworkError {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const proxy = proxyBehind(error, protocol, proxyEnv);
  if (proxy !== undefined && proxy.hostname !== "" && proxy.host !== host)
    return new NetworkError(`${host}: the proxy ${proxy.host} cannot be reached: ${textOf(error)}`, {
      cause: error,
      hint: "Check --storage-proxy, or HTTPS_PROXY, HTTP_PROXY and NO_PROXY.",
    });
  if (message.includes(` ${PROXY_REFUSED} `)) return proxyRefused({ host }, error);
  if (protocol === "https:" && VERIFICATION.test(code)) {
    const why = message.replace(/; if the root CA is installed locally.*$/, ""); // Advice about Node.
    return new TlsError(`${host}: the store's certificate cannot be trusted: ${why}`, {
      cause: error,
      hint: CERTIFICATE_HINTS[code] ?? "Give the certificate authority that signed the store's certificate: --storage-ca.",
    });
  }
  if (protocol === "https:" && /wrong version number|packet length too long|http request/.test(message))
    return new TlsError(`${host}: it does not speak TLS`, {
      cause: error,
      hint: `Write the endpoint with http://, if ${hostname} is to be asked without TLS.`,
    });
  return new NetworkError(`${host}: ${textOf(error)}`, { cause: error });
}

/** `what` ("write a/b in s3://bucket") begins the message. */
export function unreachable(what: string, error: NetworkError): EtcdsafeError {
  const code = error instanceof TlsError ? "STORAGE_TLS_FAILED" : error instanceof ProxyRefusedError ? "STORAGE_DENIED" : "STORAGE_UNREACHABLE";
  return new EtcdsafeError(code, `cannot ${what}: ${error.message}`, { cause: error, ...(error.hint !== undefined && { hint: error.hint }) });
}

/** The error for an answer that no such store gives. `store`: "S3"; `option`: the one that names the endpoint. */
export function notTheStore(what: string, store: string, option: string, status: number): EtcdsafeError {
  const text = `cannot ${what}: what answers there is not ${store} (HTTP status ${status})`;
  if (SAID_BY_ANY_SERVER.has(status)) return new EtcdsafeError("CONFIG_INVALID", text, { hint: `Check ${option}, and what is on the way: --storage-proxy.` });
  return new EtcdsafeError("STORAGE_UNREACHABLE", text, { hint: `Check ${option}, and what is on the way: a proxy, or a page to log in.` });
}

/** Whether such an answer tells nothing, unless it has the signs of the store that was asked. */
export function mayBeAnothers(status: number): boolean {
  return SAID_BY_ANY_SERVER.has(status);
}

/** The proxy that could not be connected to, if it was that. */
function proxyBehind(error: Error, protocol: string, env: NodeJS.ProcessEnv): URL | undefined {
  const failed = (error as { errors?: readonly Error[] }).errors?.[0] ?? error; // Of several addresses of one name.
  const { syscall, port, hostname } = failed as NodeJS.ErrnoException & { readonly port?: number; readonly hostname?: string };
  const named = protocol === "https:" ? env["HTTPS_PROXY"] : env["HTTP_PROXY"];
  const proxy = URL.canParse(named ?? "") ? new URL(named ?? "") : undefined;
  if (proxy === undefined) return undefined;
  const proxyPort = proxy.port === "" ? (proxy.protocol === "https:" ? 443 : 80) : Number(proxy.port);
  const isAbout = syscall === "connect" ? port === proxyPort : syscall === "getaddrinfo" && hostname === proxy.hostname;
  return isAbout ? proxy : undefined;
}

/** One line. An AggregateError, of several addresses that all refused, has no message. */
function textOf(error: Error): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (message === "aborted") return "the connection broke";
  return (message === "" ? code : message).replaceAll(/\s+/g, " ").trim();
}
