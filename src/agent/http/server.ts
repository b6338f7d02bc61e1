// The agent's HTTP interface (docs/agent-http.md): it tells how things are, and does what a bearer token asks for. Every wait for a client has an end.
import { createServer as createPlainServer, type IncomingMessage, type RequestListener, type ServerOptions, STATUS_CODES } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { getRequestListener, RequestError } from "@hono/node-server";
import { EtcdsafeError } from "../../errors.ts";
import type { Runtime } from "../../runtime.ts";
import type { Reloadable } from "../reloading.ts";
import type { AgentStatus, Job } from "../status.ts";
import { openBearerToken } from "./bearer-token.ts";
import { type KeyFiles, type KeyPair, readKeyPair } from "./key-pair.ts";
import { createRoutes, HEADERS } from "./routes.ts";

/** What is served. */
export interface ServedAgent {
  status(): AgentStatus;
  /** Prometheus' text. */
  metrics(): Promise<string>;
  /** Begins it, or gives the one that runs already (`isNew` false). Undefined where this agent is not the writer. */
  request(kind: "save" | "verify"): { readonly job: Job; readonly isNew: boolean } | undefined;
  job(id: string): Job | undefined;
}

export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls: KeyFiles | undefined;
  readonly tokenFile: string | undefined;
}

export interface AgentServer extends AsyncDisposable {
  readonly url: string;
  /** Its certificate with the key, and its token, as far as it has them; each throws CONFIG_INVALID. */
  readonly reloadables: readonly Reloadable[];
}

/** Requests have no bodies and answers are made in memory: whoever takes longer is broken, or means harm. */
const LIMITS = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
} as const satisfies ServerOptions;
const HANDSHAKE_LIMIT_MS = 10_000;
/** Of a connection on which nothing moves: an answer that nobody takes. Node looks twice at one that has something to send, so that it may be twice as long. */
const IDLE_LIMIT_MS = 7_000;
const CONNECTIONS_MAX = 128;
/** For HTTP/1.0, as load balancers' checks speak it: without a Host header. */
const NO_HOST = "localhost";
/** What answers that are being sent have left when the server closes. */
const CLOSE_GRACE_MS = 500;
/** Node takes 0.0.0.0 in its place where the kernel has no IPv6, but only when it may choose. */
const ALL_ADDRESSES = "::";
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/;

/** Throws CONFIG_INVALID where certificate, key, token or address cannot be used. */
export async function startAgentServer(
  agent: ServedAgent,
  listen: ListenOptions,
  { runtime }: { readonly runtime: Pick<Runtime, "log" | "now"> },
): Promise<AgentServer> {
  const token = listen.tokenFile === undefined ? undefined : await openBearerToken(listen.tokenFile, runtime);
  const pair = listen.tls === undefined ? undefined : await readPair(listen.tls, runtime);
  if (token !== undefined && pair === undefined && !LOOPBACK.test(listen.host))
    runtime.log({ level: "warn", message: "the bearer token travels unencrypted: give --listen-cert and --listen-key", fields: { listen: listen.host } });
  const routes = createRoutes(agent, token, runtime);
  const listener = getRequestListener(routes.fetch, { hostname: NO_HOST, overrideGlobalObjects: false, errorHandler: answerError }) as RequestListener;
  const secure = pair && createTlsServer({ ...LIMITS, handshakeTimeout: HANDSHAKE_LIMIT_MS, minVersion: "TLSv1.2", cert: pair.cert, key: pair.key }, listener);
  const server = secure ?? createPlainServer(LIMITS, listener);
  server.setTimeout(IDLE_LIMIT_MS); // Without a listener of the event, such a connection is destroyed.
  server.on("clientError", answerMalformed);
  const sockets = trackSockets(server);
  await listening(server, listen);
  return {
    url: urlOf(server, listen),
    reloadables: [secure && listen.tls && certificateOf(secure, listen.tls, runtime), token].filter((each) => each !== undefined),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      await Promise.race([closed, sleep(CLOSE_GRACE_MS)]);
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function readPair(files: KeyFiles, runtime: Pick<Runtime, "log" | "now">): Promise<KeyPair> {
  const pair = await readKeyPair(files);
  if (pair.notAfter < runtime.now())
    runtime.log({
      level: "warn",
      message: "the certificate of the HTTP interface has expired",
      fields: { file: files.certFile, notAfter: pair.notAfter.toISOString() },
    });
  return pair;
}

function certificateOf(server: TlsServer, files: KeyFiles, runtime: Pick<Runtime, "log" | "now">): Reloadable {
  const take = async () => {
    const { cert, key } = await readPair(files, runtime);
    server.setSecureContext({ cert, key, minVersion: "TLSv1.2" });
  };
  return { name: "the certificate of the HTTP interface", files: [files.certFile, files.keyFile], take };
}

/** All of them, the oldest first, also those that have not sent anything or shaken hands yet; never more than there may be. */
function trackSockets(server: Server): Set<Socket> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    if (sockets.size >= CONNECTIONS_MAX) makeRoom(sockets);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return sockets;
}

/** The oldest one of whoever has the most goes: nobody can keep the others out, whose liveness probe would end the agent. */
function makeRoom(sockets: Set<Socket>): void {
  const byPeer = Map.groupBy(sockets, ({ remoteAddress }) => remoteAddress);
  const [oldest] = [...byPeer.values()].reduce((most, each) => (each.length > most.length ? each : most));
  sockets.delete(oldest!);
  oldest!.destroy();
}

async function listening(server: Server, { host, port }: ListenOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(host === ALL_ADDRESSES ? { port } : { host, port }, resolve);
  try {
    await promise;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = { EADDRINUSE: "another process does", EADDRNOTAVAIL: "this host has no such address", EACCES: "permission denied" }[code ?? ""] ?? message;
    throw new EtcdsafeError("CONFIG_INVALID", `cannot listen on ${host}:${port}: ${why}`, { hint: "Give --listen another HOST:PORT." });
  }
  server.removeListener("error", reject);
}

function urlOf(server: Server, { host, tls }: ListenOptions): string {
  const { port } = server.address() as AddressInfo;
  return `${tls === undefined ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** What never came as far as the routes: a host or path that makes no URL. */
function answerError(error: unknown): Response {
  const [status, text] = error instanceof RequestError ? [400, "this is no request that can be answered"] : [500, "the agent could not answer"];
  return Response.json({ error: text }, { status, headers: HEADERS });
}

const MALFORMED: Readonly<Record<string, readonly [status: number, text: string]>> = {
  HPE_HEADER_OVERFLOW: [431, "the request's head is too long"],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "the request did not arrive in time"],
};

/** What the parser gave up on. */
function answerMalformed(error: NodeJS.ErrnoException, socket: IncomingMessage["socket"]): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const [status, text] = MALFORMED[error.code ?? ""] ?? [400, "this is no HTTP request"];
  const body = JSON.stringify({ error: text });
  const headers = { ...HEADERS, "Content-Type": "application/json", "Content-Length": String(body.length), Connection: "close" };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join("")}\r\n${body}`);
  setTimeout(() => socket.destroy(), CLOSE_GRACE_MS).unref();
}
