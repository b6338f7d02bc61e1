// A client of exactly one member: connects when first asked, logs in when there is a user, connects and logs in again when that got lost.
// Not etcd3 1.1.2: it cannot skip or rename TLS verification (its createSsl call passes no options), never closes the connections its logins
// open, ignores channel options in them, and hides faults behind a circuit breaker. Not grpc-js either: see grpc-call.ts.
import type { ClientHttp2Session } from "node:http2";
import { EtcdsafeError } from "../errors.ts";
import { decodeAuthenticateResponse, encodeAuthenticateRequest } from "../proto/rpc-auth.ts";
import type { CallOptions } from "../runtime.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { type Endpoint, parseEndpoint } from "./endpoint.ts";
import { type GrpcCall, startCall, unaryCall } from "./grpc-call.ts";
import { GrpcStatusError, refusal, StreamLostError, wantsNewToken } from "./grpc-errors.ts";
import { openSession } from "./http2-session.ts";
import { readTlsIdentity, type TlsIdentity } from "./tls-identity.ts";

export interface UnaryOptions extends CallOptions {
  /** Silence of a member that took the connection then means ETCD_NO_QUORUM, not ETCD_UNREACHABLE. */
  readonly needsQuorum?: boolean;
  /** Instead of the connection's commandTimeoutMs. */
  readonly limitMs?: number;
}

export interface MemberClient extends AsyncDisposable {
  /** As it was given. */
  readonly endpoint: string;
  /** One request, one answer. `method` is `Service/Method` of package etcdserverpb. Rejects with ETCD_* errors; a refusal's cause is a GrpcStatusError. */
  call(method: string, message: Uint8Array, options: UnaryOptions): Promise<Uint8Array>;
  /** Resolves when the answers begin. Only connecting and logging in are limited in time. */
  stream(method: string, message: Uint8Array, options: CallOptions): Promise<GrpcCall>;
  close(): Promise<void>;
}

/** Connects to nothing yet. Throws CONFIG_INVALID or FILE_FAILED. */
export function openMember(endpoint: string, connection: ConnectionOptions): MemberClient {
  const target = parseEndpoint(endpoint, connection);
  return new Http2Member(target, readTlsIdentity(connection, target.secure), connection);
}

class Http2Member implements MemberClient {
  readonly endpoint: string;
  readonly #target: Endpoint;
  readonly #tls: TlsIdentity;
  readonly #connection: ConnectionOptions;
  readonly #closed = new AbortController();
  #session: Promise<ClientHttp2Session> | undefined;
  #token: Promise<string | undefined> | undefined;

  constructor(target: Endpoint, tls: TlsIdentity, connection: ConnectionOptions) {
    this.endpoint = target.text;
    this.#target = target;
    this.#tls = tls;
    this.#connection = connection;
  }

  call(method: string, message: Uint8Array, options: UnaryOptions): Promise<Uint8Array> {
    const limit = { limitMs: this.#connection.commandTimeoutMs, needsQuorum: false, ...options };
    return this.#authenticated(options.signal, (token) => this.#unary(method, method, message, token, limit));
  }

  stream(method: string, message: Uint8Array, { signal }: CallOptions): Promise<GrpcCall> {
    return this.#authenticated(signal, async (token) => {
      try {
        return await this.#connected(signal, (session) => startCall(session, { path: pathOf(method), message, token, signal }));
      } catch (fault) {
        throw this.#error(method, fault);
      }
    });
  }

  async close(): Promise<void> {
    this.#closed.abort(new EtcdsafeError("INTERNAL", `${this.endpoint}: asked after its client was closed`));
    const session = await this.#session?.catch(() => undefined);
    session?.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #authenticated<T>(signal: AbortSignal, work: (token: string | undefined) => Promise<T>): Promise<T> {
    const login = this.#login();
    try {
      return await work(await orAborted(login, signal));
    } catch (error) {
      if (this.#connection.user === undefined || !wantsNewToken(error)) throw error;
    }
    if (this.#token === login) this.#token = undefined; // Else another call has renewed it already.
    return await work(await orAborted(this.#login(), signal));
  }

  /** A connection that was lost since it was last used is opened again once: all calls here only read. */
  async #connected<T>(signal: AbortSignal, work: (session: ClientHttp2Session) => Promise<T>): Promise<T> {
    const reused = this.#session !== undefined;
    try {
      return await work(await this.#openSession(signal));
    } catch (fault) {
      if (!reused || !(fault instanceof StreamLostError)) throw fault;
    }
    return await work(await this.#openSession(signal));
  }

  /** One connection for all calls: who asked first does not take it along when it gives up. */
  #openSession(signal: AbortSignal): Promise<ClientHttp2Session> {
    if (this.#session === undefined) {
      const opening = openSession(this.#target, this.#tls, { dialTimeoutMs: this.#connection.dialTimeoutMs, signal: this.#closed.signal });
      const forget = () => {
        if (this.#session === opening) this.#session = undefined;
      };
      opening.then((session) => session.once("goaway", forget).once("close", forget), forget);
      this.#session = opening;
    }
    return orAborted(this.#session, signal);
  }

  /** One login for all calls; one that failed is not kept. */
  #login(): Promise<string | undefined> {
    const { user, password = "", commandTimeoutMs } = this.#connection;
    if (user === undefined) return NOBODY;
    if (this.#token === undefined) {
      // A login goes through raft.
      const limit = { limitMs: commandTimeoutMs, needsQuorum: true, signal: this.#closed.signal };
      const answer = this.#unary("Auth/Authenticate", `the login of user ${user}`, encodeAuthenticateRequest(user, password), undefined, limit);
      this.#token = answer.then(decodeAuthenticateResponse).catch((error: unknown) => {
        this.#token = undefined;
        // As etcd's own client does: a user for a cluster that asks for none does no harm.
        if (error instanceof EtcdsafeError && error.message.includes("authentication is not enabled")) return undefined;
        throw error;
      });
    }
    return this.#token;
  }

  /** Turns faults into errors that name the endpoint and, as `what`, the call. */
  async #unary(method: string, what: string, message: Uint8Array, token: string | undefined, options: Required<UnaryOptions>): Promise<Uint8Array> {
    const limit = AbortSignal.timeout(options.limitMs);
    const signal = AbortSignal.any([options.signal, limit]);
    try {
      return await this.#connected(signal, (session) => unaryCall(session, { path: pathOf(method), message, token, signal }));
    } catch (fault) {
      if (!limit.aborted || fault !== limit.reason) throw this.#error(what, fault);
      const code = options.needsQuorum ? "ETCD_NO_QUORUM" : "ETCD_UNREACHABLE";
      throw new EtcdsafeError(code, `${this.endpoint}: no answer to ${what} within ${options.limitMs} ms`);
    }
  }

  #error(what: string, fault: unknown): unknown {
    if (fault instanceof GrpcStatusError) return refusal(this.endpoint, what, fault);
    if (fault instanceof StreamLostError) {
      return new EtcdsafeError("ETCD_UNREACHABLE", `${this.endpoint}: the connection was lost during ${what}: ${fault.message}`, { cause: fault });
    }
    return fault;
  }
}

const NOBODY = Promise.resolve(undefined);

function pathOf(method: string): string {
  return `/etcdserverpb.${method}`;
}

/** Waits for what others wait for too, without ending it for them. */
function orAborted<T>(shared: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return Promise.race([shared, aborted.promise]).finally(() => signal.removeEventListener("abort", abort));
}
