// Whether S3 encrypts as it was asked to: one that does says so in its answer, and compatibles that know nothing of it store what they are given as it is.
import type { IncomingHttpHeaders } from "node:http";
import { EtcdsafeError } from "../errors.ts";

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html and API_CreateMultipartUpload.html: headers of the request and of the answer alike. */
const ASKED = ["x-amz-server-side-encryption", "x-amz-server-side-encryption-customer-algorithm"];

export interface MakingRequest {
  readonly method: string;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
}

/** Of requests that make an object, or begin to. Throws CONFIG_INVALID where the answer does not say what was asked for. */
export function requireSse({ method, query, headers }: MakingRequest, answer: { readonly status: number; readonly headers: IncomingHttpHeaders }): void {
  const makes = (method === "PUT" && query["partNumber"] === undefined) || (method === "POST" && query["uploads"] !== undefined);
  if (!makes || answer.status >= 300) return;
  const ignored = ASKED.find((name) => headers[name] !== undefined && answer.headers[name] !== headers[name]);
  if (ignored === undefined) return;
  throw new EtcdsafeError("CONFIG_INVALID", `the store does not encrypt as --s3-sse asks: its answer to ${ignored}: ${headers[ignored]} does not say so`, {
    hint: "Leave --s3-sse out, and encrypt before anything leaves this host: --recipient. What was sent until now, no more than the first object, was stored as it is.",
  });
}
