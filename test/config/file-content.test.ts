// A key that stands where its file's path is expected: over every option of the table and every way to give it, nothing that follows repeats it.
import { createHash, generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { conflictFaults } from "../../src/cli/conflicts.ts";
import { readConfig } from "../../src/config/config.ts";
import { readConnection } from "../../src/config/connection.ts";
import { readAskedEncryption, readKeys, readSigning, readTrusted } from "../../src/config/encryption.ts";
import { contentFault } from "../../src/config/file-content.ts";
import { readFromConfig } from "../../src/config/from-config.ts";
import type { OptionSpec } from "../../src/config/option.ts";
import { OPTION_NAMES, type OptionName, optionSpec, variableOf } from "../../src/config/options.ts";
import { faultDocument } from "../../src/config/origin.ts";
import { shownValue } from "../../src/config/redact.ts";
import { readStorageSettings } from "../../src/config/storage-settings.ts";
import { runs, SEED } from "../support/counts.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = await temporaryDirectory("file-content");
const file = join(directory.path, "etcdsafe.yaml");
afterAll(() => directory.remove());

const IDENTITY = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";
const pem = (kind: "pkcs8" | "sec1", key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey) =>
  key.export({ type: kind, format: "pem" }).toString();
const ED25519 = pem("pkcs8", generateKeyPairSync("ed25519").privateKey);
const inBase64 = (text: string) => Buffer.from(text).toString("base64");
const bodyOf = (text: string) => text.split("\n")[1]!;

/** Texts with a key, and what must be seen nowhere, in capitals. */
const KEYS: readonly { readonly text: string; readonly hidden: string }[] = [
  ...[IDENTITY, IDENTITY.toLowerCase(), `Age-Secret-Key${IDENTITY.slice(14)}`, `/etc/keys/${IDENTITY}.txt`, `x${IDENTITY}y`].map((text) => ({
    text,
    hidden: IDENTITY.slice(16, 40),
  })),
  { text: `# created: 2026-11-21T07:00:00Z\n# public key: age1a,age1b\n${IDENTITY}\n`, hidden: IDENTITY.slice(16, 40) },
  ...[ED25519, pem("sec1")].flatMap((key) =>
    [key, key.trim(), key.replaceAll("\n", "\\n"), key.replaceAll("\n", " "), `{"private_key":${JSON.stringify(key)}}`].map((text) => ({
      text,
      hidden: bodyOf(key).toUpperCase(),
    })),
  ),
  { text: bodyOf(ED25519), hidden: bodyOf(ED25519).toUpperCase() },
  { text: "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nHIDDENBODY\n", hidden: "HIDDENBODY" },
];

interface Given {
  readonly flags?: Readonly<Record<string, readonly string[]>>;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Where values can come from: the same text for each of some options. */
const WAYS: Readonly<Record<string, (names: readonly OptionName[], text: string) => Promise<Given>>> = {
  flag: async (names, text) => ({ flags: each(names, (name) => [name, [text]]) }),
  "flag after another": async (names, text) => ({ flags: each(names, (name) => [name, ["/a", text]]) }),
  variable: async (names, text) => ({ environment: each(names, (name) => [variableOf(name), text]) }),
  "etcdctl's variable": async (names, text) => ({ environment: each(names, (name) => [optionSpec(name).etcdctl ?? variableOf(name), text]) }),
  scalar: (names, text) => inFile(stringify(each(names, (name) => [name, text]))),
  "block scalar": (names, text) => inFile(names.map((name) => `${name}: |\n${indented(text)}`).join("")),
  "folded scalar": (names, text) => inFile(names.map((name) => `${name}: >-\n${indented(text)}`).join("")),
  list: (names, text) => inFile(stringify(each(names, (name) => [name, ["a", text]]))),
  "--from-config": async (names, text) => {
    await writeFile(file, stringify(each(names, (name) => [name, text])));
    return { flags: { "from-config": [file] } };
  },
};

function each<T>(names: readonly OptionName[], entry: (name: OptionName) => [string, T]): Record<string, T> {
  return Object.fromEntries(names.map(entry));
}

async function inFile(yaml: string): Promise<Given> {
  await writeFile(file, yaml);
  return { environment: { ETCDSAFE_CONFIG: file } };
}

function indented(text: string): string {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => `  ${line}\n`)
    .join("");
}

/** All that is said of a configuration before a command begins, and what `config show` prints, in capitals; `concerned`: the options at fault. */
async function everythingSaid(way: string, names: readonly OptionName[], text: string) {
  const { flags = {}, environment = {} } = await WAYS[way]!(names, text);
  const { config, faults } = await readConfig({ command: "config validate", flags: new Map(Object.entries(flags)) as never, environment });
  const source = await readFromConfig(config);
  const found = [...faults, ...source.faults];
  for (const one of [config, source.config]) {
    found.push(...(await readConnection(one, environment)).faults, ...readStorageSettings(one).faults, ...conflictFaults(one));
    found.push(...(await readAskedEncryption(one, "passphrase-file")).faults, ...(await readKeys(one)).faults);
    found.push(...(await readSigning(one)).faults, ...(await readTrusted(one)).faults);
  }
  const shown = OPTION_NAMES.map((name) => [...config.all(name), ...source.config.all(name), shownValue(name, config.get(name) ?? "")]);
  return {
    said: JSON.stringify([found.map(faultDocument), shown])
      .replaceAll("\\\\", "\\")
      .toUpperCase(),
    concerned: new Set(found.map(({ key }) => key)),
  };
}

/** Those that a way can give; no file names another. */
function namesFor(way: string): OptionName[] {
  const isFile = !/flag|variable/.test(way);
  return OPTION_NAMES.filter((name) => optionSpec(name).kind !== "secret" && !(isFile && name === "config"));
}

for (const way of Object.keys(WAYS))
  test(`keys: given where a path or text is expected (${way}), a private key is refused and nowhere repeated, whatever the option`, async () => {
    for (const { text, hidden } of KEYS) {
      const { said, concerned } = await everythingSaid(way, namesFor(way), text);
      expect(said, text).not.toContain(hidden);
      expect([...concerned], text).toEqual(expect.arrayContaining(namesFor(way)));
    }
  });

test("keys: an identity is found in any letter case and in any text around it", async () => {
  const bech32 = fc.string({ unit: fc.constantFrom(..."qpzry9x8gf2tvdw0s3jn54khce6mua7l"), minLength: 58, maxLength: 58 });
  const cased = fc
    .tuple(bech32, fc.infiniteStream(fc.boolean()))
    .map(([body, upper]) => [...`age-secret-key-1${body}`].map((letter) => (upper.next().value ? letter.toUpperCase() : letter)).join(""));
  const around = fc.string({ unit: fc.constantFrom(..."/. :=,#-"), maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(
      cased,
      around,
      around,
      fc.constantFrom(...OPTION_NAMES),
      fc.constantFrom(...Object.keys(WAYS)),
      async (identity, before, after, name, way) => {
        fc.pre(namesFor(way).includes(name));
        const { said } = await everythingSaid(way, [name], `${before}${identity}${after}`);
        expect(said).not.toContain(identity.slice(16, 40).toUpperCase());
      },
    ),
    { seed: SEED, numRuns: runs(150, 3000) },
  );
});

const path = optionSpec("sign-key-file");
const secretFile = optionSpec("passphrase-file");

test.each([
  [path, IDENTITY, /^takes the path of a file, and an identity itself was given, .* write it to a file .*; in Kubernetes, mount the secret as a volume$/],
  [path, ED25519, /^takes the path of a file, and a private key itself was given/],
  [optionSpec("recipient"), IDENTITY, /^holds what is an identity, which is secret and not repeated here: its recipient, `age-keygen -y`/],
  [path, "hidden\nhidden", /^takes the path of a file, and what was given holds a line break, .* in Kubernetes, mount the secret as a volume$/],
  [optionSpec("data-dir"), "hidden\0", /^takes a path, and what was given holds a control character/],
  [path, `/${"hidden".repeat(43)}`, /is longer than a path can be/],
  [path, "/hidden".repeat(600), /is longer than a path can be/],
  [optionSpec("s3-credentials"), '{"secretAccessKey":"hidden"}', /begins as JSON does/],
  [optionSpec("azblob-credentials"), "AccountName=a;AccountKey=hidden", /looks like a connection string/],
  [optionSpec("azblob-credentials"), `${"hidden+/".repeat(11).slice(0, 86)}==`, /looks like a key in base64/],
  [optionSpec("azblob-credentials"), "sv=2022-11-02&ss=b&sig=hidden%3D", /a shared access signature/],
  [optionSpec("azblob-credentials"), "https://a.blob.core.windows.net/c?sig=hidden%3D&sv=2022-11-02", /a shared access signature/],
  [optionSpec("s3-credentials"), "AKIAXXXX:hidden/bPxRfi", /looks like an access key with its secret/],
  [optionSpec("s3-credentials"), "ASIAXXXX hidden/bPxRfi", /looks like an access key with its secret/],
  [optionSpec("s3-credentials"), "[default] aws_access_key_id=hidden aws_secret_access_key=hidden/b", /looks like an access key with its secret/],
  [optionSpec("s3-credentials"), "secretAccessKey: hidden", /looks like an access key with its secret/],
  [optionSpec("s3-credentials"), "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEhidden", /looks like a key in base64/],
  [optionSpec("s3-credentials"), "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", /looks like a key in base64/],
  [optionSpec("s3-credentials"), "/Hk3+vQz8hiddenPqL0aTbX2dYf9JmN4cRgS7eWu", /looks like a key in base64/],
  [optionSpec("gs-credentials"), "ya29.a0AfhiddenB_c-D", /looks like an access token/],
  [optionSpec("gs-credentials"), "ya29.c.b0AfhiddenB_c-D", /looks like an access token/],
  [optionSpec("gs-credentials"), "1//0ghiddenB_c-D", /looks like an access token/],
  [optionSpec("gs-credentials"), "Authorization: bearer ya29.c.b0AfhiddenB_c-D", /looks like an access token/],
  [secretFile, "Tq8/hidden3vXk2LwP9/RbN5mY1cZfU7sJ4dG0aQeHiWoKtMxV6B", /looks like a key in base64/],
  [optionSpec("azblob-credentials"), "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.hidden0eXAi.hidden", /looks like an access token/],
  [optionSpec("s3-sse-key-file"), "926ae1bb".repeat(8), /looks like a key in hexadecimal digits/],
  [path, `302e0201${"0A".repeat(44)}`, /looks like a key in hexadecimal digits/],
  [path, Array(32).fill("0A").join(":"), /looks like a key in hexadecimal digits/],
  ...[ED25519, IDENTITY, `# created: 2026-11-21T07:00:00Z\n${IDENTITY}`].map((key): [OptionSpec, string, RegExp] => [
    path,
    inBase64(inBase64(key)).slice(0, 36),
    /begins as a key or certificate in base64/,
  ]),
  [path, Buffer.from(ED25519).toString("base64"), /in base64/],
  [path, Buffer.from(IDENTITY).toString("base64"), /in base64/],
  [path, Buffer.from(`# created: 2026-11-21T07:00:00Z\n${IDENTITY}`).toString("base64").slice(0, 200), /in base64/],
  [optionSpec("s3-sse-key-file"), Buffer.alloc(32, 7).toString("base64"), /looks like a key in base64/],
  [secretFile, "correct horse hidden staple", /looks like a passphrase \(a path with blanks is written \.\/NAME\)/],
  [optionSpec("repository"), "s3://hidden\n", /^holds a line break, and is not repeated here$/],
  [optionSpec("include"), "hidden\nhidden", /^holds a line break, and is not repeated here$/],
] satisfies [OptionSpec, string, RegExp][])("keys: what cannot be a path is refused, says why, and is not repeated (%#)", (spec, text, why) => {
  const fault = contentFault(spec, text);
  expect(fault).toMatch(why);
  expect(fault).not.toContain("hidden");
});

test("keys: of secret keys of AWS hardly one in a thousand could be a path, and the others are not repeated", () => {
  const keys = Array.from({ length: 2000 }, (_, index) => createHash("sha256").update(`${index}`).digest("base64").slice(0, 40));
  const missed = keys.filter((key) => !/looks like a key in base64/.test(contentFault(optionSpec("s3-credentials"), key) ?? ""));
  expect(missed.length).toBeLessThanOrEqual(2);
});

test.each([
  [path, "/etc/age-secret-key-1.txt"],
  [path, "/etc/AGE-SECRET-KEYS/prod"],
  [path, "private key.pem"],
  [path, `${"a".repeat(255)}/${"b".repeat(255)}`],
  [secretFile, "passphrase.txt"],
  [secretFile, "./my passphrase.txt"],
  [secretFile, "/etc/my keys/passphrase"],
  [optionSpec("trusted-key"), Buffer.alloc(32, 7).toString("base64")],
  [optionSpec("evidence"), "12345"],
  [optionSpec("data-dir"), "etcd-restored-2026-11-21T07-00-00Z-production-eu-west"],
  [optionSpec("s3-credentials"), "/var/run/secrets/backup/secretAccessKey"],
  [optionSpec("s3-credentials"), "credentials/of/productionClusters/inEuropeWest/s3"],
  [optionSpec("s3-credentials"), "/run/secrets/K8s/Prod2/EuWest1/S3/Backup1"],
  [optionSpec("s3-credentials"), "./wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
  [optionSpec("gs-credentials"), "ya29.json"],
  [optionSpec("gs-credentials"), "/etc/ya29.a0AfexampleB_c-D"],
  [optionSpec("s3-sse-key-file"), `./${"926ae1bb".repeat(8)}`],
  [optionSpec("evidence"), `/backup/${"926ae1bb".repeat(8)}`],
  [optionSpec("data-dir"), "/var/lib/docker/overlay2/87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7/diff"],
  [optionSpec("data-dir"), "/mnt/ci/da39a3ee5e6b4b0d3255bfef95601890afd80709/etcd"],
  [optionSpec("spool-dir"), "/srv/backup/d41d8cd98f00b204e9800998ecf8427e"],
  [optionSpec("repository"), "azblob://account/container?x=y"],
  [optionSpec("initial-cluster"), "a=http://h:2380,b=http://i:2380"],
] satisfies [OptionSpec, string][])("keys: whatever can be a path is taken (%#)", (spec, text) => {
  expect(contentFault(spec, text)).toBeUndefined();
});
