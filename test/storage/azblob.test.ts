import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll } from "vitest";
import { openAzblobStorage } from "../../src/storage/azblob.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { storageConformance } from "../conformance/storage.ts";
import { startAzurite } from "../support/azurite.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const server = await startAzurite();
const directory = await temporaryDirectory("azblob");
const credentials = join(directory.path, "credentials.json");
await writeFile(credentials, JSON.stringify({ storageAccount: server.account, storageKey: server.key }));
afterAll(async () => {
  await server.stop();
  await directory.remove();
});
let containers = 0;

async function newContainer(): Promise<string> {
  const name = `container-${containers++}`;
  await server.createContainer(name);
  return name;
}

function open(container: string, endpoint = server.url): Promise<Storage> {
  const connection = { caFile: undefined, proxy: undefined, idleLimitMs: 5_000, triesMax: 4 };
  const azblob = { endpoint, accessTier: undefined, encryptionScope: undefined, credentials };
  return openAzblobStorage({ account: server.account, container, prefix: "etcd/prod" }, { connection, azblob }, testRuntime());
}

storageConformance("azblob storage", async () => {
  const container = await newContainer();
  return { storage: await open(container), again: () => open(container), [Symbol.asyncDispose]: async () => undefined };
});
