// Metrics for a Prometheus Pushgateway (https://github.com/prometheus/pushgateway, "API"), which keeps the last push of each group. A group is a job and a
// subject (subject.ts), and a POST replaces the families that it names and leaves the group's others: so every run adds to what those before it said.
import { EtcdsafeError } from "../errors.ts";
import { NetworkError } from "../http/network-error.ts";
import { type HttpAnswer, type HttpSend, textOf } from "../http/request.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { retried, ThrottledError } from "../storage/retry.ts";
import { unreachable } from "../storage/unreachable.ts";
import { type Family, parseExposition, renderExposition } from "./exposition.ts";
import { subjectKey, subjectOf } from "./subject.ts";

export interface Push {
  /** Where the Pushgateway answers, its route prefix included. */
  readonly url: string;
  readonly job: string;
  /** Of metrics.ts. */
  readonly text: string;
}

export interface PushOptions extends CallOptions {
  readonly runtime: Pick<Runtime, "sleep" | "randomBytes">;
}

const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const TRIES_MAX = 5;
/** A run that is over does not wait for longer. */
const ASKED_WAIT_MS_MAX = 5_000;
const ANSWER_LENGTH_MAX = 300;
const TLS_HINT = "Its certificate must be signed by an authority that this host trusts; NODE_EXTRA_CA_CERTS names a PEM file of further ones.";
const PROXY_HINT = "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY.";

/**
 * One request for each subject; broken connections and the statuses 408, 429 and 5xx are tried again. Its signal bounds it. Throws REPORT_FAILED, with
 * nothing of the URL but its origin; of several requests those before it stand.
 */
export async function pushMetrics({ url, job, text }: Push, send: HttpSend, { signal, runtime }: PushOptions): Promise<void> {
  if (!URL.canParse(url)) throw new EtcdsafeError("CONFIG_INVALID", "the URL of the Pushgateway is none");
  const base = new URL(url);
  for (const { subject, families } of groupsOf(text)) {
    const path = [["job", job] as const, ...subject].map(pathSegments).join("");
    const push = () => pushOnce(base, path, renderExposition(families), send, signal);
    await retried(push, { triesMax: TRIES_MAX, runtime, signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw failure(base, error);
    });
  }
}

interface Group {
  readonly subject: ReturnType<typeof subjectOf>;
  readonly families: readonly Family[];
}

function groupsOf(text: string): readonly Group[] {
  const each = [...parseExposition(text).families.values()].flatMap((family) => family.series.map((series) => ({ family, series })));
  return [...Map.groupBy(each, ({ series }) => subjectKey(series.labels)).values()].map((group) => ({
    subject: subjectOf(group[0]!.series.labels),
    families: [...Map.groupBy(group, ({ family }) => family)].map(([family, members]) => ({ ...family, series: members.map(({ series }) => series) })),
  }));
}

/** What could be taken for another path goes as base64. */
function pathSegments([name, value]: readonly [string, string]): string {
  return /^[\w-][\w.-]*$/.test(value) ? `/${name}/${value}` : `/${name}@base64/${Buffer.from(value).toString("base64url")}`;
}

async function pushOnce(base: URL, path: string, text: string, send: HttpSend, signal: AbortSignal): Promise<void> {
  const url = `${base.origin}${base.pathname.replace(/\/+$/, "")}/metrics${path}`;
  const headers = { "content-type": CONTENT_TYPE, "user-agent": "etcdsafe" };
  let answer: HttpAnswer;
  let said: string;
  try {
    answer = await send({ method: "POST", url, headers, body: [Buffer.from(text)] }, { signal });
    said = await textOf(answer);
  } catch (error) {
    throw error instanceof NetworkError ? unreachable("push", error) : error;
  }
  const { status } = answer;
  if (status >= 200 && status < 300) return;
  const why = `HTTP status ${status}${reasonIn(said, base)}`;
  const waitMs = Number(answer.headers["retry-after"] ?? 0) * 1000;
  const isPassing = status === 408 || status === 429 || status >= 500;
  if (isPassing && !(waitMs > ASKED_WAIT_MS_MAX)) throw new ThrottledError(why, { waitMs: Number.isNaN(waitMs) ? 0 : waitMs });
  throw new EtcdsafeError("REPORT_FAILED", why);
}

/** What the Pushgateway does not like; nothing of a page, nor of what repeats the URL, as servers do that say what they did not find. */
function reasonIn(said: string, { pathname }: URL): string {
  const line = said.replaceAll(/[\p{C}\s]+/gu, " ").trim();
  const repeats = pathname.split("/").some((part) => part !== "" && line.includes(part));
  return line === "" || line.startsWith("<") || repeats ? "" : `: ${line.slice(0, ANSWER_LENGTH_MAX)}`;
}

function failure({ origin, host }: URL, error: unknown): EtcdsafeError {
  const { message } = error as Error;
  const why = message.replace(`cannot push: ${host}: `, "");
  const { code } = error as Partial<EtcdsafeError>;
  const hint = code === "STORAGE_TLS_FAILED" ? TLS_HINT : code === "STORAGE_DENIED" ? PROXY_HINT : undefined;
  return new EtcdsafeError("REPORT_FAILED", `cannot push the metrics to ${origin}: ${why}`, { cause: error, ...(hint !== undefined && { hint }) });
}
