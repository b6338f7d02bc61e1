// The part of Google Cloud Storage's JSON API that uploads and reads need, for what fake-gcs-server cannot do: it keeps what has arrived of a chunk whose
// connection broke, refuses other checksums and tokens, and does harm where a test says so.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { crc32c } from "../../src/bytes/crc32c.ts";

export interface ScriptedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  /** What has arrived of it. */
  readonly body: Buffer;
}

export type ScriptedFault =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** The connection breaks after so many bytes of the request's body. */
  | { readonly cutAfterBytes: number }
  /** The connection breaks once the request has taken effect. */
  | { readonly cut: "afterwards" }
  /** The connection breaks after so many bytes of the answer's body. */
  | { readonly answerBytes: number }
  | { readonly silent: true }
  | { readonly corrupt: true };

/** `index` counts requests from 0. */
export type ScriptedGcsFault = (request: Omit<ScriptedRequest, "body">, index: number) => ScriptedFault | undefined;

export interface ScriptedObject {
  readonly bytes: Buffer;
  readonly generation: string;
  readonly resource: Readonly<Record<string, unknown>>;
}

export interface ScriptedGcs extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly ScriptedRequest[];
  readonly objects: Map<string, ScriptedObject>;
  /** Uploads that were begun and not cancelled. */
  readonly sessions: ReadonlyMap<string, unknown>;
  change(fault: ScriptedGcsFault): void;
}

interface Session {
  readonly query: URLSearchParams;
  readonly resource: Readonly<Record<string, unknown>>;
  kept: Buffer;
}

