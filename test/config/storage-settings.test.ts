import { expect, test } from "vitest";
import { readConfig } from "../../src/config/config.ts";
import type { CommandName } from "../../src/config/option.ts";
import { faultText } from "../../src/config/origin.ts";
import { readStorageSettings } from "../../src/config/storage-settings.ts";
import { DEFAULT_SETTINGS } from "../../src/storage/settings.ts";
import { runCli } from "../support/cli.ts";
import { expectFailure } from "../support/failures.ts";

async function read(environment: Record<string, string>, command: CommandName = "save") {
  const { config, faults } = await readConfig({ command, flags: new Map(), environment });
  expect(faults).toEqual([]);
  const settings = readStorageSettings(config);
  return { ...settings, faults: settings.faults.map(faultText) };
}

test.each(["save", "list", "repo validate"] as const)("storage settings: %s without options has what holds where nothing is said", async (command) => {
  expect(await read({}, command)).toEqual({ settings: DEFAULT_SETTINGS, lock: undefined, faults: [] });
});

test("storage settings: every option of a store reaches it", async () => {
  const { settings, faults } = await read({
    ETCDSAFE_STORAGE_CA: "/ca.pem",
    ETCDSAFE_STORAGE_PROXY: "http://proxy:3128",
    ETCDSAFE_STORAGE_IDLE_LIMIT: "5s",
    ETCDSAFE_STORAGE_TRIES: "3",
    ETCDSAFE_LIMIT_UPLOAD: "10MiB",
    ETCDSAFE_LIMIT_DOWNLOAD: "512",
    ETCDSAFE_S3_ENDPOINT: "https://s3.example",
    ETCDSAFE_S3_REGION: "eu-1",
    ETCDSAFE_S3_PATH_STYLE: "true",
    ETCDSAFE_S3_STORAGE_CLASS: "STANDARD_IA",
    ETCDSAFE_S3_REQUEST_CHECKSUMS: "false",
    ETCDSAFE_S3_CREDENTIALS: "/aws",
    ETCDSAFE_GS_ENDPOINT: "http://127.0.0.1:4443",
    ETCDSAFE_GS_STORAGE_CLASS: "NEARLINE",
    ETCDSAFE_GS_KMS_KEY: "projects/p/locations/l/keyRings/r/cryptoKeys/k",
    ETCDSAFE_GS_CREDENTIALS: "/gcp.json",
    ETCDSAFE_AZBLOB_ENDPOINT: "http://127.0.0.1:10000/a",
    ETCDSAFE_AZBLOB_ACCESS_TIER: "Cool",
    ETCDSAFE_AZBLOB_ENCRYPTION_SCOPE: "scope",
    ETCDSAFE_AZBLOB_CREDENTIALS: "/az",
  });
  expect(faults).toEqual([]);
  expect(settings).toEqual({
    connection: { caFile: "/ca.pem", proxy: "http://proxy:3128", idleLimitMs: 5_000, triesMax: 3 },
    limits: { uploadBytesPerSecond: 10 * 1024 * 1024, downloadBytesPerSecond: 512 * 1024 },
    s3: {
      endpoint: "https://s3.example",
      region: "eu-1",
      pathStyle: true,
      storageClass: "STANDARD_IA",
      encryption: undefined,
      requestChecksums: false,
      credentials: "/aws",
    },
    gs: { endpoint: "http://127.0.0.1:4443", storageClass: "NEARLINE", kmsKey: "projects/p/locations/l/keyRings/r/cryptoKeys/k", credentials: "/gcp.json" },
    azblob: { endpoint: "http://127.0.0.1:10000/a", accessTier: "Cool", encryptionScope: "scope", credentials: "/az" },
  });
});

test.each([
  [{ ETCDSAFE_S3_SSE: "s3" }, { kind: "sse-s3" }],
  [{ ETCDSAFE_S3_SSE: "kms" }, { kind: "sse-kms", keyId: undefined }],
  [
    { ETCDSAFE_S3_SSE: "kms", ETCDSAFE_S3_SSE_KMS_KEY: "alias/k" },
    { kind: "sse-kms", keyId: "alias/k" },
  ],
  [
    { ETCDSAFE_S3_SSE: "customer", ETCDSAFE_S3_SSE_KEY_FILE: "/key" },
    { kind: "sse-c", keyFile: "/key" },
  ],
])("storage settings: %j encrypts at the store as %j", async (environment, encryption) => {
  expect((await read(environment as Record<string, string>)).settings.s3.encryption).toEqual(encryption);
});

test("storage settings: locks, and what of options is of no use without another", async () => {
  const retention = { ETCDSAFE_OBJECT_LOCK_MODE: "compliance", ETCDSAFE_RETAIN_FOR: "30d" };
  expect((await read(retention)).lock).toEqual({ retention: { mode: "compliance", retainForMs: 30 * 86_400_000 }, legalHold: false });
  expect((await read({ ETCDSAFE_LEGAL_HOLD: "true" })).lock).toEqual({ retention: undefined, legalHold: true });
  const lone = { ETCDSAFE_OBJECT_LOCK_MODE: "governance", ETCDSAFE_S3_SSE_KMS_KEY: "k", ETCDSAFE_S3_SSE_KEY_FILE: "/k" };
  expect((await read(lone)).faults).toEqual([
    "ETCDSAFE_S3_SSE_KMS_KEY: is of no use without --s3-sse kms",
    "ETCDSAFE_S3_SSE_KEY_FILE: is of no use without --s3-sse customer",
    "ETCDSAFE_OBJECT_LOCK_MODE: needs --retain-for DURATION",
  ]);
  expect((await read({ ETCDSAFE_S3_SSE: "customer" })).faults).toEqual(["ETCDSAFE_S3_SSE: customer needs --s3-sse-key-file FILE"]);
  expect((await read({ ETCDSAFE_RETAIN_FOR: "1d" })).faults).toEqual(["ETCDSAFE_RETAIN_FOR: is of no use without --object-lock-mode"]);
});

test("storage settings: what is of no use alone is a fault that config validate finds, and no command begins with", async () => {
  const env = { ETCDSAFE_RETAIN_FOR: "1d", ETCDSAFE_S3_SSE: "customer" };
  const validated = await runCli(["config", "validate", "-o", "json"], { env });
  expect(JSON.parse(validated.stdout).faults.map(({ option }: { option: string }) => option)).toEqual(["s3-sse", "retain-for"]);
  expectFailure("CONFIG_INVALID", await runCli(["repo", "init", "--repository", "/nowhere"], { env }), { message: /ETCDSAFE_S3_SSE: customer needs/ });
});

test("storage settings: config show tells them, and shows no secret", async () => {
  const env = { ETCDSAFE_S3_SSE_KEY_FILE: "/etc/key", ETCDSAFE_LIMIT_UPLOAD: "2048", ETCDSAFE_REPOSITORY: "s3://user:hidden@bucket" };
  const shown = await runCli(["config", "show", "-o", "json"], { env: { ...env, AWS_SECRET_ACCESS_KEY: "hidden" } });
  expect(shown.stdout + shown.stderr).not.toContain("hidden");
  expect(JSON.parse(shown.stdout).options).toContainEqual({ name: "limit-upload", value: "2MiB", origin: "environment", from: "ETCDSAFE_LIMIT_UPLOAD" });
});
