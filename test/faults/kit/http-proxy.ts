// An HTTP proxy on loopback for object stores: bursts of status codes, answers that are lost after the request took effect, bodies that end too
// early with the right status, silence.
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse, request as sendRequest } from "node:http";
import type { AddressInfo } from "node:net";

export interface HttpRequest {
  /** Counts from 0, over all connections. */
  readonly index: number;
  readonly method: string;
  readonly path: string;
}

export type HttpFault =
  /** This answer instead of the target's. `afterwards`: the target has carried the request out, and nobody learns of it. */
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string; readonly afterwards?: boolean }
  /** The target's answer, with only so many bytes of its body. `honest`: its Content-Length says so; else the connection breaks. */
  | { readonly bodyBytes: number; readonly honest?: boolean }
  /** What the test makes of the target's answer; without Content-Length it is sent in chunks. */
  | { readonly changed: (answer: HttpAnswer) => HttpAnswer }
  /** No answer for as long as the connection lasts. */
  | { readonly silent: true };

export interface HttpAnswer {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Undefined: the request passes unharmed. */
export type HttpScript = (request: HttpRequest) => HttpFault | undefined;

export interface HttpProxy extends AsyncDisposable {
  readonly url: string;
  /** Every request so far. */
  readonly requests: readonly HttpRequest[];
  change(script: HttpScript): void;
  close(): Promise<void>;
}

/** The first `times` requests that match get `fault`, the others pass. */
export function firstRequests(times: number, fault: HttpFault, matches: (request: HttpRequest) => boolean = () => true): HttpScript {
  let left = times;
  return (request) => (matches(request) && left-- > 0 ? fault : undefined);
}

/** Forwards to the HTTP server at `target`. */
export async function startHttpProxy(target: string, script: HttpScript = () => undefined): Promise<HttpProxy> {
  const requests: HttpRequest[] = [];
  let current = script;
  const server = createServer((incoming, answer) => {
    const request = { index: requests.length, method: incoming.method ?? "", path: incoming.url ?? "" };
    requests.push(request);
    serve(new URL(target), incoming, answer, current(request)).catch(() => answer.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = () => closed(server);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    change: (next) => {
      current = next;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function serve(target: URL, incoming: IncomingMessage, answer: ServerResponse, fault: HttpFault | undefined): Promise<void> {
  if (fault !== undefined && "silent" in fault) return void incoming.resume();
  if (fault !== undefined && "status" in fault) {
    if (fault.afterwards) (await forward(target, incoming)).resume();
    else incoming.resume();
    answer.writeHead(fault.status, fault.headers).end(fault.body);
    return;
  }
  const reply = await forward(target, incoming);
  if (fault !== undefined && "changed" in fault) {
    const body = Buffer.concat(await Array.fromAsync(reply as AsyncIterable<Buffer>)).toString("utf8");
    const answered = fault.changed({ headers: reply.headers, body });
    const { "transfer-encoding": _, ...headers } = answered.headers;
    if (incoming.method !== "HEAD" && headers["content-length"] !== undefined) headers["content-length"] = String(Buffer.byteLength(answered.body));
    answer.writeHead(reply.statusCode ?? 502, headers).end(answered.body);
    return;
  }
  const headers = { ...reply.headers };
  if (fault?.honest) {
    delete headers["transfer-encoding"];
    headers["content-length"] = String(fault.bodyBytes);
  }
  answer.writeHead(reply.statusCode ?? 502, headers);
  let left = fault?.bodyBytes ?? Infinity;
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    const piece = chunk.subarray(0, left);
    left -= piece.length;
    if (piece.length > 0 && !answer.write(piece)) await drained(answer);
    if (left === 0) break;
  }
  if (fault === undefined || fault.honest) answer.end();
  else setTimeout(() => answer.destroy(), 20); // What was written so far is to arrive first.
}

function drained(answer: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      answer.off("drain", done).off("close", done);
      resolve();
    };
    answer.on("drain", done).on("close", done);
  });
}

async function forward(target: URL, incoming: IncomingMessage): Promise<IncomingMessage> {
  const { hostname: host, port } = target;
  const outgoing = sendRequest({ host, port, method: incoming.method, path: incoming.url, headers: incoming.headers });
  outgoing.on("error", () => undefined); // Also after the answer has come.
  incoming.pipe(outgoing);
  incoming.once("close", () => incoming.complete || outgoing.destroy()); // A client that goes away takes its request with it.
  const [reply] = await once(outgoing, "response");
  return reply;
}

async function closed(server: Server): Promise<void> {
  if (!server.listening) return;
  const over = once(server, "close");
  server.close();
  server.closeAllConnections();
  await over;
}
