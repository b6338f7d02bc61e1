import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { checkReceived, checkSpoolHash, receiveSnapshot, type Way } from "../../src/backup/receive.ts";
import { openSpool } from "../../src/bytes/spool.ts";
import type { SnapshotStream } from "../../src/cluster/snapshot-stream.ts";
import type { EtcdsafeError } from "../../src/errors.ts";
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

test("receiving: what may have changed the bytes depends on where they were", async () => {
  const changed = Buffer.from(WHOLE);
  changed[5000]! ^= 0x10;
  const hintOf = (error: unknown) => (error as EtcdsafeError).hint;
  const spooled = "or the disk of /var/spool/etcdsafe.";
  const again = "Run it again; if it stays so, suspect a proxy in between";
  const received = { rawSizeBytes: 1024 + 32, dataSizeBytes: 1024, rawSha256: "", dataSha256: "a", trailer: "b" };
  const hint = (way: Way) => {
    try {
      checkReceived(received, way);
    } catch (error) {
      return hintOf(error);
    }
    return undefined;
  };
  expect(hint({ spoolDirectory: "/var/spool/etcdsafe" })).toBe(
    `The bytes changed on the way, in memory or in the local copy; nothing was published. ${again}, this host's memory, ${spooled}`,
  );
  expect(hint({})).toBe(`The bytes changed on the way or in memory; nothing was published. ${again}, or this host's memory.`);
  expect(hint({ passedOn: true })).toBe(`The bytes changed on the way or in memory; what was passed on is no snapshot. ${again}, or this host's memory.`);
  await expect(receive(changed)).rejects.toMatchObject({ hint: expect.stringMatching(/, or the disk of \/.*etcdsafe-receive-\w+\.$/) });
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
