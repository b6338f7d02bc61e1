// One HTTP request, sent once: trying again is its sender's. For stores, whose SDKs' own transport would copy bodies, wait without a limit, or know nothing
// of another certificate authority; and for reports.

import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type ClientRequest, Agent as HttpAgent, type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { getCACertificates } from "node:tls";
import { type ByteStream, collect } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import { bodyPieces, giveBack } from "./body.ts";
import { NetworkError, networkError, PROXY_REFUSED, proxyRefused } from "./network-error.ts";
import { proxyVariables } from "./proxies.ts";

export interface ConnectionSettings {
  /** PEM file of certificate authorities to trust besides the system's. */
  readonly caFile: string | undefined;
  /** URL of an HTTP proxy; where undefined, HTTPS_PROXY, HTTP_PROXY and NO_PROXY count. */
  readonly proxy: string | undefined;
  /** An attempt that gets no byte for this long is given up, and tried again. */
  readonly idleLimitMs: number;
  /** How often a request is sent at most. */
  readonly triesMax: number;
}

export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent one after the other, not copied: they must stay as they are until the answer is there. */
  readonly body?: readonly Uint8Array[];
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Must be read to its end, or returned from. */
  readonly body: ByteStream;
}

/** Rejects with NetworkError where no whole answer came, with the signal's reason where it was aborted. */
export type HttpSend = (request: HttpRequest, options: CallOptions) => Promise<HttpAnswer>;

export interface HttpSender {
  readonly send: HttpSend;
  /** For those parts of SDKs that insist on sending for themselves. */
  readonly agents: { readonly http: HttpAgent; readonly https: HttpsAgent };
}

/** Answers that are no objects: messages, metadata, a page of a list. */
const TEXT_SIZE_BYTES_MAX = 16 * 1024 * 1024;
const CERTIFICATE_BEGINS = "-----BEGIN CERTIFICATE-----";
const PIECE_SIZE_BYTES = 256 * 1024;
/** Connections that wait for the next request. */
const IDLE_CONNECTIONS_MAX = 8;

/** Connections to one server. Throws CONFIG_INVALID where the file of certificate authorities is none, or a proxy is named as none can be. */
export async function httpSender({ caFile, proxy, idleLimitMs }: ConnectionSettings): Promise<HttpSender> {
  const ca = caFile === undefined ? {} : { ca: [...getCACertificates("default"), await certificatesOf(caFile)] };
  const proxyEnv = proxyVariables(proxy);
  // The time-out is that of connections which no request has yet, as while a proxy is asked for one.
  const options = { keepAlive: true, maxFreeSockets: IDLE_CONNECTIONS_MAX, timeout: idleLimitMs, proxyEnv };
  const agents = { http: new HttpAgent(options), https: new HttpsAgent({ ...options, ...ca }) };
  return { agents, send: (request, { signal }) => send(request, { agents, proxyEnv, idleLimitMs }, signal) };
}

/** The whole body of an answer that is no object's. */
export async function textOf({ body }: HttpAnswer): Promise<string> {
  return Buffer.from(await collect(body, TEXT_SIZE_BYTES_MAX, () => new NetworkError(`an answer of more than ${TEXT_SIZE_BYTES_MAX} bytes`))).toString();
}

async function certificatesOf(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((cause: Error) => {
    throw new EtcdsafeError("CONFIG_INVALID", `the certificate authorities in ${path} cannot be read: ${cause.message}`, { cause });
  });
  const [, ...certificates] = text.split(CERTIFICATE_BEGINS);
  if (certificates.length === 0) throw new EtcdsafeError("CONFIG_INVALID", `${path} holds no certificate authority: it must be a PEM file`);
  for (const [index, rest] of certificates.entries()) requireCertificate(`certificate ${index + 1} of ${certificates.length} in ${path}`, rest);
  return text;
}