export async function startScriptedGcs(fault: ScriptedGcsFault = () => undefined): Promise<ScriptedGcs> {
  let current = fault;
  let generations = 1_000;
  const requests: ScriptedRequest[] = [];
  const objects = new Map<string, ScriptedObject>();
  const sessions = new Map<string, Session>();
  const server = createServer((incoming, answer) => void serve(incoming, answer).catch(() => answer.destroy()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function serve(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { pathname: path, searchParams: query } = new URL(incoming.url ?? "", url);
    const request = { method: incoming.method ?? "", path: decodeURIComponent(path), query, headers: incoming.headers };
    const harm = current(request, requests.length);
    const index = requests.push({ ...request, body: Buffer.alloc(0) }) - 1;
    const limit = harm !== undefined && "cutAfterBytes" in harm ? harm.cutAfterBytes : Infinity;
    const body = await bodyOf(incoming, limit);
    const whole = { ...request, body };
    requests[index] = whole;
    if (harm !== undefined && "silent" in harm) return;
    if (harm !== undefined && "status" in harm) return void answer.writeHead(harm.status, harm.headers).end(harm.body);
    if (limit < Infinity) {
      const session = sessions.get(path);
      if (session !== undefined) keep(session, whole);
      return void incoming.destroy();
    }
    if (harm !== undefined && "corrupt" in harm) body[body.length - 40] = (body[body.length - 40] ?? 0) ^ 1;
    const { status, headers, body: content = Buffer.alloc(0) } = respond(whole, harm !== undefined && "corrupt" in harm);
    if (harm !== undefined && "cut" in harm) return void incoming.socket.destroy();
    answer.writeHead(status, { ...headers, "content-length": content.length });
    if (harm === undefined || !("answerBytes" in harm)) return void answer.end(content);
    answer.write(content.subarray(0, harm.answerBytes), () => setTimeout(() => answer.destroy(), 20)); // What was written is to arrive first.
  }

  function respond(request: ScriptedRequest, trusting: boolean): { status: number; headers: Record<string, string>; body?: Buffer } {
    const { method, path, query, headers, body } = request;
    const session = sessions.get(path);
    if (session !== undefined && method === "DELETE") {
      sessions.delete(path);
      return { status: 499, headers: {} };
    }
    if (session !== undefined) return chunk(session, request);
    if (path.startsWith("/upload/") && query.get("uploadType") === "resumable") {
      const place = `/session/${sessions.size + requests.length}`;
      sessions.set(place, { query, resource: JSON.parse(body.toString()), kept: Buffer.alloc(0) });
      return { status: 200, headers: { location: url + place } };
    }
    if (path.startsWith("/upload/")) {
      const boundary = Buffer.from(`--${/boundary=(.*)/.exec(headers["content-type"] ?? "")?.[1]}`);
      const [, resource = Buffer.alloc(0), media = Buffer.alloc(0)] = parts(body, boundary);
      const described = JSON.parse(resource.toString());
      return store(query, described, media, trusting ? undefined : described.crc32c);
    }
    const name = /^\/storage\/v1\/b\/[^/]*\/o\/(.*)$/.exec(path)?.[1] ?? "";
    const object = objects.get(name);
    if (object === undefined || (query.get("generation") ?? object.generation) !== object.generation)
      return json(404, { error: { code: 404, message: "No such object" } });
    if (method === "DELETE") objects.delete(name);
    if (method === "DELETE") return { status: 204, headers: {} };
    if (query.get("alt") !== "media") return json(200, object.resource);
    const [, start, last = ""] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? [];
    const content = object.bytes.subarray(Number(start ?? 0), last === "" ? undefined : Number(last) + 1);
    return { status: start === undefined ? 200 : 206, headers: { "x-goog-generation": object.generation }, body: content };
  }

  function chunk(session: Session, request: ScriptedRequest) {
    keep(session, request);
    const total = /\/(\d+)$/.exec(request.headers["content-range"] ?? "")?.[1];
    if (total === undefined || session.kept.length < Number(total)) {
      return { status: 308, headers: session.kept.length === 0 ? ({} as Record<string, string>) : { range: `bytes=0-${session.kept.length - 1}` } };
    }
    return store(session.query, session.resource, session.kept, /crc32c=(\S+)/.exec(String(request.headers["x-goog-hash"] ?? ""))?.[1]);
  }

  function store(query: URLSearchParams, resource: Readonly<Record<string, unknown>>, bytes: Buffer, checksum: string | undefined) {
    const name = String(resource["name"]);
    const condition = query.get("ifGenerationMatch");
    const present = objects.get(name);
    const again =
      present !== undefined && JSON.stringify(present.resource["metadata"]) === JSON.stringify(resource["metadata"]) && query.get("uploadType") === "resumable";
    if (again) return json(200, present.resource); // A session that is asked about after it was finished.
    if (condition !== null && condition !== (present?.generation ?? "0"))
      return json(412, { error: { code: 412, message: "At least one of the pre-conditions you specified did not hold." } });
    const computed = Buffer.alloc(4);
    computed.writeUInt32BE(crc32c(bytes));
    const crc = computed.toString("base64");
    if (checksum !== undefined && checksum !== crc)
      return json(400, { error: { code: 400, message: `Provided CRC32C "${checksum}" doesn't match calculated CRC32C "${crc}".` } });
    const generation = String(++generations);
    const timeCreated = new Date().toISOString();
    const stored = { ...resource, size: String(bytes.length), generation, timeCreated, crc32c: crc };
    objects.set(name, { bytes, generation, resource: stored });
    return json(200, stored);
  }

  const close = async () => {
    const over = once(server, "close");
    server.close();
    server.closeAllConnections();
    await over;
  };
  return {
    url,
    requests,
    objects,
    sessions,
    change: (next) => {
      current = next;
    },
    [Symbol.asyncDispose]: close,
  };
}

/** What comes after what is kept already. */
function keep(session: Session, { headers, body }: ScriptedRequest): void {
  const start = /^bytes (\d+)-/.exec(headers["content-range"] ?? "")?.[1];
  if (start === undefined) return;
  if (Number(start) > session.kept.length) throw new Error(`a gap: ${start} after ${session.kept.length}`);
  session.kept = Buffer.concat([session.kept.subarray(0, Number(start)), body]);
}

async function bodyOf(incoming: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for (const received = incoming[Symbol.asyncIterator]() as AsyncIterator<Buffer>; sizeBytes < limitBytes; ) {
    const next = await received.next();
    if (next.done) break;
    chunks.push(next.value);
    sizeBytes += next.value.length;
  }
  return Buffer.concat(chunks).subarray(0, limitBytes);
}

function parts(body: Buffer, boundary: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0, next = body.indexOf(boundary); next >= 0; at = next + boundary.length, next = body.indexOf(boundary, at)) {
    const part = body.subarray(at, next);
    const start = part.indexOf("\r\n\r\n");
    found.push(start < 0 ? part : part.subarray(start + 4, part.length - 2));
  }
  return found;
}

function json(status: number, value: unknown): { status: number; headers: Record<string, string>; body: Buffer } {
  return { status, headers: { "content-type": "application/json" }, body: Buffer.from(JSON.stringify(value)) };
}
