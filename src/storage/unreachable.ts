// Why a store gave no answer, or something else gave one in its stead, in the words of the error table.
import { type ErrorCode, EtcdsafeError } from "../errors.ts";
import type { NetworkError, NetworkFailure } from "../http/network-error.ts";

const CODES: Readonly<Record<NetworkFailure, ErrorCode>> = {
  connection: "STORAGE_UNREACHABLE",
  certificate: "STORAGE_TLS_FAILED",
  "no TLS": "STORAGE_TLS_FAILED",
  proxy: "STORAGE_UNREACHABLE",
  "proxy refused": "STORAGE_DENIED",
};
const HINTS: Readonly<Partial<Record<NetworkFailure, string>>> = {
  certificate: "Give the certificate authority that signed the store's certificate: --storage-ca.",
  "no TLS": "Write the endpoint with http://, if the store is to be asked without TLS.",
  proxy: "Check --storage-proxy, or HTTPS_PROXY, HTTP_PROXY and NO_PROXY.",
  "proxy refused": "Check the user and the password of the proxy that HTTPS_PROXY or HTTP_PROXY names, or name the store in NO_PROXY.",
};
/** By the code that node:tls gives. */
const CERTIFICATE_HINTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "Have the store's certificate renewed, and check this host's clock.",
  CERT_NOT_YET_VALID: "Check this host's clock against the store's.",
  ERR_TLS_CERT_ALTNAME_INVALID: "Use an endpoint whose host is among the names in the certificate.",
};

/** Statuses that mean something else from every store, and that any web server answers for what it does not know. */
const SAID_BY_ANY_SERVER: ReadonlySet<number> = new Set([400, 404, 405]);

/** `what` ("write a/b in s3://bucket") begins the message. */
export function unreachable(what: string, error: NetworkError): EtcdsafeError {
  const { code = "" } = (error.cause ?? {}) as NodeJS.ErrnoException;
  const hint = (error.kind === "certificate" ? CERTIFICATE_HINTS[code] : undefined) ?? HINTS[error.kind];
  return new EtcdsafeError(CODES[error.kind], `cannot ${what}: ${error.message}`, { cause: error, ...(hint !== undefined && { hint }) });
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
