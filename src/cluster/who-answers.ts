// Who answers at a URL of etcd, be it for peers or for clients: nobody, an etcd of some cluster, something else. Asked over HTTP/1.1, in one go:
// etcd tells its cluster at `/members` of a peer URL (`api/rafthttp`, `etcdhttp/peer.go`), and through the JSON gateway of a client URL.
import http, { type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { formatId } from "../bytes/u64.ts";
import { isUint64, jsonObject, parseGoJson } from "../proto/go-json.ts";
import type { CallOptions } from "../runtime.ts";
import { isClientCertificateAlert } from "./tls-alerts.ts";
import type { TlsIdentity } from "./tls-identity.ts";

export type Answer =
  /** The connection was refused: the host is there, and nothing listens. */
  | { readonly kind: "nobody" }
  /** Nothing is known: no route, no such name, no word within the limit. */
  | { readonly kind: "unreachable"; readonly why: string }
  | EtcdAnswer
  /** Speaks HTTP, and not as etcd does. */
  | { readonly kind: "other"; readonly what: string }
  /** Takes the connection and does not say who it is. */
  | { readonly kind: "unnamed"; readonly why: string };

/** Ids are 16 hexadecimal digits. */
export interface EtcdAnswer {
  readonly kind: "etcd";
  readonly version: string | null;
  /** Null where it does not tell: a client URL does not without its gateway, nor with authentication on. */
  readonly clusterId: string | null;
  /** Of the members it knows, or its own only. */
  readonly memberIds: readonly string[];
  /** Those of them that have ever run: a member publishes its client URLs when it first has a leader (`server.go` publishV3). Only a peer URL tells. */
  readonly startedMemberIds: readonly string[];
}

export interface WhoAnswersOptions extends CallOptions {
  /** Offered where TLS is spoken; undefined where no URL asks for it. Whether the server's certificate can be trusted does not matter: whoever could feign an answer could as well keep it back. */
  readonly tls: TlsIdentity | undefined;
  /** Of all questions together. */
  readonly limitMs: number;
}

/** The header under which etcd names its cluster (`api/rafthttp/http.go`). */
const CLUSTER_ID_HEADER = "x-etcd-cluster-id";
/** A cluster's members take a few kilobytes. */
const ANSWER_SIZE_BYTES_MAX = 1024 * 1024;
/** How Go's net/http answers plain HTTP where it speaks TLS; etcd's client port closes the connection instead. */
const TLS_WANTED = "Client sent an HTTP request to an HTTPS server";

/** Never rejects but with the signal's reason. `url` is http or https with a host; anything else counts as unreachable. */
export async function whoAnswers(url: string, options: WhoAnswersOptions): Promise<Answer> {
  const limit = AbortSignal.timeout(options.limitMs);
  const asking: Asking = { url, tls: options.tls, signal: AbortSignal.any([options.signal, limit]), connected: false };
  try {
    return await identify(asking);
  } catch (fault) {
    options.signal.throwIfAborted();
    const why = limit.aborted ? `no answer within ${options.limitMs / 1000} s` : textOf(fault, options.tls);
    if (asking.connected) return { kind: "unnamed", why };
    return isRefusal(fault) ? { kind: "nobody" } : { kind: "unreachable", why };
  }
}

interface Asking {
  readonly url: string;
  readonly tls: TlsIdentity | undefined;
  readonly signal: AbortSignal;
  /** Whether somebody took a connection. */
  connected: boolean;
}

async function identify(asking: Asking): Promise<Answer> {
  const members = await ask(asking, "GET", "/members");
  if (members.clusterId !== undefined) return { kind: "etcd", version: null, clusterId: members.clusterId, ...membersIn(members.body) };
  const version = await ask(asking, "GET", "/version");
  const etcdVersion = jsonObject(parseGoJson(version.body, ANSWER_SIZE_BYTES_MAX))?.get("etcdserver");
  if (typeof etcdVersion !== "string") {
    if (version.body.includes(TLS_WANTED)) return { kind: "unnamed", why: "it speaks TLS, and the URL says http" };
    return { kind: "other", what: `HTTP status ${version.status}` };
  }
  const status = await ask(asking, "POST", "/v3/maintenance/status");
  const header = jsonObject(jsonObject(parseGoJson(status.body, ANSWER_SIZE_BYTES_MAX))?.get("header"));
  const [clusterId, memberId] = [decimalId(header?.get("cluster_id")), decimalId(header?.get("member_id"))];
  return { kind: "etcd", version: etcdVersion, clusterId: clusterId ?? null, memberIds: memberId === undefined ? [] : [memberId], startedMemberIds: [] };
}

interface HttpAnswer {
  readonly status: number;
  readonly clusterId: string | undefined;
  readonly body: Buffer;
}

async function ask(asking: Asking, method: "GET" | "POST", path: string): Promise<HttpAnswer> {
  const url = new URL(path, asking.url);
  const { promise: answered, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  // TLS is loaded for who needs it: that takes longer than all questions to ask.
  const { request: start } = url.protocol === "https:" ? await import("node:https") : http;
  const request = start(url, { method, signal: asking.signal, agent: false, ...asking.tls?.options, rejectUnauthorized: false });
  request.once("response", resolve).once("error", reject);
  request.once("socket", (socket: Socket) => {
    socket.once("connect", () => {
      asking.connected = true;
    });
  });
  request.end(method === "POST" ? "{}" : undefined);
  const response = await answered;
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > ANSWER_SIZE_BYTES_MAX) break;
    chunks.push(chunk);
  }
  const clusterId = response.headers[CLUSTER_ID_HEADER];
  // etcd writes the id without leading zeros.
  return {
    status: response.statusCode ?? 0,
    clusterId: typeof clusterId === "string" ? clusterId.toLowerCase().padStart(16, "0") : undefined,
    body: Buffer.concat(chunks),
  };
}

