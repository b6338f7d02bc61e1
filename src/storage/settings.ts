// What a store is told besides its URL. The options of the command line come down to this; each backend reads its own part and `connection`.
import type { ConnectionSettings } from "../http/request.ts";

export interface StorageSettings {
  readonly connection: ConnectionSettings;
  readonly s3: S3Settings;
  readonly gs: GsSettings;
  readonly azblob: AzblobSettings;
  readonly limits: TransferLimits;
}

/** Bytes per second, all transfers together; undefined: as fast as it goes. */
export interface TransferLimits {
  readonly uploadBytesPerSecond: number | undefined;
  readonly downloadBytesPerSecond: number | undefined;
}

export interface S3Settings {
  /** Of stores that are not Amazon's. */
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly pathStyle: boolean;
  readonly storageClass: string | undefined;
  readonly encryption: S3Encryption | undefined;
  /** Old compatibles refuse the checksums that newer clients add to each request. */
  readonly requestChecksums: boolean;
  /** A JSON file, or a directory of one file per key, as Gardener's etcd-backup-restore takes them; else the SDK's own chain. */
  readonly credentials: string | undefined;
}

export type S3Encryption =
  | { readonly kind: "sse-s3" }
  | { readonly kind: "sse-kms"; readonly keyId: string | undefined }
  /** The file holds 32 bytes, or their base64. */
  | { readonly kind: "sse-c"; readonly keyFile: string };

export interface GsSettings {
  /** Of an emulator or a private endpoint; STORAGE_EMULATOR_HOST counts where undefined. Credentials are sent there only where a file of them is named. */
  readonly endpoint: string | undefined;
  readonly storageClass: string | undefined;
  /** Name of a Cloud KMS key. */
  readonly kmsKey: string | undefined;
  /** A service account's or external account's file; else the SDK's own chain. */
  readonly credentials: string | undefined;
}

export interface AzblobSettings {
  /** Of an emulator or another cloud: `http://127.0.0.1:10000/account`. */
  readonly endpoint: string | undefined;
  readonly accessTier: string | undefined;
  readonly encryptionScope: string | undefined;
  /** Gardener's JSON file or directory; else AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, else the SDK's own chain. */
  readonly credentials: string | undefined;
}

/** What holds where nothing is said: the providers' own addresses, classes and credentials. */
export const DEFAULT_SETTINGS: StorageSettings = {
  connection: { caFile: undefined, proxy: undefined, idleLimitMs: 30_000, triesMax: 6 },
  s3: {
    endpoint: undefined,
    region: undefined,
    pathStyle: false,
    storageClass: undefined,
    encryption: undefined,
    requestChecksums: true,
    credentials: undefined,
  },
  gs: { endpoint: undefined, storageClass: undefined, kmsKey: undefined, credentials: undefined },
  azblob: { endpoint: undefined, accessTier: undefined, encryptionScope: undefined, credentials: undefined },
  limits: { uploadBytesPerSecond: undefined, downloadBytesPerSecond: undefined },
};
