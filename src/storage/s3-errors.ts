// What S3 and its compatibles answer, in the words of the error table. Messages hold what was asked for and the store's own reason: never URLs
// with their queries, headers, keys or signatures. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
import { type ErrorCode, EtcdsafeError } from "../errors.ts";
import { NetworkError } from "../http/network-error.ts";
import { ThrottledError } from "./retry.ts";
import { notTheStore, unreachable } from "./unreachable.ts";

/** The store's answer behind an error: kept as its cause without the rest, which may hold what was signed. */
export class S3Refusal extends Error {
  override readonly name = "S3Refusal";
  /** As S3 names it, such as NoSuchUpload; of an answer without a body what the SDK makes of its status. */
  readonly reason: string;
  readonly status: number;

  constructor(reason: string, status: number) {
    super(`${reason} (HTTP status ${status})`);
    this.reason = reason;
    this.status = status;
  }
}

/** An answer that S3 does not give. */
export class NotS3Error extends Error {
  override readonly name = "NotS3Error";
  readonly status: number;

  constructor(status: number) {
    super(`HTTP status ${status}`);
    this.status = status;
  }
}

/** What the SDK throws, as far as it is looked at. */
interface SdkError {
  readonly name?: string;
  readonly Code?: unknown;
  readonly message?: string;
  readonly Region?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string | undefined>> };
}

const MESSAGE_LENGTH_MAX = 500;
/** S3 refuses requests that were signed further off than this. */
const SKEW_MS_MAX = 15 * 60_000;

const CREDENTIALS = new Set([
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "ExpiredToken",
  "ExpiredTokenException",
  "InvalidToken",
  "TokenRefreshRequired",
  "InvalidClientTokenId",
  "InvalidIdentityToken",
  "XAdminUserNotFound", // Of versitygw, with a status of 404.
]);
const THROTTLED = new Set(["SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "RequestLimitExceeded", "BandwidthLimitExceeded"]);
/** Bytes that were changed on the way, or a connection that S3 gave up. */
const ON_THE_WAY = new Set([
  "RequestTimeout",
  "BadDigest",
  "InvalidDigest",
  "XAmzContentSHA256Mismatch",
  "XAmzContentChecksumMismatch",
  "IncompleteBody",
  "OperationAborted",
]);
const FULL = new Set(["QuotaExceeded", "InsufficientCapacity", "XMinioStorageFull", "EntityTooLarge", "TooManyParts"]);
const ELSEWHERE = new Set(["PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301", "307"]);

const DENIED_HINT =
  "The credentials need s3:ListBucket, GetObject, PutObject and AbortMultipartUpload there, --as-of and repo gc some more: docs/stores.md lists what each command needs, and `etcdsafe repo validate` tries it.";
/** To a request whose answer has no body, as what looks an object up. */
const NO_REASON_HINT = "Check the name of the bucket, --s3-region and the credentials; `etcdsafe repo validate` shows the store's reason.";
const NAME_HINT = "Check --repository: names of buckets are 3 to 63 lower-case letters, digits, dots and hyphens.";
const CREDENTIALS_HINT = "Check the credentials: --s3-credentials, or what the AWS environment variables and files give.";
const BUCKET_HINT = "Check --repository; buckets are made with the store's own tools: `aws s3 mb s3://BUCKET`.";

/** `what` ("write a/b in s3://bucket") begins the message; `now` is this host's time, to tell a wrong clock. Errors that are no store's come back as they are. */
export function s3Error(what: string, error: unknown, now: Date): unknown {
  if (error instanceof EtcdsafeError) return error;
  if (error instanceof NetworkError) return unreachable(what, error);
  if (error instanceof NotS3Error) return notS3(what, error.status);
  const { name = "", message = "", $metadata, $response } = error as SdkError;
  if (/^(Credentials|TokenProvider|Provider)\w*Error$/.test(name)) {
    return new EtcdsafeError("STORAGE_DENIED", `cannot ${what}: no credentials: ${shortened(message)}`, { hint: CREDENTIALS_HINT });
  }
  if (/^Region is missing/.test(message)) return noRegion(what);
  if ($response === undefined && $metadata?.httpStatusCode === undefined) return error;
  return refusal(what, error as SdkError, now);
}

/** S3's name of what is wrong; undefined where the error is no answer of the store. */
export function reasonOf(error: unknown): S3Refusal | undefined {
  if (error instanceof EtcdsafeError) return error.cause instanceof S3Refusal ? error.cause : undefined;
  const { name = "", $metadata } = error as SdkError;
  return $metadata?.httpStatusCode === undefined ? undefined : new S3Refusal(name, $metadata.httpStatusCode);
}

export function isCredentialsRefused(error: unknown): boolean {
  return CREDENTIALS.has(reasonOf(error)?.reason ?? "");
}

/** Of a refusal that may be for want of `permissions` ("s3:DeleteObject"): says so. */
export function needing(permissions: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof EtcdsafeError) || error.hint !== DENIED_HINT) throw error;
    throw new EtcdsafeError(error.code, error.message, { cause: error.cause, hint: `The credentials need ${permissions} there.` });
  };
}

