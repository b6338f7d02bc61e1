// What Google Cloud Storage answers, in the words of the error table. Messages hold what was asked for and the store's own reason: never URLs
// with their queries, headers or tokens.
import { EtcdsafeError } from "../errors.ts";
import { NetworkError } from "../http/network-error.ts";
import { type HttpAnswer, textOf } from "../http/request.ts";
import { ThrottledError } from "./retry.ts";
import { mayBeAnothers, notTheStore, unreachable } from "./unreachable.ts";

/** Reasons of a 403 that is no refusal. https://cloud.google.com/storage/docs/json_api/v1/status-codes */
const TOO_FAST = new Set(["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"]);
const MESSAGE_LENGTH_MAX = 500;
const DENIED_HINT = "Give the service account roles/storage.objectUser on the bucket.";
/** Reasons of a 403 that no role would change: what is there is kept for a time, or held. https://cloud.google.com/storage/docs/json_api/v1/status-codes#403-forbidden */
const HELD = new Set(["retentionPolicyNotMet", "objectUnderActiveHold"]);
const HELD_HINT = "The bucket's retention, or a hold, keeps this object: it can be removed when that has ended.";
const CREDENTIALS_HINT = "Check --gs-credentials, or GOOGLE_APPLICATION_CREDENTIALS, and this host's clock.";

/** Runs a step, `what` of which ("write a/b in gs://bucket") begins the message where its connection fails. */
export async function onTheWay<T>(what: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
    throw unreachable(what, error);
  }
}

/** Whose answer it is that cannot be Google's. */
export function notGoogles(what: string, status: number): EtcdsafeError {
  return notTheStore(what, "Google Cloud Storage", "--gs-endpoint", status);
}

/** The error that an answer stands for; reads its body. `saysInJson`: what Google does, but for the bytes of objects and of uploads. */
export async function refusal(what: string, answer: HttpAnswer, saysInJson: boolean): Promise<EtcdsafeError> {
  const { status } = answer;
  const { message, reason, isJson } = reasonIn(await textOf(answer).catch(() => ""));
  if (saysInJson && !isJson && mayBeAnothers(status)) return notGoogles(what, status);
  const text = `cannot ${what}: ${message === "" ? `HTTP status ${status}` : `${message} (HTTP status ${status})`}`;
  if (status === 429 || (status === 403 && TOO_FAST.has(reason))) return new ThrottledError(text, { waitMs: waitMs(answer.headers["retry-after"]) });
  if (status === 503 && answer.headers["retry-after"] !== undefined) return new ThrottledError(text, { waitMs: waitMs(answer.headers["retry-after"]) });
  if (status === 401) return new EtcdsafeError("STORAGE_DENIED", text, { hint: CREDENTIALS_HINT });
  if (status === 404 && /bucket does not exist/i.test(message)) return noBucket(what);
  if (status === 404) return new EtcdsafeError("STORAGE_NOT_FOUND", text);
  if (status === 409 || status === 412) return new EtcdsafeError("STORAGE_CONFLICT", text);
  if (status === 408 || status >= 500) return new EtcdsafeError(status === 507 ? "STORAGE_FULL" : "STORAGE_UNREACHABLE", text);
  return new EtcdsafeError("STORAGE_DENIED", text, { hint: HELD.has(reason) ? HELD_HINT : DENIED_HINT });
}

export function noBucket(what: string): EtcdsafeError {
  return new EtcdsafeError("REPOSITORY_NOT_FOUND", `cannot ${what}: the bucket does not exist`, {
    hint: "Check --repository; buckets are made with Google's own tools: `gcloud storage buckets create`.",
  });
}

/** A token that was not to be had: `error` comes from google-auth-library, whose requests and configuration may hold keys. */
export function noToken(what: string, error: unknown): EtcdsafeError {
  if (error instanceof EtcdsafeError) return error;
  const { message, status = 0, response } = error as { message: string; status?: number; response?: { status: number; data?: unknown } };
  const answered = response?.status ?? status;
  // Of the file that GOOGLE_APPLICATION_CREDENTIALS names: what JSON.parse says repeats a part of it.
  const reason = error instanceof SyntaxError ? "the credentials are not JSON" : message;
  const said = response === undefined ? reason : `the token endpoint refused (${answered}): ${tokenReason(response.data)}`;
  const text = `cannot ${what}: no access token for Google Cloud: ${said.slice(0, MESSAGE_LENGTH_MAX)}`;
  if (answered === 429 || answered >= 500 || isNetwork(error)) return new EtcdsafeError("STORAGE_UNREACHABLE", text);
  return new EtcdsafeError("STORAGE_DENIED", text, { hint: CREDENTIALS_HINT });
}

function isNetwork(error: unknown): boolean {
  const { code, type } = error as { code?: unknown; type?: unknown };
  return type === "system" || (typeof code === "string" && /^(E[A-Z]+|UND_ERR_\w+)$/.test(code) && code !== "ENOENT" && code !== "EACCES");
}

function tokenReason(data: unknown): string {
  const { error, error_description: description } = (typeof data === "object" && data !== null ? data : {}) as { error?: unknown; error_description?: unknown };
  return [error, description].filter((part) => typeof part === "string").join(": ") || "it gave no reason";
}

function reasonIn(body: string): { message: string; reason: string; isJson: boolean } {
  try {
    const { error } = JSON.parse(body) as { error?: { message?: unknown; errors?: { reason?: unknown }[] } };
    return { message: String(error?.message ?? "").slice(0, MESSAGE_LENGTH_MAX), reason: String(error?.errors?.[0]?.reason ?? ""), isJson: true };
  } catch {
    const isText = !/^\s*</.test(body); // Proxies answer in HTML.
    return { message: isText ? body.trim().split("\n", 1).join("").slice(0, MESSAGE_LENGTH_MAX) : "", reason: "", isJson: false };
  }
}

/** RFC 9110 §10.2.3, its seconds; a date would need the store's clock. */
function waitMs(retryAfter: string | undefined): number | undefined {
  return retryAfter !== undefined && /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : undefined;
}
