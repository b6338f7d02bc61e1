// What etcd's refusals mean, by their text: 3.4 and 3.5 send many of them with the code Unknown (etcd-formats §1.2).
import { type ErrorCode, EtcdsafeError, type FormatError } from "../errors.ts";

/** A call that was refused, or failed, with a status. */
export class GrpcStatusError extends Error {
  readonly status: number;

  /** `status`: grpc's number; `message`: etcd's words. */
  constructor(status: number, message: string) {
    super(message);
    this.name = "GrpcStatusError";
    this.status = status;
  }
}

/** A call without a status: the connection or the stream ended first. */
export class StreamLostError extends Error {
  override readonly name = "StreamLostError";
}

/** grpc `codes.Unimplemented`. */
const UNIMPLEMENTED = 12;

/** api/v3rpc/rpctypes/error.go; the text is looked for anywhere, because 3.4 and 3.5 leave "etcdserver: " out of some. */
const REFUSALS: readonly (readonly [text: string, code: ErrorCode, hint?: string])[] = [
  ["authentication failed, invalid user ID or password", "ETCD_AUTH_FAILED"],
  [
    "user name is empty",
    "ETCD_AUTH_FAILED",
    "etcd wants to know who asks: give --user and --password-file, or a client certificate whose common name is a user.",
  ],
  [
    "password was given for no password user",
    "ETCD_AUTH_FAILED",
    "That user was made without a password (`etcdctl user add --no-password`): give a client certificate whose common name is the user, and no --user.",
  ],
  ["invalid auth token", "ETCD_AUTH_FAILED"],
  ["revision of auth store is old", "ETCD_AUTH_FAILED"],
  ["permission denied", "ETCD_PERMISSION_DENIED"],
  ["rpc not supported for learner", "ETCD_LEARNER_ONLY"],
  ["waiting for the applied index took too long", "ETCD_MEMBER_STALE"],
  ["no leader", "ETCD_NO_QUORUM"],
  ["request timed out", "ETCD_NO_QUORUM"],
  ["server stopped", "ETCD_UNREACHABLE"],
  ["instead of gRPC", "ETCD_REQUEST_FAILED", "What answers there is not etcd, or a proxy that did not reach it: give etcd's client URLs in --endpoints."],
];

/** `what`: the call, e.g. `Maintenance/Status`. */
export function refusal(endpoint: string, what: string, fault: GrpcStatusError): EtcdsafeError {
  const [, code, hint] = REFUSALS.find(([text]) => fault.message.includes(text)) ?? ["", "ETCD_REQUEST_FAILED" as const];
  const words = fault.message === "" ? `gRPC status ${fault.status}` : fault.message;
  return new EtcdsafeError(code, `${endpoint}: ${what} failed: ${words}`, { cause: fault, ...(hint === undefined ? {} : { hint }) });
}

/** Whether `error` is a refusal with these of etcd's words in it. */
export function wasRefused(error: unknown, words: string): boolean {
  return error instanceof EtcdsafeError && error.cause instanceof GrpcStatusError && error.cause.message.includes(words);
}

/** `what`: "the snapshot stream", "an answer". */
export function malformed(endpoint: string, what: string, fault: FormatError): EtcdsafeError {
  return new EtcdsafeError("ETCD_REQUEST_FAILED", `${endpoint}: ${what} is not what etcd sends: ${fault.message}`, {
    hint: "What answers there is not etcd, or its bytes changed on the way. Run it again, and look at what is in between if it stays so.",
    cause: fault,
  });
}

/** Whether logging in again may help: tokens live 5 minutes, and any change of users makes older ones stale. */
export function wantsNewToken(error: unknown): boolean {
  return ["invalid auth token", "revision of auth store is old", "user name is empty"].some((words) => wasRefused(error, words));
}

/** Whether the member does not know the call. */
export function isUnimplemented(error: unknown): boolean {
  return error instanceof EtcdsafeError && error.cause instanceof GrpcStatusError && error.cause.status === UNIMPLEMENTED;
}
