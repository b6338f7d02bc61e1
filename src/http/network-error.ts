// Why no answer came, in words that hold for whoever was asked. Names hosts, never URLs.

/**
 * "certificate", "no TLS": there is no talking TLS to it, however often that is tried. "proxy": the one on the way cannot be reached. "proxy refused": it
 * wants to know who asks. "connection": all else.
 */
export type NetworkFailure = "connection" | "certificate" | "no TLS" | "proxy" | "proxy refused";

/** The connection was refused, broke, was silent for too long, or is not to be trusted. */
export class NetworkError extends Error {
  override readonly name = "NetworkError";
  readonly kind: NetworkFailure;
  /** The message without the host. */
  readonly why: string;

  constructor(
    why: string,
    { kind = "connection", host, cause }: { readonly kind?: NetworkFailure; readonly host?: string; readonly cause?: Error | undefined } = {},
  ) {
    super(host === undefined ? why : `${host}: ${why}`, cause === undefined ? {} : { cause });
    this.kind = kind;
    this.why = why;
  }
}

/** RFC 9110 §15.5.8: no server answers so, only a proxy. */
export const PROXY_REFUSED = 407;

/** node:tls: results of certificate verification. https://docs.openssl.org/3.0/man1/openssl-verification-options/ */
const VERIFICATION = /CERT|SIGNATURE|ISSUER|CRL|INVALID_CA|PATH_LENGTH|INVALID_PURPOSE|HOSTNAME_MISMATCH/;

/** `cause`: what became of a tunnel; none where the proxy answered in the server's stead. */
export function proxyRefused({ host }: Pick<URL, "host">, cause?: Error): NetworkError {
  const why = `the proxy on the way refuses ${cause === undefined ? "it" : "the tunnel"} (HTTP status ${PROXY_REFUSED})`;
  return new NetworkError(why, { kind: "proxy refused", host, cause });
}

/** `proxyEnv`: of proxies.ts. */
export function networkError({ host, protocol }: URL, error: Error, proxyEnv: NodeJS.ProcessEnv): NetworkError {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const failed = (why: string, kind: NetworkFailure) => new NetworkError(why, { kind, host, cause: error });
  const proxy = proxyBehind(error, protocol, proxyEnv);
  if (proxy !== undefined && proxy.hostname !== "" && proxy.host !== host)
    return failed(`the proxy ${proxy.host} cannot be reached: ${textOf(error)}`, "proxy");
  if (message.includes(` ${PROXY_REFUSED} `)) return proxyRefused({ host }, error);
  if (protocol === "https:" && VERIFICATION.test(code)) {
    const why = message.replace(/; if the root CA is installed locally.*$/, ""); // Advice about Node.
    return failed(`its certificate cannot be trusted: ${why}`, "certificate");
  }
  if (protocol === "https:" && /wrong version number|packet length too long|http request/.test(message)) return failed("it does not speak TLS", "no TLS");
  return failed(textOf(error), "connection");
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
