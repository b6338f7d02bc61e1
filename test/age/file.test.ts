// Age files, both ways: every length near a chunk's edge, any range, any changed byte, the real `age`, and the library that wraps the keys.
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as library from "age-encryption";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { provisionAge } from "../../scripts/provision/age.ts";
import { CHUNK_SIZE_BYTES, HEADER_SIZE_BYTES_MAX, SCRYPT_WORK_FACTOR_MAX, STANZAS_MAX } from "../../src/age/constants.ts";
import { type AgeFile, encryptAge, newHeader, openAge } from "../../src/age/file.ts";
import { parseHeader } from "../../src/age/header.ts";
import { type AgeKeys, identityFault, recipientOf } from "../../src/age/identities.ts";
import { recipientFault } from "../../src/age/recipients.ts";
import { collect, streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { outputOf, runCommand } from "../support/command.ts";
import { runs, SEED } from "../support/counts.ts";
import { expectThrown } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { rangedBytes } from "./ranged-bytes.ts";

const { signal } = new AbortController();
const EDGES = [0, 1, CHUNK_SIZE_BYTES - 1, CHUNK_SIZE_BYTES, CHUNK_SIZE_BYTES + 1, 2 * CHUNK_SIZE_BYTES, 40 * CHUNK_SIZE_BYTES + 4321];
/** 1 MiB of memory: enough for a test. */
const WORK_FACTOR = 10;

let own: { readonly identity: string; readonly recipient: string };
let other: typeof own;

beforeAll(async () => {
  [own, other] = await Promise.all([newKey(), newKey()]);
});

describe("age file: round trip", () => {
  test.each(EDGES)("of %d bytes, by every recipient's identity, the real age and the library", async (sizeBytes) => {
    const { age } = await provisionAge();
    await using directory = await temporaryDirectory();
    const plain = randomBytes(sizeBytes);
    const file = await encrypted(plain, [own.recipient, other.recipient]);
    for (const { identity } of [own, other]) {
      expectSame(await plainOf(file, keysOf(identity)), plain);
      await writeFile(join(directory.path, "key.txt"), `# a comment\n${identity}\n`);
      const byAge = await runCommand(age, ["-d", "-i", join(directory.path, "key.txt")], { stdin: file });
      expect(byAge.stderr).toBe("");
      expectSame(Buffer.from(byAge.stdoutBytes), plain);
      const decrypter = new library.Decrypter();
      decrypter.addIdentity(identity);
      expectSame(Buffer.from(await decrypter.decrypt(file)), plain);
    }
  });

  test.each(EDGES)("of %d bytes that the real age encrypted", async (sizeBytes) => {
    const { age } = await provisionAge();
    const plain = randomBytes(sizeBytes);
    const result = await runCommand(age, ["-r", other.recipient, "-r", own.recipient], { stdin: plain });
    expectSame(await plainOf(result.stdoutBytes, keysOf(own.identity)), plain);
  });

  test.each([0, CHUNK_SIZE_BYTES + 1])("of %d bytes under a passphrase, also by the library, and what the library encrypted", async (sizeBytes) => {
    const plain = randomBytes(sizeBytes);
    const passphrase = "correct horse – Ünïcode";
    const file = await collect(encryptAge(streamOf(plain), { passphrase, workFactor: WORK_FACTOR }), 1e9, () => new Error());
    const decrypter = new library.Decrypter();
    decrypter.addPassphrase(passphrase);
    expectSame(Buffer.from(await decrypter.decrypt(file)), plain);
    const encrypter = new library.Encrypter();
    encrypter.setPassphrase(passphrase);
    encrypter.setScryptWorkFactor(WORK_FACTOR);
    for (const each of [file, await encrypter.encrypt(plain)]) expectSame(await plainOf(each, { identities: [], passphrase }), plain);
    const mac = Buffer.from(file).indexOf("\n--- ") + 6;
    const remade = Buffer.from(file).with(mac, file[mac] === 65 ? 66 : 65);
    await expectThrown("OBJECT_CORRUPT", () => plainOf(remade, { identities: [], passphrase }), /the MAC of its header is wrong/);
    await expectThrown("DECRYPTION_FAILED", () => plainOf(file, { identities: [], passphrase: "another" }), /encrypted with another passphrase/);
    await expectThrown("DECRYPTION_KEY_MISSING", () => plainOf(file, keysOf(own.identity)), /encrypted with a passphrase, and none was given/);
  });

  test("does not depend on how the bytes arrive", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 3 * CHUNK_SIZE_BYTES }), { maxLength: 6 }), async (sizes) => {
        const pieces = sizes.map((size) => randomBytes(size));
        const file = await collect(encryptAge(streamOf(...pieces), { recipients: [own.recipient] }), 1e9, () => new Error());
        expectSame(await plainOf(file, keysOf(own.identity)), Buffer.concat(pieces));
      }),
      { seed: SEED, numRuns: runs(25, 500) },
    );
  });

  test("any range is read by itself, with no more than the chunks around it", async () => {
    const plain = randomBytes(5 * CHUNK_SIZE_BYTES + 99);
    const stored = rangedBytes(await encrypted(plain, [own.recipient]));
    let readBytes = 0;
    const counting = {
      ...stored,
      read: (range: { start: number; end: number }) => {
        readBytes += range.end - range.start;
        return stored.read(range, { signal });
      },
    };
    const file = await openAge(counting, keysOf(own.identity), "it", { signal });
    const edge = fc.oneof(fc.integer({ min: 0, max: plain.length }), fc.constantFrom(0, CHUNK_SIZE_BYTES, 5 * CHUNK_SIZE_BYTES, plain.length));
    await fc.assert(
      fc.asyncProperty(edge, edge, async (a, b) => {
        const range = { start: Math.min(a, b), end: Math.max(a, b) };
        readBytes = 0;
        expectSame(await readAll(file, range), plain.subarray(range.start, range.end));
        expect(readBytes).toBeLessThan(range.end - range.start + 2 * CHUNK_SIZE_BYTES + 200);
      }),
      { seed: SEED, numRuns: runs(40, 1000) },
    );
  });

  test("another header for the same file key opens the same payload, and only to whom it says", async () => {
    const plain = randomBytes(70_000);
    const file = await encrypted(plain, [own.recipient]);
    const { fileKey, headerSizeBytes } = await openAge(rangedBytes(file), keysOf(own.identity), "it", { signal });
    const again = Buffer.concat([await newHeader(fileKey, { recipients: [other.recipient] }), file.subarray(headerSizeBytes)]);
    expectSame(await plainOf(again, keysOf(other.identity)), plain);
    await expectThrown("DECRYPTION_FAILED", () => plainOf(again, keysOf(own.identity)), /encrypted to others than the identity given/);
  });
});

