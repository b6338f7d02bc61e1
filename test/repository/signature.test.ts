// Signatures of manifests: as openssl makes them, and believed only where a trusted key made them over these very bytes.
import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { encodeManifest, readManifest } from "../../src/repository/manifest.ts";
import { manifestKey } from "../../src/repository/names.ts";
import { encodeSignature, readSigningKey, readTrustedKey, type SigningKey, signatureKey, TRUSTED_KEY } from "../../src/repository/signature.ts";
import { isSigned, onlySigned } from "../../src/repository/trusted-manifests.ts";
import { expectThrown } from "../support/failures.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { newSigningKey } from "../support/signing-key.ts";
import { sampleManifest } from "./sample-manifest.ts";

const { signal } = new AbortController();
const MANIFEST = sampleManifest();
const KEY = manifestKey(MANIFEST.cluster, MANIFEST.id);
const BYTES = encodeManifest(MANIFEST);

/** RFC 8032 §7.1, test 1, as `openssl genpkey` and `openssl pkey -pubout` write keys; and what `openssl pkeyutl -sign -rawin` made with it. */
const PRIVATE = `-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n`;
const PUBLIC = `-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n`;
const RAW = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const BY_OPENSSL = "oFJUZtNnwp0KLDupQryyNpmfgzm2VtmWOC0Y5OnPHsA3j2BEKEOdrFaO6fGVozqTU2H7vkNrzPyfqEQb4VlUAA==";

test("signature: with openssl's keys, the one that openssl makes over the text that the format names", () => {
  const signing = readSigningKey(PRIVATE) as SigningKey;
  expect(signing.publicKey).toBe(RAW);
  expect(RAW).toMatch(TRUSTED_KEY);
  expect(readTrustedKey(PUBLIC)).toEqual({ publicKey: RAW });
  const document = JSON.parse(Buffer.from(encodeSignature(KEY, Buffer.from("a manifest"), signing)).toString());
  expect(document.signatures).toEqual([{ algorithm: "ed25519", publicKey: RAW, signature: BY_OPENSSL }]);
});

test("signature: other kinds of keys are refused, and said why", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  expect(readSigningKey(privateKey.export({ type: "pkcs8", format: "pem" }).toString())).toMatch(/another kind than Ed25519/);
  expect(readTrustedKey(publicKey.export({ type: "spki", format: "pem" }).toString())).toMatch(/another kind than Ed25519/);
  const encrypted = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" });
  expect(readSigningKey(encrypted.toString())).toMatch(/is encrypted/);
  expect(readSigningKey("nothing")).toMatch(/holds no private key/);
  expect(readTrustedKey("nothing")).toMatch(/holds no public key/);
});

test("trusted manifests: read where a trusted key has signed these bytes under this key, and in no other case", async () => {
  const [signer, other] = [newSigningKey(), newSigningKey()];
  const store = async (bytes: Uint8Array, signature: Uint8Array | undefined) => {
    const storage = new MemoryStorage();
    await storage.put(KEY, streamOf(bytes), { signal });
    if (signature !== undefined) await storage.put(signatureKey(KEY), streamOf(signature), { signal });
    return onlySigned(storage, [signer.publicKey]);
  };
  const read = async (bytes: Uint8Array, signature: Uint8Array | undefined) =>
    readManifest(await store(bytes, signature), MANIFEST.cluster, MANIFEST.id, { signal });
  const good = encodeSignature(KEY, BYTES, signer);
  expect(await read(BYTES, good)).toEqual(MANIFEST);
  const changed = encodeManifest({ ...MANIFEST, stateWhy: "somebody says so" });
  await expectThrown("MANIFEST_UNTRUSTED", () => read(BYTES, undefined), /is not signed/);
  await expectThrown("MANIFEST_UNTRUSTED", () => read(changed, good), /is not the manifest that was signed/);
  await expectThrown("MANIFEST_UNTRUSTED", () => read(changed, encodeSignature(KEY, changed, other)), /which no --trusted-key names/);
  // As if the stranger had put the trusted key's name on his own signature.
  const forged = Buffer.from(encodeSignature(KEY, changed, other))
    .toString()
    .replace(other.publicKey, signer.publicKey);
  await expectThrown("MANIFEST_UNTRUSTED", () => read(changed, Buffer.from(forged)), /was not made with the key it names/);
  await expectThrown("MANIFEST_UNTRUSTED", () => read(BYTES, Buffer.from("{")), /signature that cannot be read/);
  // Bytes of one backup under the name of another: the signature is good, and the manifest says whose it is.
  const moved = new MemoryStorage();
  const elsewhere = manifestKey("elsewhere", MANIFEST.id);
  await moved.put(elsewhere, streamOf(BYTES), { signal });
  await moved.put(signatureKey(elsewhere), streamOf(good), { signal });
  await expectThrown("MANIFEST_INVALID", () => readManifest(onlySigned(moved, [signer.publicKey]), "elsewhere", MANIFEST.id, { signal }), /it belongs to/);
});

test("signed by anybody: only what a signature is of, made with the key that it names, whoever holds that", async () => {
  const [signer, other] = [newSigningKey(), newSigningKey()];
  const changed = encodeManifest({ ...MANIFEST, stateWhy: "somebody says so" });
  const good = encodeSignature(KEY, BYTES, signer);
  const forged = Buffer.from(Buffer.from(good).toString().replace(signer.publicKey, other.publicKey));
  const signed = async (bytes: Uint8Array, signature: Uint8Array | undefined) => {
    const storage = new MemoryStorage();
    await storage.put(KEY, streamOf(bytes), { signal });
    if (signature !== undefined) await storage.put(signatureKey(KEY), streamOf(signature), { signal });
    return isSigned(storage, MANIFEST.cluster, MANIFEST.id, { signal });
  };
  expect(await signed(BYTES, good)).toBe(true);
  expect(await signed(BYTES, undefined)).toBe(false);
  expect(await signed(changed, good)).toBe(false);
  expect(await signed(BYTES, encodeSignature(KEY, changed, signer))).toBe(false);
  expect(await signed(BYTES, forged)).toBe(false);
  expect(await signed(BYTES, Buffer.from("{"))).toBe(false);
});
