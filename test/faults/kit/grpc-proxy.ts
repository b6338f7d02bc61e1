// An HTTP/2 proxy in front of members, as a load balancer is one: each call goes where the test says, when it says, and its answer may be changed.
import { once } from "node:events";
import { type ClientHttp2Session, connect, createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";

export interface CallFaults {
  /** Client URL of the member that answers, instead of the one that calls go to. */
  readonly target?: string;
  /** The call waits this long before it is passed on. */
  readonly delayMs?: number;
  /** Changes the bytes of the answer as they come; `offset` is where `chunk` begins in it. gRPC's five-byte prefixes count. */
  readonly answer?: (chunk: Buffer, offset: number) => Buffer;
  /** Answers with this HTTP status, as a proxy does that finds nobody to ask. */
  readonly status?: number;
}

/** `method`: `Maintenance/Snapshot`; `before`: the methods called before it, in order. */
export type CallScript = (method: string, before: readonly string[]) => CallFaults;

export interface GrpcProxy extends AsyncDisposable {
  readonly url: string;
  /** What was called, in order. */
  readonly calls: readonly string[];
  /** gRPC statuses other than OK that members answered with, in order: `Maintenance/Snapshot 16 …`. */
  readonly refusals: readonly string[];
}

/** Forwards plain text to `target`, a member's client URL. */
export async function startGrpcProxy(target: string, script: CallScript = () => ({})): Promise<GrpcProxy> {
  const proxy = new ScriptedGrpcProxy(target, script);
  await proxy.listen();
  return proxy;
}

class ScriptedGrpcProxy implements GrpcProxy {
  url = "";
  readonly calls: string[] = [];
  readonly refusals: string[] = [];
  readonly #target: string;
  readonly #script: CallScript;
  readonly #server: Http2Server = createServer();
  readonly #accepted = new Set<ServerHttp2Session>();
  readonly #members = new Map<string, ClientHttp2Session>();

  constructor(target: string, script: CallScript) {
    this.#target = target;
    this.#script = script;
    this.#server.on("session", (session) => this.#accepted.add(session));
    this.#server.on("stream", (stream, headers) => this.#pass(stream, headers));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of [...this.#accepted, ...this.#members.values()]) session.destroy();
    this.#server.close();
  }

  #pass(stream: ServerHttp2Stream, headers: Record<string, unknown>): void {
    const method = String(headers[":path"]).replace("/etcdserverpb.", "");
    const { target = this.#target, delayMs = 0, answer = (chunk) => chunk, status } = this.#script(method, this.calls);
    this.calls.push(method);
    stream.on("error", () => undefined); // The client gave the call up.
    if (status !== undefined) {
      stream.respond({ ":status": status, "content-type": "text/plain" });
      stream.end("no healthy upstream");
      return;
    }
    const { ":authority": _, ...passed } = headers;
    setTimeout(() => {
      const call = this.#member(target).request(passed as Record<string, string>);
      let offset = 0;
      let last: Record<string, string> = {};
      const note = (each: Record<string, unknown>) => {
        if (each["grpc-status"] !== undefined && each["grpc-status"] !== "0") this.refusals.push(`${method} ${each["grpc-status"]} ${each["grpc-message"]}`);
      };
      stream.pipe(call);
      call.on("response", ({ ":status": code, ...rest }, flags) => {
        note(rest);
        const ended = (flags & END_STREAM) !== 0;
        stream.respond({ ":status": code ?? 200, ...(rest as Record<string, string>) }, { endStream: ended, waitForTrailers: !ended });
      });
      call.on("trailers", (trailers) => {
        note(trailers);
        last = trailers as Record<string, string>;
      });
      stream.on("wantTrailers", () => stream.sendTrailers(last));
      call.on("data", (chunk: Buffer) => {
        if (!stream.write(answer(chunk, offset))) {
          call.pause();
          stream.once("drain", () => call.resume());
        }
        offset += chunk.length;
      });
      call.on("end", () => stream.end());
      call.on("error", () => stream.close());
      stream.on("close", () => call.close());
    }, delayMs);
  }

  #member(url: string): ClientHttp2Session {
    const known = this.#members.get(url);
    if (known !== undefined) return known;
    const session = connect(url);
    session.on("error", () => undefined); // Each of its calls tells.
    session.on("close", () => this.#members.delete(url));
    this.#members.set(url, session);
    return session;
  }
}

/** nghttp2 `NGHTTP2_FLAG_END_STREAM`. */
const END_STREAM = 1;
