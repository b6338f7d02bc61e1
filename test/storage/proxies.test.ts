// Stores that are reached over TLS through a proxy, which learns no more than where they are: by an option, or by the environment unless that excepts them.
// The store answers the same to each request, in a way that all three kinds take.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { collect } from "../../src/bytes/stream.ts";
import { openStorage } from "../../src/storage/open.ts";
import { DEFAULT_SETTINGS } from "../../src/storage/settings.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { createAuthority } from "../support/certificates.ts";
import { startConnectProxy } from "../support/connect-proxy.ts";
import { quietRuntime } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const { signal } = new AbortController();
const HELLO = "hello";
const KINDS = ["s3", "gs", "azblob"] as const;

const directory = await temporaryDirectory("proxies");
let server: Server;
let host: string;
let caFile: string;

beforeAll(async () => {
  const authority = await createAuthority(directory.path);
  const { cert, key } = await authority.issue({ name: "store" });
  caFile = authority.path;
  const headers = { etag: '"1"', "last-modified": "Sat, 21 Nov 2026 10:00:00 GMT", "x-goog-generation": "1", "content-length": HELLO.length };
  server = createServer({ cert: await readFile(cert), key: await readFile(key) }, (_, answer) => void answer.writeHead(200, headers).end(HELLO));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => vi.unstubAllEnvs());
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await directory.remove();
});

async function open(kind: (typeof KINDS)[number], proxy?: string): Promise<Storage> {
  for (const name of ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"]) vi.stubEnv(name, process.env[name] ?? "");
  vi.stubEnv("AWS_ACCESS_KEY_ID", "key");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret");
  vi.stubEnv("AZURE_STORAGE_KEY", Buffer.from("key").toString("base64"));
  const { connection, s3, gs, azblob } = DEFAULT_SETTINGS;
  const endpoint = `https://${host}`;
  const settings = {
    ...DEFAULT_SETTINGS,
    connection: { ...connection, caFile, proxy, idleLimitMs: 5_000, triesMax: 1 },
    s3: { ...s3, endpoint, pathStyle: true, region: "us-east-1" },
    gs: { ...gs, endpoint },
    azblob: { ...azblob, endpoint: `${endpoint}/account` },
  };
  return openStorage({ s3: "s3://bucket/etcd", gs: "gs://bucket/etcd", azblob: "azblob://account/container/etcd" }[kind], settings, quietRuntime);
}

async function readHello(storage: Storage): Promise<void> {
  expect(Buffer.from(await collect(storage.read("k", { signal }), 100, () => new Error("too long"))).toString()).toBe(HELLO);
}

test.each(KINDS)("%s storage: goes through the proxy of the environment by a tunnel, and past it where NO_PROXY names the store", async (kind) => {
  await using proxy = await startConnectProxy();
  vi.stubEnv("HTTPS_PROXY", proxy.url);
  await readHello(await open(kind));
  expect(proxy.tunnels).toEqual([host]);
  vi.stubEnv("NO_PROXY", "elsewhere.example,127.0.0.1");
  await readHello(await open(kind));
  expect(proxy.tunnels).toHaveLength(1);
});

test.each(KINDS)("%s storage: the proxy that is named counts, whatever the environment says", async (kind) => {
  await using named = await startConnectProxy();
  await using other = await startConnectProxy();
  vi.stubEnv("HTTPS_PROXY", other.url);
  vi.stubEnv("NO_PROXY", "127.0.0.1");
  await readHello(await open(kind, named.url));
  expect([named.tunnels, other.tunnels]).toEqual([[host], []]);
});
