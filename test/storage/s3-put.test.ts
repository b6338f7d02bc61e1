import { setTimeout as sleep } from "node:timers/promises";
import { AbortMultipartUploadCommand, CreateMultipartUploadCommand, UploadPartCommand } from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import { EtcdsafeError } from "../../src/errors.ts";
import { buffersOf } from "../../src/storage/buffers.ts";
import { S3Refusal } from "../../src/storage/s3-errors.ts";
import { type S3Place, s3Names } from "../../src/storage/s3-objects.ts";
import { BUFFERS_MAX, PART_SIZE_BYTES, putStream } from "../../src/storage/s3-put.ts";
import { inChunks, pattern, signal } from "../conformance/objects.ts";
import { expectThrown } from "../support/failures.ts";
import { testRuntime } from "../support/test-runtime.ts";

test("s3 storage: an upload that fails is aborted when no part of it is on its way any more", async () => {
  const order: string[] = [];
  let isAborted = false;
  const client = {
    send: async (command: unknown) => {
      if (command instanceof CreateMultipartUploadCommand) return { UploadId: "u" };
      if (command instanceof UploadPartCommand) {
        if (command.input.PartNumber === 2) throw new EtcdsafeError("STORAGE_DENIED", "no second part");
        await sleep(100); // Taken by the store, whoever has given up waiting for it.
        order.push("part");
      }
      if (command instanceof AbortMultipartUploadCommand && order.push("abort") && isAborted)
        throw new EtcdsafeError("STORAGE_NOT_FOUND", "gone", { cause: new S3Refusal("NoSuchUpload", 404) });
      isAborted ||= command instanceof AbortMultipartUploadCommand;
      return { ETag: '"e"' };
    },
  };
  const asked = (_: string, step: (sender: unknown, send: unknown, attempt: number) => Promise<unknown>) => step(client, {}, 1);
  const connection = { bucket: "b", parameters: { write: {}, key: {}, source: {} }, requestChecksums: true, runtime: testRuntime(), ask: asked, once: asked };
  const place = { connection, location: "s3://b", names: s3Names("") } as unknown as S3Place;
  const body = inChunks(pattern(2 * PART_SIZE_BYTES), 1 << 20);
  await expectThrown("STORAGE_DENIED", () => putStream(place, "k", body, buffersOf(PART_SIZE_BYTES, BUFFERS_MAX), { signal }), /no second part/);
  expect(order).toEqual(["part", "abort", "abort"]);
});
