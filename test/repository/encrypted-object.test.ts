// Stored objects that are encrypted: read with the right key, by range too, checked without any, and by the tools that a recovery by hand has.
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { provisionAge } from "../../scripts/provision/age.ts";
import { provisionZstd } from "../../scripts/provision/zstd.ts";
import type { AgeKeys } from "../../src/age/identities.ts";
import { collect, readerOf, streamOf } from "../../src/bytes/stream.ts";
import { FRAME_RAW_SIZE_BYTES } from "../../src/repository/frame-codec.ts";
import { checkStoredBytes, decodeObject, openObject } from "../../src/repository/object-decoder.ts";
import { encodeObject, type ObjectFacts } from "../../src/repository/object-encoder.ts";
import { runCommand } from "../support/command.ts";
import { runs, SEED } from "../support/counts.ts";
import { expectThrown } from "../support/failures.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const { signal } = new AbortController();
const KEY = "default/backups/x/snapshot.db.zst.age";
const FRAME = FRAME_RAW_SIZE_BYTES;

let identity: string;
let recipient: string;
let keys: AgeKeys;

beforeAll(async () => {
  identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
  keys = { identities: [identity], passphrase: undefined };
});

test.each([0, 1, FRAME, 2 * FRAME + 12_345])("encrypted object: %d bytes come back, also by the real age and zstd", async (sizeBytes) => {
  const { age } = await provisionAge();
  await using directory = await temporaryDirectory();
  const raw = content(sizeBytes);
  const { storage, facts, stored } = await encrypted(raw);
  expect(facts).toEqual({
    codec: ["zstd-seekable", "age"],
    storedSizeBytes: stored.length,
    storedSha256: sha256(stored),
    rawSizeBytes: sizeBytes,
    rawSha256: sha256(raw),
    encryption: { scheme: "age", recipients: [recipient], passphrase: false },
  });
  expect(sha256(await all(decodeObject(storage, KEY, facts, { signal, keys })))).toBe(facts.rawSha256);
  await checkStoredBytes(storage, KEY, facts, { signal });
  await writeFile(join(directory.path, "key.txt"), identity);
  const opened = await runCommand(age, ["-d", "-i", join(directory.path, "key.txt")], { stdin: stored });
  const unpacked = await runCommand(await provisionZstd(), ["-d", "-c", "-q"], { stdin: opened.stdoutBytes });
  expect(sha256(unpacked.stdoutBytes)).toBe(facts.rawSha256);
});

test("encrypted object: any range can be read by itself", async () => {
  const raw = content(3 * FRAME + 12_345);
  const { storage, facts } = await encrypted(raw);
  const reader = await openObject(storage, KEY, facts, { signal, keys });
  const edges = [0, 1, FRAME - 1, FRAME + 1, 2 * FRAME, raw.length - 1, raw.length];
  for (const start of edges) {
    for (const end of edges.filter((end) => end >= start)) {
      expect(sha256(await reader.readRaw({ start, end }, { signal }))).toBe(sha256(raw.subarray(start, end)));
    }
  }
});

test("encrypted object: without the right key, none of it is read", async () => {
  const { storage, facts } = await encrypted(content(1000));
  await expectThrown(
    "DECRYPTION_KEY_MISSING",
    () => openObject(storage, KEY, facts, { signal }),
    new RegExp(`encrypted to ${recipient}, and no key was given`),
  );
  const others = { identities: [await generateX25519Identity()], passphrase: "a passphrase" };
  await expectThrown("DECRYPTION_FAILED", () => openObject(storage, KEY, facts, { signal, keys: others }), /encrypted to others than the identity given/);
});

test("encrypted object: damage anywhere is found, with a key and without", async () => {
  const { storage: whole, facts, stored } = await encrypted(content(FRAME + 1000));
  expect(whole.bytesOf(KEY)).toEqual(stored);
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: stored.length - 1 })),
      fc.integer({ min: 1, max: 255 }),
      async (at, flip) => {
        const storage = new MemoryStorage();
        await storage.put(KEY, streamOf(stored.with(at, stored[at]! ^ flip)), { signal });
        await expect(all(decodeObject(storage, KEY, facts, { signal, keys }))).rejects.toMatchObject({
          code: expect.stringMatching(/^(OBJECT_CORRUPT|OBJECT_TRUNCATED|DECRYPTION_FAILED)$/),
        });
        await expectThrown("OBJECT_CORRUPT", () => checkStoredBytes(storage, KEY, facts, { signal }), /SHA-256 of its stored bytes/);
      },
    ),
    { seed: SEED, numRuns: runs(30, 1000) },
  );
});

async function encrypted(raw: Uint8Array): Promise<{ storage: MemoryStorage; facts: ObjectFacts; stored: Uint8Array }> {
  const storage = new MemoryStorage();
  const encoded = encodeObject(readerOf(streamOf(raw)), { signal, encryption: { recipients: [recipient, recipient] } });
  await storage.put(KEY, encoded.stored, { signal });
  return { storage, facts: encoded.facts(), stored: storage.bytesOf(KEY)! };
}

function content(sizeBytes: number): Uint8Array {
  return Buffer.alloc(sizeBytes, "some keys and values, of which a keyspace has many; ");
}

function all(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  return collect(stream, 1 << 30, () => new Error("too long"));
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