describe("age file: damage", () => {
  test("any changed byte is found, and what came before its chunk is right", async () => {
    const plain = randomBytes(2 * CHUNK_SIZE_BYTES + 500);
    const file = await encrypted(plain, [own.recipient]);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: file.length - 1 })),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const changed = file.with(at, file[at]! ^ flip);
          const got: Buffer[] = [];
          const error = await plainOf(changed, keysOf(own.identity), got).catch((thrown: unknown) => thrown);
          expect(error).toBeInstanceOf(EtcdsafeError);
          expect((error as EtcdsafeError).code).toMatch(/^(OBJECT_CORRUPT|OBJECT_TRUNCATED|DECRYPTION_FAILED)$/);
          expectSame(Buffer.concat(got), plain.subarray(0, Buffer.concat(got).length));
        },
      ),
      { seed: SEED, numRuns: runs(150, 5000) },
    );
  });

  test("a file that is cut short anywhere is not taken for a whole one", async () => {
    const file = await encrypted(randomBytes(CHUNK_SIZE_BYTES + 500), [own.recipient]);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: file.length - 1 }), async (length) => {
        await expect(plainOf(file.subarray(0, length), keysOf(own.identity))).rejects.toMatchObject({
          code: expect.stringMatching(/^OBJECT_(CORRUPT|TRUNCATED)$/),
        });
      }),
      { seed: SEED, numRuns: runs(60, 2000) },
    );
  });

  test("a header beyond the limits is refused before any key is tried", () => {
    const stanza = "-> grease x\nAAAA\n";
    for (const header of [stanza.repeat(STANZAS_MAX + 1), `-> grease ${"x".repeat(HEADER_SIZE_BYTES_MAX)}\n`, "-> grease\n".repeat(1)]) {
      expect(() => parseHeader(Buffer.from(`age-encryption.org/v1\n${header}`), "it")).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^OBJECT_/) }),
      );
    }
    expect(() => parseHeader(Buffer.from(`age-encryption.org/v1\n${stanza.repeat(STANZAS_MAX + 1)}`), "it")).toThrow(/more than 1000 recipients/);
    expect(() => parseHeader(Buffer.from(`age-encryption.org/v1\n-> ${"x".repeat(HEADER_SIZE_BYTES_MAX)}\n`), "it")).toThrow(/longer than 65536 bytes/);
  });

  test("a work factor that would take gigabytes is refused at once", async () => {
    const header = `age-encryption.org/v1\n-> scrypt ${"A".repeat(22)} ${SCRYPT_WORK_FACTOR_MAX + 1}\n${"A".repeat(43)}\n--- ${"A".repeat(43)}\n`;
    await expectThrown(
      "OBJECT_CORRUPT",
      () => plainOf(Buffer.from(header), { identities: [], passphrase: "x" }),
      /work factor of 21, and more than 20 is not tried/,
    );
  });
});

