// Every kind of store that a repository can be in, as a server of a test's own and what a user would type to reach it.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DEFAULT_SETTINGS, type StorageSettings } from "../../src/storage/settings.ts";
import { startAzurite } from "./azurite.ts";
import { startFakeGcsServer } from "./fake-gcs-server.ts";
import { temporaryDirectory } from "./temporary-directory.ts";
import { type S3ServerOptions, s3Settings, startVersitygw } from "./versitygw.ts";

export type StoreKind = "file" | "s3" | "gs" | "azblob";

export interface TestStore extends AsyncDisposable {
  readonly kind: StoreKind;
  /** Of the server, for a proxy in front of it; of a directory "". */
  readonly url: string;
  /** URL of a repository in a new bucket, container or directory. */
  newRepository(): Promise<string>;
  /** Of the command line; `through`: a proxy's URL. */
  options(through?: string): string[];
  /** In it the command line finds the credentials that its options do not name. */
  readonly env: Readonly<Record<string, string>>;
  /** What must never be printed; none where the server asks for none. */
  readonly secrets: readonly string[];
  /** The same for a storage in this process, where the environment has no credentials. */
  settings(through?: string): StorageSettings;
}

export const REMOTE_KINDS = ["s3", "gs", "azblob"] as const satisfies readonly StoreKind[];

export function startStore(kind: StoreKind): Promise<TestStore> {
  return { file: directoryStore, s3: startS3Store, gs: gsStore, azblob: azblobStore }[kind]();
}

async function directoryStore(): Promise<TestStore> {
  const directory = await temporaryDirectory("store");
  let made = 0;
  return {
    kind: "file",
    url: "",
    newRepository: async () => join(directory.path, `repository-${made++}`),
    options: () => [],
    env: {},
    secrets: [],
    settings: () => DEFAULT_SETTINGS,
    [Symbol.asyncDispose]: directory.remove,
  };
}

export async function startS3Store(options: S3ServerOptions = {}): Promise<TestStore> {
  const [server, directory] = await Promise.all([startVersitygw(options), temporaryDirectory("store")]);
  const credentials = join(directory.path, "credentials.json");
  const { accessKeyId: accessKeyID, secretAccessKey } = server.keys;
  await writeFile(credentials, JSON.stringify({ region: "us-east-1", accessKeyID, secretAccessKey }));
  return {
    kind: "s3",
    url: server.url,
    newRepository: async () => `s3://${await server.createBucket()}/etcd`,
    options: (through = server.url) => ["--s3-endpoint", through, "--s3-path-style"],
    env: server.env,
    secrets: [secretAccessKey],
    settings: (through = server.url) => s3Settings(through, { credentials }),
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      await directory.remove();
    },
  };
}

async function gsStore(): Promise<TestStore> {
  const server = await startFakeGcsServer();
  let made = 0;
  return {
    kind: "gs",
    url: server.url,
    newRepository: async () => {
      const bucket = `bucket-${made++}`;
      await server.createBucket(bucket);
      return `gs://${bucket}/etcd`;
    },
    options: (through = server.url) => ["--gs-endpoint", through],
    env: {},
    secrets: [],
    settings: (through = server.url) => ({ ...DEFAULT_SETTINGS, gs: { ...DEFAULT_SETTINGS.gs, endpoint: through } }),
    [Symbol.asyncDispose]: server.stop,
  };
}

async function azblobStore(): Promise<TestStore> {
  const [server, directory] = await Promise.all([startAzurite(), temporaryDirectory("store")]);
  const credentials = join(directory.path, "credentials.json");
  await writeFile(credentials, JSON.stringify({ storageAccount: server.account, storageKey: server.key }));
  const endpoint = (through: string) => `${new URL(through).origin}/${server.account}`;
  let made = 0;
  return {
    kind: "azblob",
    url: new URL(server.url).origin,
    newRepository: async () => {
      const container = `container-${made++}`;
      await server.createContainer(container);
      return `azblob://${server.account}/${container}/etcd`;
    },
    options: (through = server.url) => ["--azblob-endpoint", endpoint(through), "--azblob-credentials", credentials],
    env: {},
    secrets: [server.key],
    settings: (through = server.url) => ({ ...DEFAULT_SETTINGS, azblob: { ...DEFAULT_SETTINGS.azblob, endpoint: endpoint(through), credentials } }),
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      await directory.remove();
    },
  };
}
