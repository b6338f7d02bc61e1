// One HTTP/2 connection to one endpoint, open once the member has sent its settings: by then TLS 1.3 servers have refused what they refuse.
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { type DialOptions, dialError, NOT_ETCD } from "./dial-errors.ts";
import type { Endpoint } from "./endpoint.ts";
import type { TlsIdentity } from "./tls-identity.ts";

/**
 * How much a member may send ahead of what was taken. With HTTP/2's default of 64 KiB etcd waits for acknowledgements half of the time; it
 * also bounds what a paused snapshot holds in memory.
 */
const STREAM_WINDOW_BYTES = 2 * 1024 * 1024;
/** Beyond one stream's, so that a snapshot nobody takes at the moment leaves room for other calls. */
const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024;

/** Rejects with an EtcdsafeError that names the endpoint and the cause, or with the signal's reason. */
export async function openSession(endpoint: Endpoint, tls: TlsIdentity, options: DialOptions): Promise<ClientHttp2Session> {
  options.signal.throwIfAborted();
  try {
    return await dial(endpoint, tls, options);
  } catch (fault) {
    options.signal.throwIfAborted();
    throw await dialError(endpoint, tls, fault, options);
  }
}

async function dial(endpoint: Endpoint, tls: TlsIdentity, { dialTimeoutMs, signal }: DialOptions): Promise<ClientHttp2Session> {
  const { promise: opened, resolve, reject } = Promise.withResolvers<ClientHttp2Session>();
  const socket = openSocket(endpoint, tls);
  const giveUp = (fault: unknown) => {
    reject(fault);
    // Also once the session is open: node:http2 (24.21) waits for ever to say goodbye over a TLS socket that failed, unless it is destroyed.
    socket.destroy();
  };
  socket.on("error", giveUp);
  socket.once("close", () => giveUp(NOT_ETCD));
  socket.once(endpoint.secure ? "secureConnect" : "connect", () => {
    const session = connectHttp2(urlOf(endpoint), { createConnection: () => socket, settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false } });
    session.on("error", giveUp); // For the session's whole life: an error without a listener would end the process.
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    session.once("remoteSettings", () => resolve(session));
  });
  const timer = setTimeout(() => giveUp(Object.assign(new Error(`no answer within ${dialTimeoutMs} ms`), { code: "ETIMEDOUT" })), dialTimeoutMs);
  const abort = () => giveUp(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await opened;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

function openSocket({ host, port, secure }: Endpoint, tls: TlsIdentity): Socket {
  if (!secure) return connectTcp({ host, port, noDelay: true });
  const servername = isIP(host) === 0 ? { servername: host } : {}; // RFC 6066 §3 allows no addresses there.
  return connectTls({ host, port, ALPNProtocols: ["h2"], ...servername, ...tls.options }).setNoDelay(true);
}

function urlOf({ host, port, secure }: Endpoint): string {
  return `${secure ? "https" : "http"}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}