describe("age file: a file key that is given", () => {
  test("opens its file, without any identity, and no other one: that takes an identity", async () => {
    const [plain, others] = [randomBytes(100), randomBytes(100)];
    const file = await encrypted(plain, [own.recipient]);
    const { fileKey } = await openAge(rangedBytes(file), keysOf(own.identity), "it", { signal });
    const given: AgeKeys = { identities: [], passphrase: undefined, fileKey };
    expectSame(await plainOf(file, given), plain);
    const another = await encrypted(others, [other.recipient]);
    await expectThrown("DECRYPTION_KEY_MISSING", () => plainOf(another, given), /no identity was given/);
    expectSame(await plainOf(another, { ...given, identities: [other.identity] }), others);
  });

  test("opens nothing behind a header that somebody changed", async () => {
    const file = await encrypted(randomBytes(100), [own.recipient]);
    const { fileKey } = await openAge(rangedBytes(file), keysOf(own.identity), "it", { signal });
    const added = Buffer.from(Buffer.from(file).toString("latin1").replace("\n--- ", "\n-> somebody else\n\n--- "), "latin1");
    await expectThrown("DECRYPTION_KEY_MISSING", () => plainOf(added, { identities: [], passphrase: undefined, fileKey }), /no identity was given/);
    await expectThrown("OBJECT_CORRUPT", () => plainOf(added, { ...keysOf(own.identity), fileKey }), /the MAC of its header is wrong/);
  });
});

describe("age keys", () => {
  test("of an identity, the recipient is the one that age-keygen prints", async () => {
    expect(await recipientOf(own.identity)).toBe(own.recipient);
    expect(await recipientFault(own.recipient)).toBeUndefined();
    expect(await identityFault(own.identity)).toBeUndefined();
  });

  test("what is no X25519 recipient is refused, and said why", async () => {
    expect(await recipientFault(own.identity)).toMatch(/is an identity, which is secret/);
    expect(await recipientFault(`${own.recipient.slice(0, -1)}${own.recipient.endsWith("q") ? "p" : "q"}`)).toMatch(/typing error/);
    for (const text of ["age1pq1qqqq", "age1yubikey1qqq", "ssh-ed25519 AAAA"]) expect(await recipientFault(text), text).toMatch(/X25519 only/);
    expect(await recipientFault("nobody")).toBe("is no age recipient");
  });

  test("what is no X25519 identity is refused, and not repeated", async () => {
    expect(await identityFault(own.recipient)).toMatch(/is a recipient/);
    expect(await identityFault(`${own.identity.slice(0, -1)}${own.identity.endsWith("Q") ? "P" : "Q"}`)).toMatch(/typing error/);
    for (const text of ["AGE-SECRET-KEY-PQ-1QQ", "AGE-PLUGIN-YUBIKEY-1QQ"]) expect(await identityFault(text), text).toMatch(/X25519 only/);
    expect(await identityFault("-----BEGIN AGE ENCRYPTED FILE-----")).toBe("is no age identity");
  });
});

/** `toEqual` takes a second for a megabyte. */
function expectSame(found: Uint8Array, wanted: Uint8Array): void {
  expect(found.length).toBe(wanted.length);
  expect(Buffer.compare(found, wanted)).toBe(0);
}

async function newKey(): Promise<typeof own> {
  const text = await outputOf((await provisionAge())["age-keygen"], []);
  return { identity: /^AGE-SECRET-KEY-1.*$/m.exec(text)![0], recipient: /public key: (age1\S+)/.exec(text)![1]! };
}

function keysOf(identity: string): AgeKeys {
  return { identities: [identity], passphrase: undefined };
}

function encrypted(plain: Uint8Array, recipients: readonly string[]): Promise<Uint8Array> {
  return collect(encryptAge(streamOf(plain), { recipients }), 1e9, () => new Error());
}

async function plainOf(file: Uint8Array, keys: AgeKeys, got: Buffer[] = []): Promise<Buffer> {
  const opened = await openAge(rangedBytes(file), keys, "it", { signal });
  return readAll(opened, { start: 0, end: opened.sizeBytes }, got);
}

async function readAll(file: AgeFile, range: { start: number; end: number }, got: Buffer[] = []): Promise<Buffer> {
  for await (const chunk of file.read(range, { signal })) got.push(Buffer.from(chunk));
  return Buffer.concat(got);
}