function noRegion(what: string): EtcdsafeError {
  return new EtcdsafeError("CONFIG_INVALID", `cannot ${what}: it is not known in which region the bucket is`, { hint: "Give --s3-region, or set AWS_REGION." });
}

function refusal(what: string, error: SdkError, now: Date): EtcdsafeError {
  const { name: reason = "", $metadata, $response } = error;
  const status = $metadata?.httpStatusCode ?? 0;
  const cause = new S3Refusal(reason, status);
  const text = `cannot ${what}: ${reasonText(error, status)}`;
  const make = (code: ErrorCode, hint?: string) => new EtcdsafeError(code, text, { cause, ...(hint === undefined ? {} : { hint }) });
  if (reason === "NoSuchBucket") return new EtcdsafeError("REPOSITORY_NOT_FOUND", `cannot ${what}: the bucket does not exist`, { cause, hint: BUCKET_HINT });
  if (reason === "RequestTimeTooSkewed" || (status === 403 && skewMs($response, now) > SKEW_MS_MAX)) return wrongClock(what, skewMs($response, now), cause);
  if (reason === "InvalidBucketName") return make("CONFIG_INVALID", NAME_HINT);
  if (CREDENTIALS.has(reason)) return make("STORAGE_DENIED", CREDENTIALS_HINT);
  if (THROTTLED.has(reason) || status === 429 || status === 503) {
    return new ThrottledError(text, { waitMs: retryAfterMs($response?.headers?.["retry-after"], now), cause });
  }
  if (FULL.has(reason) || status === 507) return make("STORAGE_FULL");
  if (ELSEWHERE.has(reason) || status === 301 || status === 307) return elsewhere(what, error, cause);
  if (ON_THE_WAY.has(reason) || status === 408 || (status >= 500 && status !== 501)) return make("STORAGE_UNREACHABLE");
  if (status === 404) return make("STORAGE_NOT_FOUND");
  if (status === 409 || status === 412) return make("STORAGE_CONFLICT");
  // An answer that is none: a proxy's page, or a store that speaks something else.
  if (status < 400) return notS3(what, status);
  return make("STORAGE_DENIED", status === 400 && isReasonless(reason) ? NO_REASON_HINT : DENIED_HINT);
}

function notS3(what: string, status: number): EtcdsafeError {
  return notTheStore(what, "S3", "--s3-endpoint", status);
}

/** What the SDK calls an answer without a body. */
function isReasonless(reason: string): boolean {
  return /^(Unknown(Error)?|\d*)$/.test(reason);
}

function reasonText({ name = "", message = "" }: SdkError, status: number): string {
  if (message.startsWith("@aws-sdk XML")) return `what answers there is not S3 (HTTP status ${status})`;
  const said = message === "" || message === "UnknownError" || message === name ? "the store gave no reason" : shortened(message);
  return isReasonless(name) ? `${said} (HTTP status ${status})` : `${said} (${name}, HTTP status ${status})`;
}

function wrongClock(what: string, skewMs: number, cause: S3Refusal): EtcdsafeError {
  const howFar = Number.isNaN(skewMs) ? "" : `: it is ${Math.round(skewMs / 60_000)} minutes off the store's`;
  return new EtcdsafeError("STORAGE_DENIED", `cannot ${what}: the store refuses this host's clock${howFar}`, { cause, hint: "Set this host's clock." });
}

function elsewhere(what: string, { Region, $response }: SdkError, cause: S3Refusal): EtcdsafeError {
  const region = $response?.headers?.["x-amz-bucket-region"] ?? (typeof Region === "string" ? Region : undefined);
  const where = region === undefined ? "the bucket is in another region, or has another endpoint" : `the bucket is in the region ${region}`;
  const hint = region === undefined ? "Check --s3-region and --s3-endpoint." : `Give --s3-region ${region}.`;
  return new EtcdsafeError("CONFIG_INVALID", `cannot ${what}: ${where}`, { cause, hint });
}

/** How far this host's clock is off, without sign; NaN where the store did not say. */
function skewMs(response: SdkError["$response"], now: Date): number {
  return Math.abs(Date.parse(response?.headers?.["date"] ?? "") - now.getTime());
}

/** RFC 9110 §10.2.3: seconds, or a date. */
function retryAfterMs(value: string | undefined, now: Date): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const until = Date.parse(value);
  return Number.isNaN(until) ? undefined : Math.max(0, until - now.getTime());
}

function shortened(message: string): string {
  return message.replaceAll(/\s+/g, " ").trim().slice(0, MESSAGE_LENGTH_MAX);
}
