// One multipart upload: begun, given its parts, completed or aborted. https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
import { createHash } from "node:crypto";
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { crc32c } from "../bytes/crc32c.ts";
import { combineCrc32c } from "../bytes/crc32c-combine.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import { type Committed, type Conditions, committed } from "./s3-commit.ts";
import { isMissing, PUT_ID, type S3Place } from "./s3-objects.ts";

/** S3's own limits; the last part alone may be shorter. */
export const PART_SIZE_BYTES_MIN: number = 5 * 1024 * 1024;
export const PARTS_MAX = 10_000;
/** How long a failed put waits for what it began to be given up. */
const ABORT_LIMIT_MS = 10_000;
/** A part that was on its way may arrive after the abort, which is therefore done until there is no such upload: S3's own advice. */
const ABORTS_MAX = 5;
const ABORT_AGAIN_MS = 100;

export interface MultipartTarget {
  readonly key: string;
  /** "write a/b in s3://bucket" */
  readonly what: string;
  readonly putId: string;
  readonly conditions: Conditions;
}

interface Part {
  readonly etag: string | undefined;
  readonly crc: string | undefined;
  readonly sizeBytes: number;
}

export class MultipartUpload {
  readonly #place: S3Place;
  readonly #target: MultipartTarget;
  readonly #uploadId: string;
  /** Whether the store computes the checksum of the whole from those of the parts, and so can be held to it. */
  readonly #checksWhole: boolean;
  readonly #parts = new Map<number, Part>();

  private constructor(place: S3Place, target: MultipartTarget, uploadId: string, checksWhole: boolean) {
    this.#place = place;
    this.#target = target;
    this.#uploadId = uploadId;
    this.#checksWhole = checksWhole;
  }

  static async begin(place: S3Place, target: MultipartTarget, options: CallOptions): Promise<MultipartUpload> {
    const { connection, names } = place;
    const { bucket, parameters, requestChecksums } = connection;
    const input = {
      Bucket: bucket,
      Key: names.nameOf(target.key),
      Metadata: { [PUT_ID]: target.putId },
      ...parameters.write,
      ...parameters.key,
      ...(requestChecksums && ({ ChecksumAlgorithm: "CRC32C", ChecksumType: "FULL_OBJECT" } as const)),
    };
    const begun = await connection.ask(target.what, (client, send) => client.send(new CreateMultipartUploadCommand(input), send), options);
    if (begun.UploadId === undefined) throw new EtcdsafeError("STORAGE_UNREACHABLE", `cannot ${target.what}: the store began no upload`);
    return new MultipartUpload(place, target, begun.UploadId, requestChecksums && begun.ChecksumType === "FULL_OBJECT");
  }

  /** Sent again, as it is, until the store has it: `bytes` must not change meanwhile. Numbers count from 1. */
  async add(number: number, bytes: Uint8Array, options: CallOptions): Promise<void> {
    const { connection } = this.#place;
    const crc = connection.requestChecksums ? base64OfCrc32c(crc32c(bytes)) : undefined;
    const input = { ...this.#named(), PartNumber: number, Body: bytes, ...connection.parameters.key, ...checksumOf(bytes, crc) };
    const { ETag: etag } = await connection.ask(this.#target.what, (client, send) => client.send(new UploadPartCommand(input), send), options);
    this.#parts.set(number, { etag, crc, sizeBytes: bytes.length });
  }

  /** A part out of a stored object, of this version. */
  async copy(
    number: number,
    source: { readonly key: string; readonly version: string; readonly start: number; readonly end: number },
    options: CallOptions,
  ): Promise<void> {
    const { connection, names } = this.#place;
    const { bucket, parameters } = connection;
    const input = {
      ...this.#named(),
      PartNumber: number,
      CopySource: `${bucket}/${names.nameOf(source.key).split("/").map(encodeURIComponent).join("/")}`,
      CopySourceRange: `bytes=${source.start}-${source.end - 1}`,
      CopySourceIfMatch: `"${source.version}"`,
      ...parameters.key,
      ...parameters.source,
    };
    const { CopyPartResult: part } = await connection.ask(this.#target.what, (client, send) => client.send(new UploadPartCopyCommand(input), send), options);
    this.#parts.set(number, { etag: part?.ETag, crc: part?.ChecksumCRC32C, sizeBytes: source.end - source.start });
  }

  /** Makes the object. */
  async complete(options: CallOptions): Promise<Committed & { readonly sizeBytes: number }> {
    const numbers = [...this.#parts.keys()].sort((a, b) => a - b);
    const parts = numbers.map((number) => this.#parts.get(number) as Part);
    const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
    const whole = this.#checksWhole ? wholeChecksum(parts) : undefined;
    const completed = parts.map(
      ({ etag, crc }, index): CompletedPart => ({ PartNumber: numbers[index] as number, ETag: etag as string, ...(crc && { ChecksumCRC32C: crc }) }),
    );
    const input = {
      ...this.#named(),
      ...this.#place.connection.parameters.key,
      ...this.#target.conditions,
      ...(whole !== undefined && ({ ChecksumCRC32C: whole, ChecksumType: "FULL_OBJECT", MpuObjectSize: sizeBytes } as const)),
      MultipartUpload: { Parts: completed },
    };
    const result = await committed(this.#place, this.#target, (client, send) => client.send(new CompleteMultipartUploadCommand(input), send), options);
    return { ...result, sizeBytes };
  }

  /** Whatever went wrong before: the parts are given up, as far as the store can be reached at once. */
  async abort(): Promise<void> {
    const { connection } = this.#place;
    const options = { signal: AbortSignal.timeout(ABORT_LIMIT_MS) };
    const abort = () => connection.once(this.#target.what, (client, send) => client.send(new AbortMultipartUploadCommand(this.#named()), send), options);
    try {
      for (let round = 1; round <= ABORTS_MAX; round++) {
        const isGone = await abort().then(
          () => false,
          (error: unknown) => isMissing(error, "NoSuchUpload"),
        );
        if (isGone) return;
        await connection.runtime.sleep(ABORT_AGAIN_MS * round, options.signal);
      }
    } catch {
      // Out of time. `repo gc` finds what is left.
    }
  }

  #named(): { Bucket: string; Key: string; UploadId: string } {
    const { connection, names } = this.#place;
    return { Bucket: connection.bucket, Key: names.nameOf(this.#target.key), UploadId: this.#uploadId };
  }
}

/** By which the store refuses bytes that were changed on the way. */
export function checksumOf(bytes: Uint8Array, crc: string | undefined): { ChecksumCRC32C: string } | { ContentMD5: string } {
  return crc === undefined ? { ContentMD5: createHash("md5").update(bytes).digest("base64") } : { ChecksumCRC32C: crc };
}

export function base64OfCrc32c(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString("base64");
}

/** Undefined where the store did not tell the checksum of a part that it copied. */
function wholeChecksum(parts: readonly Part[]): string | undefined {
  let whole = 0;
  for (const { crc, sizeBytes } of parts) {
    if (crc === undefined) return undefined;
    whole = combineCrc32c(whole, Buffer.from(crc, "base64").readUInt32BE(), sizeBytes);
  }
  return base64OfCrc32c(whole);
}
