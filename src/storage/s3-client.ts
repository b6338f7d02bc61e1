// Requests to S3: the SDK makes, signs and reads them; sending is src/http/request.ts, trying again retry.ts, and both of the SDK's own are not used.
// They wait without a limit, warn on the console, and try again by a policy of their own.
import { Readable } from "node:stream";
import { getCACertificates } from "node:tls";
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { type ByteStream, collect, streamOf } from "../bytes/stream.ts";
import { NetworkError } from "../http/network-error.ts";
import { type HttpAnswer, type HttpSend, httpSender, textOf } from "../http/request.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { retried } from "./retry.ts";
import { type MakeChain, s3Credentials } from "./s3-credentials.ts";
import { isCredentialsRefused, NotS3Error, s3Error } from "./s3-errors.ts";
import { type S3Parameters, s3Plan } from "./s3-settings.ts";
import { requireSse } from "./s3-sse.ts";
import type { StorageSettings } from "./settings.ts";
import { mayBeAnothers } from "./unreachable.ts";

type S3Runtime = Pick<Runtime, "now" | "sleep" | "randomBytes" | "log" | "monotonicMs">;
/** What the SDK's send takes besides a command. */
export interface SendOptions {
  readonly abortSignal: AbortSignal;
}
/** One request; `attempt` counts from 1. */
export type S3Step<T> = (client: S3Client, options: SendOptions, attempt: number) => Promise<T>;

export interface S3Connection {
  readonly bucket: string;
  readonly parameters: S3Parameters;
  /** Whether the store takes CRC-32C; else it is given MD5. */
  readonly requestChecksums: boolean;
  readonly runtime: S3Runtime;
  /** Does `step` as often as it may help, and throws errors of the table; `what` ("write a/b in s3://bucket") is for messages. */
  ask<T>(what: string, step: S3Step<T>, options: CallOptions): Promise<T>;
  /** The same, once. */
  once<T>(what: string, step: S3Step<T>, options: CallOptions, attempt?: number): Promise<T>;
  retry(options: CallOptions): { readonly triesMax: number; readonly runtime: S3Runtime; readonly signal: AbortSignal };
}

/** Pages of lists are the longest answers that are read as a whole. */
const ANSWER_SIZE_BYTES_MAX = 16 * 1024 * 1024;
/** What stores that are not Amazon's are asked by: most do not care, but a signature needs one. */
const REGION_ELSEWHERE = "us-east-1";

/** Throws CONFIG_INVALID; no request is sent. */
export async function connectS3(bucket: string, settings: Pick<StorageSettings, "connection" | "s3">, runtime: S3Runtime): Promise<S3Connection> {
  const { connection } = settings;
  const plan = await s3Plan(settings.s3);
  const sender = await httpSender(connection);
  if (plan.trustedCa !== undefined && connection.caFile === undefined) sender.agents.https.options.ca = [...getCACertificates("default"), plan.trustedCa];
  const retry = ({ signal }: CallOptions) => ({ triesMax: connection.triesMax, runtime, signal });

  // What the SDK itself finds: environment, shared files, the instance it runs on.
  const found = new S3Client({}).config;
  const chain = found.credentialDefaultProvider as unknown as (init: object) => ReturnType<MakeChain>;
  const credentials = s3Credentials(settings.s3.credentials, (init) => chain({ ...init, logger: sdkLogger(runtime) }));
  const region = plan.region ?? (plan.endpoint === undefined ? undefined : () => found.region().catch(() => REGION_ELSEWHERE));
  const client = new S3Client({
    ...FIXED,
    requestHandler: requestHandler(sender.send),
    forcePathStyle: plan.pathStyle,
    credentials: credentials.provider,
    ...(plan.endpoint !== undefined && { endpoint: plan.endpoint }),
    ...(region !== undefined && { region }),
  });

  const once = async <T>(what: string, step: S3Step<T>, { signal }: CallOptions, attempt = 1): Promise<T> => {
    for (let renewed = false; ; renewed = true) {
      try {
        signal.throwIfAborted();
        return await step(client, { abortSignal: signal }, attempt);
      } catch (error) {
        signal.throwIfAborted();
        // Rotated while they were in use: what they are now may be good.
        if (!renewed && isCredentialsRefused(error) && (await credentials.renew().catch(() => false))) continue;
        throw s3Error(what, error, runtime.now());
      }
    }
  };
  return {
    bucket,
    parameters: plan.parameters,
    requestChecksums: plan.requestChecksums,
    runtime,
    retry,
    once,
    ask: (what, step, options) => retried((attempt) => once(what, step, options, attempt), retry(options)),
  };
}

