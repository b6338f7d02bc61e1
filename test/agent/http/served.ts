// A server over an agent that only says what the test wants it to, and clients that are less polite than fetch.
import { once } from "node:events";
import { get } from "node:https";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type AgentServer, type ListenOptions, type ServedAgent, startAgentServer } from "../../../src/agent/http/server.ts";
import type { AgentStatus, RunningJob } from "../../../src/agent/status.ts";
import type { LogEvent } from "../../../src/runtime.ts";
import { allWell, running } from "./statuses.ts";

export interface Served extends AsyncDisposable {
  readonly server: AgentServer;
  readonly url: string;
  readonly logged: LogEvent[];
  /** What it was asked to begin. */
  readonly requested: string[];
  /** May be changed while it is served. */
  agent: { status: AgentStatus; running: RunningJob | undefined };
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Its certificate or its token. */
  take(name: RegExp): Promise<void>;
}

export const TOKEN = "0123456789abcdef0123456789abcdef";
const ANSWER_LIMIT_MS = 20_000;

/** The writer, where its status says so. */
export async function serve(listen: Partial<ListenOptions> = {}, changes: Partial<ServedAgent> = {}): Promise<Served> {
  const logged: LogEvent[] = [];
  const requested: string[] = [];
  const state: Served["agent"] = { status: allWell, running: undefined };
  const agent: ServedAgent = {
    status: () => state.status,
    metrics: async () => "# TYPE etcdsafe_build_info gauge\netcdsafe_build_info 1\n",
    request(kind) {
      if (state.status.role !== "writer") return undefined;
      if (state.running !== undefined) return { job: state.running, isNew: false };
      requested.push(kind);
      state.running = { ...running, kind };
      return { job: state.running, isNew: true };
    },
    job: (id) => (id === state.running?.id ? state.running : undefined),
    ...changes,
  };
  const options = { host: "127.0.0.1", port: 0, tls: undefined, tokenFile: undefined, ...listen };
  const server = await startAgentServer(agent, options, { runtime: { log: (event) => logged.push(event), now: () => new Date() } });
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`${server.url}${path}`, { redirect: "error", signal: AbortSignal.timeout(ANSWER_LIMIT_MS), ...init });
  const take = async (name: RegExp) => server.reloadables.find((each) => name.test(each.name))!.take();
  return { server, url: server.url, logged, requested, agent: state, fetch: ask, take, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

export function bearer(token: string): RequestInit {
  return { method: "POST", headers: { Authorization: `Bearer ${token}` } };
}

export interface Conversation {
  readonly received: string;
  /** How long it took the server to close the connection. */
  readonly closedAfterMs: number;
}

/** Writes `parts`, one every `pauseMs`, and reads until the server closes. */
export async function converse(url: string, parts: Iterable<string>, pauseMs = 0): Promise<Conversation> {
  const startedAt = performance.now();
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  let received = "";
  socket.setTimeout(60_000, () => socket.destroy());
  socket.on("error", () => undefined).on("data", (chunk) => (received += chunk.toString("latin1")));
  for (const part of parts) {
    if (socket.destroyed || socket.writableEnded || socket.errored) break;
    socket.write(part);
    if (pauseMs > 0) await sleep(pauseMs);
    else if (socket.writableNeedDrain) await Promise.race([once(socket, "drain").catch(() => undefined), closed]);
  }
  await closed;
  return { received, closedAfterMs: performance.now() - startedAt };
}

export interface TlsAnswer {
  readonly status: number | undefined;
  /** Of the server's certificate. */
  readonly name: string | undefined;
}

export async function tlsGet(url: string, ca: string): Promise<TlsAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<TlsAnswer>();
  const request = get(url, { ca, agent: false, timeout: ANSWER_LIMIT_MS }, (answer) => {
    const name = (answer.socket as import("node:tls").TLSSocket).getPeerCertificate().subject.CN as string | undefined;
    answer.resume().on("end", () => resolve({ status: answer.statusCode, name }));
  });
  request.on("error", reject);
  return promise;
}
