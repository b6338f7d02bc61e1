// Requests of the JSON API of Google Cloud Storage. The SDK gives the credentials; its uploads and downloads are not used: they keep copies of what
// they send, try again by a policy of their own, and a stream that failed cannot be told from one that ended.
// https://cloud.google.com/storage/docs/json_api/v1

import { type HttpAnswer, httpSender, textOf } from "../http/request.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { gsCredentials } from "./gs-credentials.ts";
import { noToken, notGoogles, onTheWay, refusal } from "./gs-errors.ts";
import { retried } from "./retry.ts";
import type { StorageSettings } from "./settings.ts";

const DEFAULT_ENDPOINT = "https://storage.googleapis.com";

export interface GsRequest {
  readonly method: string;
  /** Below the endpoint, or a whole URL that the store gave. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: readonly Uint8Array[];
  /** Statuses that are answers, besides those below 300. */
  readonly expected?: readonly number[];
}

export interface GsClient {
  /** One attempt; throws what gs-errors.ts makes of a refusal. `what` ("write a/b in gs://bucket") is for messages. */
  once(what: string, request: GsRequest, options: CallOptions): Promise<HttpAnswer>;
  /** As `once`, tried again, and its answer read as JSON (undefined where it is one of `expected`). */
  json<T>(what: string, request: GsRequest, options: CallOptions): Promise<T | undefined>;
  /** Whatever the store answers, its headers tell the time. */
  dateHeader(what: string, request: GsRequest, options: CallOptions): Promise<string | undefined>;
  retry(options: CallOptions): { triesMax: number; runtime: Pick<Runtime, "sleep" | "randomBytes">; signal: AbortSignal };
}

export async function openGsClient(
  { connection, gs }: Pick<StorageSettings, "connection" | "gs">,
  runtime: Pick<Runtime, "sleep" | "randomBytes">,
): Promise<GsClient> {
  const sender = await httpSender(connection);
  const emulator = gs.endpoint ?? process.env["STORAGE_EMULATOR_HOST"];
  const endpoint = withScheme(emulator ?? DEFAULT_ENDPOINT);
  const credentials = emulator === undefined || gs.credentials !== undefined ? await gsCredentials(gs.credentials, sender, connection) : undefined;
  const retry = ({ signal }: CallOptions) => ({ triesMax: connection.triesMax, runtime, signal });

  const authorised = async (what: string, options: CallOptions): Promise<Record<string, string>> => {
    if (credentials === undefined) return {};
    return await credentials.headers(options).catch((error: unknown) => {
      options.signal.throwIfAborted();
      throw noToken(what, error);
    });
  };
  const send = async (what: string, request: GsRequest, options: CallOptions): Promise<HttpAnswer> => {
    const { method, path, query = {}, body } = request;
    const url = new URL(path.startsWith("/") ? endpoint + path : path);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
    const headers = { ...request.headers, ...(await authorised(what, options)) };
    return await onTheWay(what, () => sender.send({ method, url: url.href, headers, ...(body && { body }) }, options));
  };
  const once = async (what: string, request: GsRequest, options: CallOptions): Promise<HttpAnswer> => {
    let answer = await send(what, request, options);
    if (answer.status === 401 && credentials !== undefined) {
      // The token ran out or was withdrawn while it was in use: one made from what the credentials are now may be good.
      await textOf(answer).catch(() => "");
      credentials.forget();
      answer = await send(what, request, options);
    }
    if (answer.status < 300 || request.expected?.includes(answer.status)) return answer;
    throw await refusal(what, answer, request.path.startsWith("/") && request.query?.["alt"] !== "media");
  };
  return {
    once,
    retry,
    json: <T>(what: string, request: GsRequest, options: CallOptions) =>
      retried(async () => {
        const answer = await once(what, request, options);
        const text = await onTheWay(what, () => textOf(answer));
        return answer.status < 300 && text !== "" ? parsed<T>(what, text, answer.status) : undefined;
      }, retry(options)),
    dateHeader: (what, request, options) =>
      retried(async () => {
        const answer = await send(what, request, options);
        await onTheWay(what, () => textOf(answer));
        return answer.headers.date;
      }, retry(options)),
  };
}

function parsed<T>(what: string, text: string, status: number): T {
  try {
    return JSON.parse(text) as T;
  } catch {
    throw notGoogles(what, status);
  }
}

/** STORAGE_EMULATOR_HOST may be a bare host and port. */
function withScheme(endpoint: string): string {
  return (/^https?:\/\//.test(endpoint) ? endpoint : `http://${endpoint}`).replace(/\/+$/, "");
}
