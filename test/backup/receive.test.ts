import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { checkSpoolHash, receiveSnapshot } from "../../src/backup/receive.ts";
import { openSpool } from "../../src/bytes/spool.ts";
import type { SnapshotStream } from "../../src/cluster/snapshot-stream.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const DATA = Buffer.alloc(4096 * 300, "0123456789abcdef");
const WHOLE = Buffer.concat([DATA, createHash("sha256").update(DATA).digest()]);

test("receiving: the spool holds what was sent, and its hash is right", async () => {
  const { rawSizeBytes, content } = await receive(WHOLE);
  expect(content).toEqual(WHOLE);
  expect(rawSizeBytes).toBe(WHOLE.length);
});

test("receiving: a stream that ends without its hash is a cut stream, wherever it ends", async () => {
  for (const end of [0, 31, 4096, WHOLE.length - 32, WHOLE.length - 1])
    await expect(receive(WHOLE.subarray(0, end)), String(end)).rejects.toMatchObject({ code: "ETCD_STREAM_CUT" });
});

test("receiving: any changed byte is a wrong hash when the spool is read back, also one of the hash itself", async () => {
  for (const at of [0, 5000, DATA.length - 1, DATA.length, WHOLE.length - 1]) {
    const changed = Buffer.from(WHOLE);
    changed[at]! ^= 0x10;
    await expect(receive(changed), String(at)).rejects.toMatchObject({ code: "SNAPSHOT_HASH_MISMATCH" });
  }
});

test("receiving: an abort ends it", async () => {
  await expect(receive(WHOLE, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
});

async function receive(bytes: Buffer, signal: AbortSignal = new AbortController().signal) {
  await using directory = await temporaryDirectory("receive");
  await using spool = await openSpool(directory.path, bytes.length);
  const rawSizeBytes = await receiveSnapshot(streamOf(bytes), spool, { signal, runtime: testRuntime() });
  await checkSpoolHash(spool, rawSizeBytes, { signal });
  return { rawSizeBytes, content: await readFile(spool.path) };
}

/** In batches of a few odd-sized chunks, as they come from the network. */
function streamOf(bytes: Buffer): SnapshotStream {
  return {
    totalSizeBytes: bytes.length,
    storageVersion: undefined,
    lost: new AbortController().signal,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
    async *[Symbol.asyncIterator]() {
      for (let at = 0; at < bytes.length; at += 70_007) yield [bytes.subarray(at, at + 33_333), bytes.subarray(at + 33_333, at + 70_007)];
    },
  };
}
