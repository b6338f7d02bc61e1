// One small request that tells another service something: tried again while that may help, within a bound, and never longer. No error that it
// throws repeats anything of the URL but its origin.
import { EtcdsafeError } from "../errors.ts";
import { NetworkError } from "../http/network-error.ts";
import type { HttpAnswer, HttpSend } from "../http/request.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { retried, ThrottledError } from "../storage/retry.ts";
import { tellsOf } from "./secret-url.ts";

/** All attempts and the waits between them: whoever waits for a run waits for this too. */
const LIMIT_MS = 10_000;
/** One attempt: an answer that is lost on the way must leave time for another one. */
const ATTEMPT_LIMIT_MS = 4_000;
const TRIES_MAX = 6;
/** Of an answer; the rest is not waited for. */
const ANSWER_SIZE_BYTES_MAX = 4096;
const LINE_LENGTH_MAX = 200;

const TLS_HINT = "Its certificate must be signed by an authority that this host trusts; NODE_EXTRA_CA_CERTS names a PEM file of further ones.";
const REDIRECT_HINT = "Give the URL that it leads to: redirects are not followed, as the URL is a secret.";
const PROXY_HINT = "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY.";
const URL_HINT = "What the run itself did stands. Check the URL: it may have been withdrawn, or is not of this kind.";

export interface Report {
  /** How an error's message begins, after "cannot": "ping the heartbeat". */
  readonly what: string;
  readonly url: URL;
  readonly contentType: string;
  readonly body: Uint8Array;
}

export interface SendOptions extends CallOptions {
  readonly runtime: Pick<Runtime, "sleep" | "randomBytes">;
}

/**
 * POSTs the report; resolves to the first line of the answer, "" where it says nothing. Broken connections, silence, and the statuses 408, 429 and 5xx are
 * tried again, as late as Retry-After asks. Throws REPORT_FAILED when it gives up, after 10 s at most; an abort throws the signal's reason.
 */
export async function sendReport(report: Report, send: HttpSend, { signal, runtime }: SendOptions): Promise<string> {
  let last = "no answer";
  const attempt = async (bounded: AbortSignal) => {
    try {
      return await within(ATTEMPT_LIMIT_MS, (limited) => sendOnce(report, send, limited), { signal: bounded, runtime });
    } catch (error) {
      const failure = failureOf(error, report.url);
      if (!bounded.aborted) last = failure.message;
      throw failure;
    }
  };
  try {
    return await within(LIMIT_MS, (bounded) => retried(() => attempt(bounded), { triesMax: TRIES_MAX, runtime, signal: bounded }), { signal, runtime });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof OutOfTime) throw reportFailed(report, `${last}; given up after ${LIMIT_MS / 1000} s`);
    const { code, message, hint } = failureOf(error, report.url);
    throw reportFailed(report, message, code === "REPORT_FAILED" ? hint : undefined);
  }
}

/** The service was reached, and does not do what it was asked for; `why` must not repeat anything of the URL. */
export function reportFailed({ what, url }: Pick<Report, "what" | "url">, why: string, hint?: string): EtcdsafeError {
  return new EtcdsafeError("REPORT_FAILED", `cannot ${what} at ${url.origin}: ${why}`, hint === undefined ? {} : { hint });
}

async function sendOnce({ url, contentType, body }: Report, send: HttpSend, signal: AbortSignal): Promise<string> {
  const headers = { "content-type": contentType, "user-agent": "etcdsafe" };
  const answer = await send({ method: "POST", url: url.href, headers, body: body.length === 0 ? [] : [body] }, { signal });
  // What the answer still wanted to say does not undo what was done: sent again, it would be there twice.
  if (answer.status >= 200 && answer.status < 300) return firstLine(answer, url).catch(() => "");
  throw refusal(answer, await firstLine(answer, url));
}

/** REPORT_FAILED where trying again cannot help, else one of those that `retried` tries again. */
function refusal({ status, headers }: HttpAnswer, line: string): EtcdsafeError {
  const why = `HTTP status ${status}${line === "" ? "" : `: ${line}`}`;
  if (status === 408 || status === 429 || status >= 500) {
    const waitMs = askedWaitMs(headers);
    if (waitMs === undefined || waitMs < LIMIT_MS) return new ThrottledError(why, { waitMs });
    return new EtcdsafeError("REPORT_FAILED", `${why}; it asks to come back after ${Math.ceil(waitMs / 1000)} s`);
  }
  if (status >= 300 && status < 400) return new EtcdsafeError("REPORT_FAILED", `${why}, a redirect`, { hint: REDIRECT_HINT });
  return new EtcdsafeError("REPORT_FAILED", why, { hint: URL_HINT });
}

/** RFC 9110 §10.2.3: seconds, or a date, which is one of that server's clock, as its Date is. */
function askedWaitMs({ "retry-after": asked, date }: HttpAnswer["headers"]): number | undefined {
  if (asked === undefined) return undefined;
  const waitMs = /^\d+$/.test(asked) ? Number(asked) * 1000 : Date.parse(asked) - Date.parse(date ?? "");
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs);
}

/** What may be told of an answer: nothing of a page, nor of what repeats the URL. */
async function firstLine({ body }: HttpAnswer, url: URL): Promise<string> {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of body) {
    pieces.push(Buffer.from(piece));
    sizeBytes += piece.length;
    if (sizeBytes >= ANSWER_SIZE_BYTES_MAX) break;
  }
  const line = Buffer.concat(pieces)
    .subarray(0, ANSWER_SIZE_BYTES_MAX)
    .toString()
    .trim()
    .split(/[\r\n]/, 1)[0]!;
  if (line.startsWith("<") || tellsOf(url, line)) return "";
  return [...line.replaceAll(/[\p{C}\s]+/gu, " ")].slice(0, LINE_LENGTH_MAX).join("").trim();
}

function failureOf(error: unknown, url: URL): EtcdsafeError {
  if (error instanceof EtcdsafeError) return error;
  if (error instanceof OutOfTime) return new EtcdsafeError("STORAGE_UNREACHABLE", `no answer within ${error.limitMs / 1000} s`);
  const { name, message } = error as Error;
  if (!(error instanceof NetworkError)) return new EtcdsafeError("REPORT_FAILED", tellsOf(url, message) ? name : message);
  const { kind, why } = error;
  // Of these no further attempt helps.
  if (kind === "certificate" || kind === "no TLS") return new EtcdsafeError("REPORT_FAILED", why, { hint: TLS_HINT });
  if (kind === "proxy refused") return new EtcdsafeError("REPORT_FAILED", why, { hint: PROXY_HINT });
  return new EtcdsafeError("STORAGE_UNREACHABLE", why);
}

class OutOfTime extends Error {
  readonly limitMs: number;

  constructor(limitMs: number) {
    super(`${limitMs} ms are over`);
    this.limitMs = limitMs;
  }
}

/** Does `work`, whose signal is aborted with OutOfTime after `limitMs` by the runtime's clock. */
async function within<T>(limitMs: number, work: (signal: AbortSignal) => Promise<T>, { signal, runtime }: SendOptions): Promise<T> {
  const over = new AbortController();
  const done = new AbortController();
  runtime.sleep(limitMs, done.signal).then(
    () => over.abort(new OutOfTime(limitMs)),
    () => undefined, // Done before.
  );
  try {
    return await work(AbortSignal.any([signal, over.signal]));
  } finally {
    done.abort();
  }
}
