// One small request that tells another service something: tried again while that may help, within a bound, and never longer. No error that it
// throws repeats anything of the URL but its origin.
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { withBackOff } from "./back-off.ts";
import { NetworkError, type NetworkFailure } from "./network-error.ts";
import type { HttpAnswer, HttpSend } from "./request.ts";
import { tellsOf } from "./secret-url.ts";

/** All attempts and the waits between them: whoever waits for a run waits for this too. */
const LIMIT_MS = 10_000;
/** One attempt: an answer that is lost on the way must leave time for another one. */
const ATTEMPT_LIMIT_MS = 4_000;
const TRIES_MAX = 6;
/** Of an answer; the rest is not waited for. */
const ANSWER_SIZE_BYTES_MAX = 4096;
const REASON_LENGTH_MAX = 300;

const PROXY_HINT = "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY.";
const REDIRECT_HINT = "Give the URL that it leads to: redirects are not followed, as a URL may be a secret.";
const URL_HINT = "What the run itself did stands. Check the URL: it may have been withdrawn, or is not of this kind.";

/** What becomes of an attempt that got no answer. */
const NO_ANSWER: Readonly<Record<NetworkFailure, Next>> = {
  connection: { waitMs: 0 },
  certificate: { hint: "Its certificate must be signed by an authority that this host trusts; NODE_EXTRA_CA_CERTS names a PEM file of further ones." },
  "no TLS": { hint: "Write its URL with http://, if it is to be asked without TLS." },
  proxy: { waitMs: 0, hint: PROXY_HINT },
  "proxy refused": { hint: PROXY_HINT },
};

export interface Report {
  /** How an error's message begins, between "cannot" and the origin: "ping the heartbeat at". */
  readonly what: string;
  readonly url: URL;
  /** What somebody gave of `url`, and of which nothing but the origin may be told; all of it where undefined. */
  readonly secret?: URL;
  readonly contentType: string;
  readonly body: Uint8Array;
}

export interface ReportOptions extends CallOptions {
  readonly runtime: Pick<Runtime, "sleep" | "randomBytes">;
}

/**
 * POSTs the report; resolves to the reason that the answer gives, its first line, "" where it says nothing. Broken connections, silence, and the statuses
 * 408, 429 and 5xx are tried again, as late as Retry-After asks. Throws REPORT_FAILED when it gives up, after 10 s at most, or by an abort with OutOfTime; any
 * other abort throws the signal's reason.
 */
export async function sendReport(report: Report, send: HttpSend, { signal, runtime }: ReportOptions): Promise<string> {
  let last = "no answer";
  const attempt = async (bounded: AbortSignal) => {
    try {
      return await within(ATTEMPT_LIMIT_MS, (limited) => sendOnce(report, send, limited), { signal: bounded, runtime });
    } catch (error) {
      const failure = failureOf(error, report);
      if (!bounded.aborted) last = failure.message;
      throw failure;
    }
  };
  const attempts = (bounded: AbortSignal) => withBackOff(() => attempt(bounded), waitMsOf, { triesMax: TRIES_MAX, runtime, signal: bounded });
  try {
    return await within(LIMIT_MS, attempts, { signal, runtime });
  } catch (error) {
    const reason: unknown = signal.aborted ? signal.reason : error;
    if (reason instanceof OutOfTime) throw reportFailed(report, `${last}; given up after ${reason.limitMs / 1000} s`);
    signal.throwIfAborted();
    const { message, next } = failureOf(error, report);
    throw reportFailed(report, message, next.hint);
  }
}

/** The service was reached, and does not do what it was asked for; `why` must not repeat anything of the URL. */
export function reportFailed({ what, url }: Pick<Report, "what" | "url">, why: string, hint?: string): EtcdsafeError {
  return new EtcdsafeError("REPORT_FAILED", `cannot ${what} ${url.origin}: ${why}`, hint === undefined ? {} : { hint });
}