function membersIn(body: Uint8Array): Pick<EtcdAnswer, "memberIds" | "startedMemberIds"> {
  const parsed = parseGoJson(body, ANSWER_SIZE_BYTES_MAX);
  const members = Array.isArray(parsed) ? parsed.map(jsonObject).filter((member) => member !== undefined) : [];
  const idsOf = (some: typeof members) =>
    some
      .map((member) => member.get("id"))
      .filter(isUint64)
      .map(formatId);
  const hasClientUrls = (urls: unknown) => Array.isArray(urls) && urls.length > 0;
  return { memberIds: idsOf(members), startedMemberIds: idsOf(members.filter((member) => hasClientUrls(member.get("clientURLs")))) };
}

/** The gateway writes 64-bit numbers as texts. */
function decimalId(value: unknown): string | undefined {
  return typeof value === "string" && /^\d{1,20}$/.test(value) ? formatId(BigInt.asUintN(64, BigInt(value))) : undefined;
}

/** Of a name with several addresses each was tried. */
function isRefusal(fault: unknown): boolean {
  const { code, errors } = fault as NodeJS.ErrnoException & { readonly errors?: readonly NodeJS.ErrnoException[] };
  return errors === undefined ? code === "ECONNREFUSED" : errors.every((each) => each.code === "ECONNREFUSED");
}

function textOf(fault: unknown, tls: TlsIdentity | undefined): string {
  const { code = "", message, reason, errors } = fault as NodeJS.ErrnoException & { readonly reason?: string; readonly errors?: readonly Error[] };
  if (isClientCertificateAlert(code))
    return tls?.hasClientCertificate === true ? "it refuses the client certificate of --cert" : "it asks for a client certificate: give --cert and --key";
  // OpenSSL's message is a row of numbers and source files around its reason.
  return reason ?? (message || errors?.map((each) => each.message).join("; ") || String(fault));
}
