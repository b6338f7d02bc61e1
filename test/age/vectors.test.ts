// Upstream's test vectors of the age format (C2SP's CCTV), all of them but those of what is not supported, which is refused.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { provisionAgeVectors } from "../../scripts/provision/age.ts";
import { openAge } from "../../src/age/file.ts";
import { identityFault } from "../../src/age/identities.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { rangedBytes } from "./ranged-bytes.ts";

const { signal } = new AbortController();
const directory = await provisionAgeVectors();

/**
 * What is refused although upstream reads it: armor is text for mails, which no store needs; of keys, etcdsafe knows X25519 and passphrases. The value is
 * what is said then.
 */
const UNSUPPORTED: Readonly<Record<string, RegExp>> = {
  armor: /it is no file of age v1/,
  hybrid: /encrypted to others than the identity given \(\d of its \d recipients are of a kind that is not supported\)/,
};

/** Code and message for what a vector expects. */
const EXPECTED: Readonly<Record<string, { readonly code: RegExp; readonly message: RegExp }>> = {
  "no match": { code: /^DECRYPTION_(FAILED|KEY_MISSING)$/, message: /is encrypted/ },
  "HMAC failure": { code: /^OBJECT_CORRUPT$/, message: /MAC of its header/ },
  "header failure": { code: /^OBJECT_(CORRUPT|TRUNCATED)$/, message: /header|no file of age v1|nonce/ },
  "payload failure": { code: /^OBJECT_(CORRUPT|TRUNCATED)$/, message: /payload|ends early/ },
};

test.each(readdirSync(directory))("age vectors: %s", async (name) => {
  const vector = readVector(join(directory, name));
  const found = await open(vector);
  const unsupported = Object.entries(UNSUPPORTED).find(([kind]) => (kind === "armor" ? vector.armored : vector.hybrid))?.[1];
  if (unsupported !== undefined) {
    expect(found.error).toBeInstanceOf(EtcdsafeError);
    if (vector.expect === "success") expect(found.error?.message).toMatch(unsupported);
    return;
  }
  if (vector.expect === "success") {
    expect(found.error).toBeUndefined();
    expect(sha256(found.plain)).toBe(vector.payload);
    return;
  }
  const { code, message } = EXPECTED[vector.expect]!;
  expect(found.error).toMatchObject({ code: expect.stringMatching(code), message: expect.stringMatching(message) });
  expect(found.error).toBeInstanceOf(EtcdsafeError);
});

interface Vector {
  readonly expect: string;
  readonly payload: string | undefined;
  readonly identities: readonly string[];
  readonly passphrase: string | undefined;
  readonly armored: boolean;
  readonly hybrid: boolean;
  readonly file: Uint8Array;
}

function readVector(path: string): Vector {
  const bytes = readFileSync(path);
  const end = bytes.indexOf("\n\n");
  const fields = bytes
    .subarray(0, end)
    .toString()
    .split("\n")
    .map((line) => line.split(": ", 2) as [string, string]);
  const all = (name: string) => fields.filter(([field]) => field === name).map(([, value]) => value);
  const identities = all("identity");
  const body = bytes.subarray(end + 2);
  return {
    expect: all("expect")[0]!,
    payload: all("payload")[0],
    identities,
    passphrase: all("passphrase")[0],
    armored: all("armored").length > 0,
    hybrid: identities.some((identity) => identity.startsWith("AGE-SECRET-KEY-PQ-")),
    file: all("compressed")[0] === "zlib" ? inflateSync(body) : body,
  };
}

async function open({ file, identities, passphrase }: Vector): Promise<{ readonly plain: Uint8Array; readonly error: EtcdsafeError | undefined }> {
  const plain: Buffer[] = [];
  try {
    const usable: string[] = [];
    for (const identity of identities) {
      const fault = await identityFault(identity);
      if (fault === undefined) usable.push(identity);
      else expect(fault).toBe("is an identity of a kind that is not supported: X25519 only");
    }
    if (usable.length === 0 && passphrase === undefined) usable.push(SOMEBODY_ELSE);
    const opened = await openAge(rangedBytes(file), { identities: usable, passphrase }, "the file", { signal });
    for await (const chunk of opened.read({ start: 0, end: opened.sizeBytes }, { signal })) plain.push(Buffer.from(chunk));
    return { plain: Buffer.concat(plain), error: undefined };
  } catch (error) {
    return { plain: Buffer.concat(plain), error: error as EtcdsafeError };
  }
}

/** Of upstream's vector "x25519_no_match" and others. */
const SOMEBODY_ELSE = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