async function sendOnce({ url, secret = url, contentType, body }: Report, send: HttpSend, signal: AbortSignal): Promise<string> {
  const headers = { "content-type": contentType, "user-agent": "etcdsafe" };
  const answer = await send({ method: "POST", url: url.href, headers, body: body.length === 0 ? [] : [body] }, { signal });
  // What the answer still wanted to say does not undo what was done: sent again, it would be there twice.
  if (answer.status >= 200 && answer.status < 300) return reasonIn(answer, secret).catch(() => "");
  throw refusal(answer, await reasonIn(answer, secret));
}

function refusal({ status, headers }: HttpAnswer, reason: string): AttemptFailed {
  const why = `HTTP status ${status}${reason === "" ? "" : `: ${reason}`}`;
  if (status === 408 || status === 429 || status >= 500) {
    const waitMs = askedWaitMs(headers) ?? 0;
    if (waitMs < LIMIT_MS) return new AttemptFailed(why, { waitMs });
    return new AttemptFailed(`${why}; it asks to come back after ${Math.ceil(waitMs / 1000)} s`, {});
  }
  if (status >= 300 && status < 400) return new AttemptFailed(`${why}, a redirect`, { hint: REDIRECT_HINT });
  return new AttemptFailed(why, { hint: URL_HINT });
}

/** RFC 9110 §10.2.3: seconds, or a date, which is one of that server's clock, as its Date is. */
function askedWaitMs({ "retry-after": asked, date }: HttpAnswer["headers"]): number | undefined {
  if (asked === undefined) return undefined;
  const waitMs = /^\d+$/.test(asked) ? Number(asked) * 1000 : Date.parse(asked) - Date.parse(date ?? "");
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs);
}

/** What may be told of an answer: nothing of a page, nor of what repeats the URL. */
async function reasonIn({ body }: HttpAnswer, secret: URL): Promise<string> {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of body) {
    pieces.push(Buffer.from(piece));
    sizeBytes += piece.length;
    if (sizeBytes >= ANSWER_SIZE_BYTES_MAX) break;
  }
  const text = Buffer.concat(pieces).subarray(0, ANSWER_SIZE_BYTES_MAX).toString().trim();
  const line = text.replaceAll(/:\s*[\r\n]\s*/g, ": ").split(/[\r\n]/, 1)[0]!; // One that ends with a colon announces the next.
  if (line.startsWith("<") || tellsOf(secret, line)) return "";
  return [...line.replaceAll(/[\p{C}\s]+/gu, " ")].slice(0, REASON_LENGTH_MAX).join("").trim();
}

function failureOf(error: unknown, { url, secret = url }: Report): AttemptFailed {
  if (error instanceof AttemptFailed) return error;
  if (error instanceof OutOfTime) return new AttemptFailed(`no answer within ${error.limitMs / 1000} s`, { waitMs: 0 });
  if (error instanceof NetworkError) return new AttemptFailed(error.why, NO_ANSWER[error.kind]);
  const { name, message } = error as Error;
  return new AttemptFailed(tellsOf(secret, message) ? name : message, {});
}

function waitMsOf(error: unknown): number | undefined {
  return error instanceof AttemptFailed ? error.next.waitMs : undefined;
}

interface Next {
  /** How long to wait before another attempt at least; undefined where none can help. */
  readonly waitMs?: number;
  /** Where nobody tries again. */
  readonly hint?: string;
}

/** The message repeats nothing of the URL. */
class AttemptFailed extends Error {
  readonly next: Next;

  constructor(message: string, next: Next) {
    super(message);
    this.next = next;
  }
}

/** As the reason of an abort, it gives a report up as its own limit does. */
export class OutOfTime extends Error {
  readonly limitMs: number;

  constructor(limitMs: number) {
    super(`${limitMs} ms are over`);
    this.limitMs = limitMs;
  }
}

/** Does `work`, whose signal is aborted with OutOfTime after `limitMs` by the runtime's clock. */
async function within<T>(limitMs: number, work: (signal: AbortSignal) => Promise<T>, { signal, runtime }: ReportOptions): Promise<T> {
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