/** Node leaves out what it cannot parse, and the server's certificate would then be said to be the one at fault. */
function requireCertificate(what: string, rest: string): void {
  try {
    new X509Certificate(`${CERTIFICATE_BEGINS}${rest}`); // What follows the first one is not looked at.
  } catch (cause) {
    const why = (cause as Error).message.replace(/^error:[0-9A-F]+:/, "");
    throw new EtcdsafeError("CONFIG_INVALID", `${what} cannot be parsed: ${why}`, { cause, hint: "Give the whole of a PEM file: --storage-ca." });
  }
}

interface Connections extends Pick<HttpSender, "agents"> {
  readonly proxyEnv: NodeJS.ProcessEnv;
  readonly idleLimitMs: number;
}

/** What an error is told by. */
interface Sent {
  readonly url: URL;
  readonly proxyEnv: NodeJS.ProcessEnv;
}

interface Exchange {
  readonly outgoing: ClientRequest;
  readonly incoming: IncomingMessage;
}

async function send(request: HttpRequest, { agents, proxyEnv, idleLimitMs }: Connections, signal: AbortSignal): Promise<HttpAnswer> {
  signal.throwIfAborted();
  const url = new URL(request.url);
  const sent = { url, proxyEnv };
  const begin = url.protocol === "https:" ? requestHttps : requestHttp;
  const { method, body = [] } = request;
  const sizeBytes = body.reduce((sum, { length }) => sum + length, 0);
  const headers = { ...request.headers, ...(body.length > 0 || method === "PUT" || method === "POST" ? { "content-length": String(sizeBytes) } : {}) };
  const { incoming, outgoing } = await new Promise<Exchange>((resolve, reject) => {
    const outgoing = begin(request.url, { method, headers, signal, agent: url.protocol === "https:" ? agents.https : agents.http });
    // While there is no socket, as long as a proxy says nothing, a destroyed request tells nobody.
    const giveUp = (error: Error) => {
      settled();
      reject(error);
      outgoing.destroy(error);
    };
    const onSilence = () => giveUp(new Error(`no byte for ${idleLimitMs / 1000} s`));
    const onAbort = () => giveUp(signal.reason);
    const settled = () => signal.removeEventListener("abort", onAbort);
    signal.addEventListener("abort", onAbort);
    outgoing.setTimeout(idleLimitMs, onSilence);
    outgoing.once("socket", (socket) => {
      socket.on("data", giveBack); // After the request's own listener, which is there by now, has taken everything out.
      outgoing.once("close", () => socket.off("data", giveBack));
    });
    outgoing.on("error", (error) => {
      settled();
      reject(error);
    });
    outgoing.once("response", (incoming) => {
      settled();
      outgoing.setTimeout(0);
      resolve({ incoming, outgoing });
    });
    writeBody(outgoing, body).catch(reject); // Its errors are the request's.
  }).catch((error: Error) => {
    throw failure(sent, error, signal);
  });
  if (incoming.statusCode === PROXY_REFUSED) {
    outgoing.destroy();
    throw proxyRefused(url);
  }
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, body: bodyOf({ incoming, outgoing }, sent, idleLimitMs, signal) };
}

/** Piece by piece, as the connection takes them: all at once they would be encrypted, and so copied, at once. */
async function writeBody(outgoing: ClientRequest, body: readonly Uint8Array[]): Promise<void> {
  for (const part of body) {
    for (let at = 0; at < part.length && !outgoing.destroyed; at += PIECE_SIZE_BYTES) {
      if (!outgoing.write(part.subarray(at, at + PIECE_SIZE_BYTES))) await once(outgoing, "drain");
    }
  }
  outgoing.end();
}

async function* bodyOf({ incoming, outgoing }: Exchange, sent: Sent, idleLimitMs: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of bodyPieces(incoming, idleLimitMs)) {
      yield piece;
      signal.throwIfAborted();
    }
  } catch (error) {
    throw failure(sent, error as Error, signal);
  } finally {
    incoming.destroy();
    if (!outgoing.writableFinished) outgoing.destroy(); // Answered before it was sent: nobody may be there to take the rest.
  }
}

function failure(request: Sent, error: Error, signal: AbortSignal): Error {
  return signal.aborted ? signal.reason : networkError(request.url, error, request.proxyEnv);
}
