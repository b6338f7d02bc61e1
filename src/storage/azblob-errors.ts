// What Azure Blob Storage answers, in the words of the error table. Messages hold the service's code alone, not its text: that repeats signatures.
// https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
import type { RestError } from "@azure/storage-blob";
import { type ErrorCode, EtcdsafeError } from "../errors.ts";
import { NetworkError } from "../http/network-error.ts";
import { TokenError } from "./azblob-credentials.ts";
import { ThrottledError } from "./retry.ts";
import { mayBeAnothers, notTheStore, unreachable } from "./unreachable.ts";

const CODES: Readonly<Record<string, ErrorCode>> = {
  BlobNotFound: "STORAGE_NOT_FOUND",
  ResourceNotFound: "STORAGE_NOT_FOUND",
  ContainerNotFound: "REPOSITORY_NOT_FOUND",
  ContainerBeingDeleted: "REPOSITORY_NOT_FOUND",
  BlobAlreadyExists: "STORAGE_CONFLICT",
  ConditionNotMet: "STORAGE_CONFLICT",
  TargetConditionNotMet: "STORAGE_CONFLICT",
  /** Another put to the same key has committed: its store forgets all blocks that are not its own. */
  InvalidBlockList: "STORAGE_CONFLICT",
  InvalidResourceName: "CONFIG_INVALID",
  OutOfRangeInput: "CONFIG_INVALID",
  BlobImmutableDueToPolicy: "STORAGE_DENIED",
  /** A block that arrived with other bytes than were sent. */
  Md5Mismatch: "STORAGE_UNREACHABLE",
  AccountBeingCreated: "STORAGE_UNREACHABLE",
};
const STATUSES: Readonly<Record<number, ErrorCode>> = {
  404: "STORAGE_NOT_FOUND",
  408: "STORAGE_UNREACHABLE",
  412: "STORAGE_CONFLICT",
  413: "STORAGE_FULL",
  507: "STORAGE_FULL",
};
/** The SDK's word for an answer that is no XML. */
const UNPARSED = "PARSE_ERROR";
const TOO_FAST = new Set(["ServerBusy", "TooManyRequests", "AccountIOPSLimitExceeded"]);

const HINTS: Partial<Record<string, string>> = {
  REPOSITORY_NOT_FOUND: "Check --repository; containers are made with Azure's own tools: `az storage container create`.",
  CONFIG_INVALID:
    "Check --repository: names of containers are 3 to 63 lower-case letters, digits and single hyphens, those of accounts 3 to 24 letters and digits.",
  STORAGE_DENIED:
    "Check --azblob-credentials, or AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY and AZURE_STORAGE_SAS_TOKEN. A SAS needs the permissions racwdl on the container, and i to lock versions; an identity the role Storage Blob Data Contributor.",
  AuthenticationFailed:
    "Check --azblob-credentials, or AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY and AZURE_STORAGE_SAS_TOKEN: the account's key or SAS, its time of expiry, and this host's clock: requests that are 15 minutes off are refused.",
  AuthorizationPermissionMismatch: "Give the identity the role Storage Blob Data Contributor on the container.",
};

/** Whether these very credentials were refused: newer ones may be good. */
export function isCredentialsRefused(error: unknown): boolean {
  return statusOf(error) === 401 || codeOf(error) === "AuthenticationFailed";
}

/** The error of our table for what the SDK threw; `what` ("write a/b in azblob://…") begins the message. */
export function azblobError(what: string, error: unknown): unknown {
  if (error instanceof EtcdsafeError) return error;
  if (error instanceof NetworkError) return unreachable(what, error);
  if (error instanceof TokenError) {
    const code = error.isTransient ? "STORAGE_UNREACHABLE" : "STORAGE_DENIED";
    return new EtcdsafeError(code, `cannot ${what}: no access token for Azure: ${error.message}`, {
      hint: "Give --azblob-credentials, AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN; or check the workload identity, its token file, and this host's clock.",
    });
  }
  const status = statusOf(error);
  if (status === undefined) return error;
  if (status < 400 || (mayBeAnothers(status) && !isAzures(error))) return notTheStore(what, "Azure Blob Storage", "--azblob-endpoint", status);
  const reason = codeOf(error);
  const text = `cannot ${what}: ${reason === undefined ? "" : `${reason} `}(HTTP status ${status})`;
  if (status === 429 || (reason !== undefined && TOO_FAST.has(reason))) return new ThrottledError(text, { waitMs: waitMsOf(error) });
  const code = (reason === undefined ? undefined : CODES[reason]) ?? STATUSES[status] ?? (status >= 500 ? "STORAGE_UNREACHABLE" : "STORAGE_DENIED");
  const hint = (reason === undefined ? undefined : HINTS[reason]) ?? HINTS[code];
  return new EtcdsafeError(code, text, hint === undefined ? {} : { hint });
}

export function statusOf(error: unknown): number | undefined {
  const { statusCode } = error as Partial<RestError>;
  return typeof statusCode === "number" ? statusCode : undefined;
}

/** HEAD has no body: its code is in a header. */
function codeOf(error: unknown): string | undefined {
  const { code, response } = error as Partial<RestError>;
  return response?.headers.get("x-ms-error-code") ?? (statusOf(error) === undefined || code === UNPARSED ? undefined : code);
}

/** Whether the answer bears the signs of Azure's, which every one of its answers has. */
function isAzures(error: unknown): boolean {
  const { response } = error as Partial<RestError>;
  return ["x-ms-request-id", "x-ms-error-code", "x-ms-version"].some((name) => response?.headers.get(name) !== undefined);
}

/** RFC 9110 §10.2.3, its seconds. */
function waitMsOf(error: unknown): number | undefined {
  const seconds = (error as Partial<RestError>).response?.headers.get("retry-after");
  return seconds !== undefined && /^\d+$/.test(seconds) ? Number(seconds) * 1000 : undefined;
}
