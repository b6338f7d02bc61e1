// Requests to Azure Blob Storage: the SDK makes and reads them, signs them, and leaves sending to src/http/request.ts and trying again to retry.ts.
import { Readable } from "node:stream";
import type { ContainerClient, HttpOperationResponse, IHttpClient, WebResource } from "@azure/storage-blob";
import type { ByteStream } from "../bytes/stream.ts";
import { type HttpSend, type HttpSender, httpSender, textOf } from "../http/request.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { accessVersion, identityCredential, readAccess } from "./azblob-credentials.ts";
import { azblobError, isCredentialsRefused } from "./azblob-errors.ts";
import { retried } from "./retry.ts";
import type { StorageSettings } from "./settings.ts";

export interface AzblobClient {
  /** One attempt; throws what azblob-errors.ts makes of a refusal. `what` ("write a/b in azblob://…") is for messages. */
  once<T>(what: string, step: Step<T>, options: CallOptions): Promise<T>;
  /** As `once`, tried again. */
  tried<T>(what: string, step: Step<T>, options: CallOptions): Promise<T>;
  /** The bytes of what was downloaded under this very signal. */
  bodyOf(signal: AbortSignal): ByteStream;
  retry(options: CallOptions): { triesMax: number; runtime: Pick<Runtime, "sleep" | "randomBytes">; signal: AbortSignal };
}

type Step<T> = (container: ContainerClient, options: { readonly abortSignal: AbortSignal }) => Promise<T>;

/** Keeps the SDK from reading the variables that name proxies, where it throws at what it cannot parse. `httpClient` takes no notice of it. */
const NO_VARIABLES = { host: "http://unused.invalid", port: 80 };

/** Nothing is sent yet. */
export async function openAzblobClient(
  { account, container }: { readonly account: string; readonly container: string },
  settings: Pick<StorageSettings, "connection" | "azblob">,
  runtime: Pick<Runtime, "sleep" | "randomBytes">,
): Promise<AzblobClient> {
  const sdk = await import("@azure/storage-blob");
  const { connection } = settings;
  const sender = await httpSender(connection);
  const bodies = new WeakMap<object, ByteStream>();
  const options = { retryOptions: { maxTries: 1 }, httpClient: httpClient(sender.send, bodies), proxyOptions: NO_VARIABLES };
  const retry = ({ signal }: CallOptions) => ({ triesMax: connection.triesMax, runtime, signal });
  let current: { readonly version: string; readonly client: ContainerClient } | undefined;

  const connect = async (): Promise<ContainerClient> => {
    const { endpoint, secret } = await readAccess(account, settings.azblob);
    const url = `${endpoint}/${encodeURIComponent(container)}`;
    if (secret.kind === "sas") return new sdk.ContainerClient(`${url}?${secret.sas}`, new sdk.AnonymousCredential(), options);
    if (secret.kind === "key") return new sdk.ContainerClient(url, new sdk.StorageSharedKeyCredential(account, secret.key), options);
    const identity = identityCredential({ ca: authoritiesOf(sender), proxy: connection.proxy, limitMs: connection.idleLimitMs });
    return new sdk.ContainerClient(url, identity, options);
  };
  const clientNow = async (): Promise<ContainerClient> => {
    const version = await accessVersion(settings.azblob);
    if (current?.version !== version) current = { version, client: await connect() };
    return current.client;
  };
  const once = async <T>(what: string, step: Step<T>, { signal }: CallOptions): Promise<T> => {
    for (let renewed = false; ; renewed = true) {
      try {
        signal.throwIfAborted();
        return await step(await clientNow(), { abortSignal: signal });
      } catch (error) {
        signal.throwIfAborted();
        if (renewed || !isCredentialsRefused(error)) throw azblobError(what, error);
        current = undefined; // Withdrawn while they were in use: what they are now may be good.
      }
    }
  };
  await clientNow();
  const bodyOf = (signal: AbortSignal) => bodies.get(signal) as ByteStream;
  return { once, retry, bodyOf, tried: (what, step, callOptions) => retried(() => once(what, step, callOptions), retry(callOptions)) };
}

function authoritiesOf({ agents }: HttpSender): readonly string[] | undefined {
  return agents.https.options.ca as readonly string[] | undefined;
}

/**
 * `bodies` gets what is downloaded: the SDK's own stream would copy it and hold it for longer, and tries again by itself. It wants one all the same,
 * and is given one that nobody reads.
 */
function httpClient(send: HttpSend, bodies: WeakMap<object, ByteStream>): IHttpClient {
  return {
    sendRequest: async (request) => {
      const { method, url, abortSignal } = request;
      const signal = (abortSignal as AbortSignal | undefined) ?? new AbortController().signal;
      const body = bytesOf(request);
      const answer = await send({ method, url, headers: request.headers.toJson(), ...(body && { body }) }, { signal });
      const headers = request.headers.clone();
      for (const name of headers.headerNames()) headers.remove(name);
      for (const [name, value] of Object.entries(answer.headers)) if (value !== undefined) headers.set(name, String(value));
      const response: HttpOperationResponse = { request, status: answer.status, headers };
      // What the SDK wants as a stream is what it asks for so; all else is a message.
      const isStream =
        request.streamResponseStatusCodes?.has(answer.status) === true || request.streamResponseStatusCodes?.has(Number.POSITIVE_INFINITY) === true;
      if (isStream && answer.status < 300) {
        response.readableStreamBody = new Readable({ read: () => undefined });
        bodies.set(signal, answer.body);
      } else response.bodyAsText = await textOf(answer);
      return response;
    },
  };
}

function bytesOf({ body }: WebResource): readonly Uint8Array[] | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === "string") return [Buffer.from(body)];
  if (body instanceof Uint8Array) return [body];
  throw new TypeError("a body that is neither text nor bytes");
}
