// From options to what a store is told (src/storage/settings.ts), and to how the versions of a backup's objects are locked.
import type { LockPolicy } from "../repository/object-lock.ts";
import type { S3Encryption, StorageSettings } from "../storage/settings.ts";
import type { Config } from "./config.ts";
import type { OptionName } from "./options.ts";
import type { Fault } from "./origin.ts";

export interface ReadStorageSettings {
  /** Only to be used where there are no faults. */
  readonly settings: StorageSettings;
  /** Undefined where nothing is to be locked. */
  readonly lock: LockPolicy | undefined;
  readonly faults: readonly Fault[];
}

/** Pure; reads no file. */
export function readStorageSettings(config: Config): ReadStorageSettings {
  const faults: Fault[] = [];
  const encryption = s3Encryption(config, faults);
  const lock = lockPolicy(config, faults);
  return { settings: settingsOf(config, encryption), lock, faults };
}

function settingsOf(config: Config, encryption: S3Encryption | undefined): StorageSettings {
  return {
    connection: {
      caFile: config.get("storage-ca"),
      proxy: config.get("storage-proxy"),
      idleLimitMs: config.get("storage-idle-limit"),
      triesMax: config.get("storage-tries"),
    },
    s3: {
      endpoint: config.get("s3-endpoint"),
      region: config.get("s3-region"),
      pathStyle: config.get("s3-path-style"),
      storageClass: config.get("s3-storage-class"),
      encryption,
      requestChecksums: config.get("s3-request-checksums"),
      credentials: config.get("s3-credentials"),
    },
    gs: {
      endpoint: config.get("gs-endpoint"),
      storageClass: config.get("gs-storage-class"),
      kmsKey: config.get("gs-kms-key"),
      credentials: config.get("gs-credentials"),
    },
    azblob: {
      endpoint: config.get("azblob-endpoint"),
      accessTier: config.get("azblob-access-tier"),
      encryptionScope: config.get("azblob-encryption-scope"),
      credentials: config.get("azblob-credentials"),
    },
    limits: { uploadBytesPerSecond: config.get("limit-upload"), downloadBytesPerSecond: config.get("limit-download") },
  };
}

function s3Encryption(config: Config, faults: Fault[]): S3Encryption | undefined {
  const kind = config.get("s3-sse");
  const keyId = config.get("s3-sse-kms-key");
  const keyFile = config.get("s3-sse-key-file");
  if (keyId !== undefined && kind !== "kms") faults.push(fault(config, "s3-sse-kms-key", "is of no use without --s3-sse kms"));
  if (keyFile !== undefined && kind !== "customer") faults.push(fault(config, "s3-sse-key-file", "is of no use without --s3-sse customer"));
  if (kind === "s3") return { kind: "sse-s3" };
  if (kind === "kms") return { kind: "sse-kms", keyId };
  if (kind === undefined) return undefined;
  if (keyFile !== undefined) return { kind: "sse-c", keyFile };
  faults.push(fault(config, "s3-sse", "customer needs --s3-sse-key-file FILE"));
  return undefined;
}

function lockPolicy(config: Config, faults: Fault[]): LockPolicy | undefined {
  const mode = config.get("object-lock-mode");
  const retainForMs = config.get("retain-for");
  const legalHold = config.get("legal-hold") === true;
  if (mode !== undefined && retainForMs === undefined) faults.push(fault(config, "object-lock-mode", "needs --retain-for DURATION"));
  if (mode === undefined && retainForMs !== undefined) faults.push(fault(config, "retain-for", "is of no use without --object-lock-mode"));
  const retention = mode === undefined || retainForMs === undefined ? undefined : { mode, retainForMs };
  return retention === undefined && !legalHold ? undefined : { retention, legalHold };
}

function fault(config: Config, option: OptionName, text: string): Fault {
  return { origin: config.origin(option), key: option, text };
}
