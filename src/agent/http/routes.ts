// What is answered to which request: docs/agent-http.md.
import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import type { Runtime } from "../../runtime.ts";
import type { Job } from "../status.ts";
import type { BearerToken } from "./bearer-token.ts";
import { PAGE_POLICY, renderPage } from "./page.ts";
import type { ServedAgent } from "./server.ts";
import { isUnread } from "./verdict.ts";

type Env = { Bindings: HttpBindings };

/** No request needs a body; what tools send all the same (`{}`) is let pass. */
const BODY_SIZE_BYTES_MAX = 1024;
/** How long a body that is too long is still taken in, so that whoever sends it gets to read the answer. */
const DRAIN_MS = 500;
/** RFC 6750 §3. */
const CHALLENGE = 'Bearer realm="etcdsafe"';
const PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8";
const WRONG_TOKEN_WARNED_EVERY_MS = 60_000;

export function createRoutes(agent: ServedAgent, token: BearerToken | undefined, runtime: Pick<Runtime, "log" | "now">): Hono<Env> {
  const app = new Hono<Env>();
  app.use(async (context, next) => {
    const refused = refuseBody(context);
    if (refused === undefined) await next();
    else context.res = refused;
    for (const [name, value] of Object.entries(HEADERS)) if (!context.res.headers.has(name)) context.res.headers.set(name, value);
  });
  const read = (path: string, answer: (context: Context<Env>) => Response | Promise<Response>) => app.get(path, answer).all(path, notAllowed("GET, HEAD"));
  read("/", (context) => context.html(renderPage(agent.status()), 200, { "Content-Security-Policy": PAGE_POLICY }));
  read("/healthz", (context) => context.text("ok\n"));
  read("/readyz", (context) => readiness(context, agent));
  read("/metrics", async (context) => context.body(await agent.metrics(), 200, { "Content-Type": PROMETHEUS_TEXT }));
  read("/status", (context) => context.json(agent.status()));
  read("/jobs/:id", (context) => {
    const job = agent.job(context.req.param("id") ?? "");
    return job === undefined ? failure(context, 404, "no job of this process has that id") : context.json(job);
  });
  const guard = tokenGuard(token, runtime);
  for (const [path, kind] of [["/backups", "save"] as const, ["/verifications", "verify"] as const])
    app.post(path, async (context) => (await guard(context)) ?? request(context, agent, kind, runtime)).all(path, notAllowed("POST"));
  app.notFound((context) => failure(context, 404, "nothing is here; / , /status, /metrics, /healthz and /readyz are"));
  app.onError((error, context) => {
    runtime.log({
      level: "error",
      message: `a request could not be answered: ${error.message}`,
      fields: { method: context.req.method, path: context.req.path },
    });
    return failure(context, 500, "the agent could not answer; its log says why");
  });
  return app;
}

/** Of every answer that has none of its own. */
export const HEADERS: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
};

type FailureStatus = 401 | 403 | 404 | 405 | 409 | 411 | 413 | 500;

function failure(context: Context<Env>, status: FailureStatus, error: string, headers: Record<string, string> = {}): Response {
  return context.json({ error }, status, headers);
}

function notAllowed(allowed: string): (context: Context<Env>) => Response {
  return (context) => failure(context, 405, `only ${allowed} here`, { Allow: allowed });
}

function readiness(context: Context<Env>, agent: ServedAgent): Response {
  const status = agent.status();
  const { role, catalogue, unreadable } = status;
  if (role === "standby" || (catalogue !== null && !isUnread(status))) return context.json({ ready: true, role });
  const why = catalogue === null ? "the repository has not been read yet" : `the repository was read last at ${catalogue.readAt}`;
  return context.json({ ready: false, role, why: `${why}${unreadable === null ? "" : `: ${unreadable.message}`}` }, 503);
}

/** 202 for a job that begins, 200 for the one that runs already. */
function request(context: Context<Env>, agent: ServedAgent, kind: "save" | "verify", runtime: Pick<Runtime, "log">): Response {
  const requested = agent.request(kind);
  if (requested === undefined) {
    const { holder } = agent.status().lease;
    const who = holder === null ? "nobody is, as far as it has seen" : `${holder.host} is (process ${holder.pid}), since ${holder.since}`;
    return context.json({ error: `this agent is not the writer: ${who}`, holder }, 409);
  }
  const { job, isNew }: { readonly job: Job; readonly isNew: boolean } = requested;
  runtime.log({ level: "info", message: `a ${kind} was asked for${isNew ? "" : ", and one runs already"}`, fields: { job: job.id, from: peer(context) } });
  return context.json(job, isNew ? 202 : 200, { Location: `/jobs/${encodeURIComponent(job.id)}` });
}

function tokenGuard(token: BearerToken | undefined, runtime: Pick<Runtime, "log" | "now">): (context: Context<Env>) => Promise<Response | undefined> {
  let warnedMs = Number.NEGATIVE_INFINITY;
  return async (context) => {
    if (token === undefined) return failure(context, 403, "this agent only tells: it was started without --listen-token-file");
    const found = await token.check(context.req.header("Authorization"));
    if (found === "accepted") return undefined;
    if (found === "missing") return failure(context, 401, "this needs a bearer token", { "WWW-Authenticate": CHALLENGE });
    const nowMs = runtime.now().getTime();
    if (nowMs - warnedMs >= WRONG_TOKEN_WARNED_EVERY_MS) {
      warnedMs = nowMs;
      runtime.log({ level: "warn", message: "somebody showed a wrong token", fields: { path: context.req.path, from: peer(context) } });
    }
    return failure(context, 401, "that is not the token", { "WWW-Authenticate": `${CHALLENGE}, error="invalid_token"` });
  };
}

function refuseBody(context: Context<Env>): Response | undefined {
  const isChunked = context.req.header("Transfer-Encoding") !== undefined;
  if (!isChunked && !(Number(context.req.header("Content-Length") ?? 0) > BODY_SIZE_BYTES_MAX)) return undefined;
  const { incoming } = context.env;
  const timer = setTimeout(() => incoming.socket.destroySoon(), DRAIN_MS);
  incoming
    .once("end", () => clearTimeout(timer))
    .once("close", () => clearTimeout(timer))
    .resume();
  return isChunked
    ? failure(context, 411, "a body has to tell its length first, and none is needed")
    : failure(context, 413, "no request needs a body that long");
}

function peer(context: Context<Env>): string {
  return context.env.incoming.socket.remoteAddress ?? "?";
}
