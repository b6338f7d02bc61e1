// Why a connection could not be opened, from what node:net, node:tls and node:http2 report. A plain endpoint behind https:// and the reverse look
// like many other faults to the side that tries, so those are tried the other way round before they are blamed.
import { once } from "node:events";
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { EtcdsafeError } from "../errors.ts";
import type { Endpoint } from "./endpoint.ts";
import { isClientCertificateAlert } from "./tls-alerts.ts";
import type { TlsIdentity } from "./tls-identity.ts";

export interface DialOptions {
  readonly dialTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** The other side closed the connection without a word of HTTP/2. */
export const NOT_ETCD = new Error("the connection was closed before etcd answered");

/** RFC 9113 §3.4: what a client says first, and a SETTINGS frame without settings. */
const HTTP2_PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");
/** RFC 9113 §6.5: the type of the frame an HTTP/2 server says first; the fourth byte of what it sends. */
const FRAME_TYPE_SETTINGS = 4;

/** node:tls: results of certificate verification that are not called CERT or CERTIFICATE. */
const VERIFICATION = /CERT|SIGNATURE|ISSUER|CRL|INVALID_CA|PATH_LENGTH|INVALID_PURPOSE|HOSTNAME_MISMATCH/;

const HINTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "Renew etcd's server certificate, and check this host's clock.",
  CERT_NOT_YET_VALID: "Check this host's clock against etcd's.",
  ERR_TLS_CERT_ALTNAME_INVALID: "Use an endpoint whose host is among the names in the certificate.",
};

/** Makes the error to report of what the attempt ended with; never rejects. */
export async function dialError(endpoint: Endpoint, tls: TlsIdentity, fault: unknown, options: DialOptions): Promise<EtcdsafeError> {
  const { code, text } = describe(fault);
  const because = (kind: ConstructorParameters<typeof EtcdsafeError>[0], why: string, hint?: string) =>
    new EtcdsafeError(kind, `${endpoint.text}: ${why}`, { cause: fault, ...(hint === undefined ? {} : { hint }) });
  if (isClientCertificateAlert(code)) {
    return tls.hasClientCertificate
      ? because("ETCD_CLIENT_CERT_REQUIRED", `etcd refuses the client certificate: ${text}`)
      : because("ETCD_CLIENT_CERT_REQUIRED", `etcd wants a client certificate, and none was given: ${text}`);
  }
  if (VERIFICATION.test(code)) return because("ETCD_TLS_FAILED", `etcd's certificate cannot be trusted: ${text}`, HINTS[code]);
  if (!/^(ECONNREFUSED|ENOTFOUND|EAI_|EHOST|ENET|ETIMEDOUT|EACCES|EPERM)/.test(code)) {
    if (endpoint.secure && (await speaksPlainHttp2(endpoint, options))) {
      return because("ETCD_TLS_FAILED", "etcd speaks plain HTTP here", "Write the endpoint with http:// instead of https://, and leave the certificates out.");
    }
    if (!endpoint.secure && (await speaksTls(endpoint, options))) {
      return because("ETCD_TLS_FAILED", "etcd speaks TLS here", "Write the endpoint with https:// and give --cacert.");
    }
    if (code.startsWith("ERR_SSL_")) return because("ETCD_TLS_FAILED", `TLS failed: ${text}`);
    if (code.startsWith("ERR_HTTP2_")) return because("ETCD_UNREACHABLE", "what listens there does not speak etcd's protocol", "Give etcd's client URL.");
  }
  return because("ETCD_UNREACHABLE", `cannot connect: ${text}`);
}

/** An AggregateError stands for several addresses of one name, and has no message of its own. */
function describe(fault: unknown): { code: string; text: string } {
  const error = fault as NodeJS.ErrnoException & { errors?: readonly Error[]; reason?: string };
  const text = error.message || error.errors?.map(({ message }) => message).join("; ") || String(fault);
  return { code: error.code ?? "", text: (error.reason ?? text).replace(/; if the root CA is installed locally.*$/, "") }; // Advice about Node.
}

async function speaksPlainHttp2(endpoint: Endpoint, options: DialOptions): Promise<boolean> {
  const socket = connectPlain(endpoint.port, endpoint.host);
  socket.write(HTTP2_PREFACE);
  const answer = (await firstOf(socket, "data", options))?.[0] as Buffer | undefined;
  return answer?.[3] === FRAME_TYPE_SETTINGS;
}

async function speaksTls(endpoint: Endpoint, options: DialOptions): Promise<boolean> {
  // Nothing is sent over this connection; the question is only whether there is a handshake.
  const socket = connectTls({ host: endpoint.host, port: endpoint.port, rejectUnauthorized: false });
  return (await firstOf(socket, "secureConnect", options)) !== undefined;
}

/** What the event came with; undefined when the socket failed or closed first, or the time was up. */
async function firstOf(socket: Socket, event: string, { dialTimeoutMs, signal }: DialOptions): Promise<unknown[] | undefined> {
  const over = new AbortController();
  socket.once("close", () => over.abort());
  socket.on("error", () => over.abort());
  try {
    return await once(socket, event, { signal: AbortSignal.any([signal, AbortSignal.timeout(dialTimeoutMs), over.signal]) });
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