/** Checksums are computed here (the SDK would do so in JavaScript, and wrap the body), and a wrong clock is told, not silently allowed for. */
const FIXED = {
  maxAttempts: 1,
  requestChecksumCalculation: "WHEN_REQUIRED",
  responseChecksumValidation: "WHEN_REQUIRED",
  expectContinueHeader: false,
  disableClockSkewCorrection: true,
  followRegionRedirects: false,
  streamCollector: (body: Readable | SdkBody) =>
    collect(bytesOf(body), ANSWER_SIZE_BYTES_MAX, () => new NetworkError(`an answer of more than ${ANSWER_SIZE_BYTES_MAX} bytes`)),
} as unknown as S3ClientConfig;

/** The SDK would write its warnings to the console, between lines of JSON; what it is about to do interests nobody. */
function sdkLogger({ log }: Pick<Runtime, "log">): Record<"trace" | "debug" | "info" | "warn" | "error", (text: string) => void> {
  const silent = () => undefined;
  const warn = (text: string) => log({ level: "warn", message: text.replace(/\s+/g, " ").trim() });
  return { trace: silent, debug: silent, info: silent, warn, error: warn };
}

/** As the SDK hands it over. */
interface SdkRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

function requestHandler(send: HttpSend): NonNullable<S3ClientConfig["requestHandler"]> {
  const handle = async (request: SdkRequest, { abortSignal }: { readonly abortSignal?: AbortSignal } = {}) => {
    const { method, headers, body } = request;
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    const signal = abortSignal ?? new AbortController().signal;
    const answer = await send({ method, url: urlOf(request), headers, ...(bytes && bytes.length > 0 && { body: [bytes] }) }, { signal });
    requireSse(request, answer);
    const texts = Object.entries(answer.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(",") : value]);
    const source = method === "HEAD" || !mayBeAnothers(answer.status) ? answer.body : streamOf(await s3sRefusal(answer));
    return { response: { statusCode: answer.status, headers: Object.fromEntries(texts), body: new SdkBody(source) } };
  };
  return { handle, metadata: { handlerProtocol: "http/1.1" }, updateHttpClientConfig: () => undefined, httpHandlerConfigs: () => ({}) } as never;
}

/** The body of a refusal that only S3 words so; throws NotS3Error for any other. */
async function s3sRefusal(answer: HttpAnswer): Promise<Uint8Array> {
  const text = await textOf(answer);
  if (!/<Error[\s>]/.test(text)) throw new NotS3Error(answer.status);
  return Buffer.from(text);
}

/** The SDK insists on a stream of Node's where an object is read, which would read ahead; this one only carries the bytes. */
class SdkBody extends Readable {
  readonly source: ByteStream;

  constructor(source: ByteStream) {
    super({ read: () => undefined });
    this.source = source;
  }
}

/** What an answer holds: of GetObject's Body too. */
export function bytesOf(body: unknown): ByteStream {
  return body instanceof SdkBody ? body.source : (body as ByteStream);
}

function urlOf({ protocol, hostname, port, path, query }: SdkRequest): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === null ? [escaped(name)] : [value].flat().map((each) => `${escaped(name)}=${escaped(String(each))}`),
  );
  return `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}${pairs.length === 0 ? "" : `?${pairs.join("&")}`}`;
}

/** As it is signed: RFC 3986's unreserved characters alone are left. */
function escaped(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
