// What the way to S3 does to requests, and what becomes of them: versitygw behind the proxies of the fault kit.
import { writeFile } from "node:fs/promises";
import { createServer, request as sendRequest } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { openS3Storage } from "../../src/storage/s3.ts";
import type { S3Settings, StorageSettings } from "../../src/storage/settings.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { bytes, collectAll, inChunks, keysOf, pattern, put, sha256, signal, text } from "../conformance/objects.ts";
import { firstRequests, type HttpProxy, type HttpRequest, startHttpProxy } from "../faults/kit/http-proxy.ts";
import { startProxy } from "../faults/kit/proxy.ts";
import { createAuthority } from "../support/certificates.ts";
import { expectThrown } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { type S3Server, s3Settings, startVersitygw } from "../support/versitygw.ts";

const LARGE_SIZE_BYTES = 17 * 1024 * 1024 + 3;
const PARTS = 3;
let server: S3Server;
beforeAll(async () => {
  server = await startVersitygw();
  for (const [name, value] of Object.entries(server.env)) vi.stubEnv(name, value);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await server.stop();
});

interface Opened extends AsyncDisposable {
  readonly proxy: HttpProxy;
  readonly storage: Storage;
  /** Without anything in the way. */
  readonly direct: Storage;
}

async function opened(connection: Partial<StorageSettings["connection"]> = {}, s3: Partial<S3Settings> = {}): Promise<Opened> {
  const bucket = await server.createBucket();
  const proxy = await startHttpProxy(server.url);
  return {
    proxy,
    storage: await open(bucket, proxy.url, { triesMax: 4, ...connection }, s3),
    direct: await open(bucket, server.url),
    [Symbol.asyncDispose]: proxy.close,
  };
}

/** Waits between tries are short. */
function open(bucket: string, url: string, connection: Partial<StorageSettings["connection"]> = {}, s3: Partial<S3Settings> = {}): Promise<Storage> {
  return openS3Storage({ bucket, prefix: "" }, s3Settings(url, s3, connection), {
    ...testRuntime(),
    sleep: (delayMs, sleeping) => sleep(Math.min(delayMs, 50), undefined, { signal: sleeping }),
  });
}

const isPart = ({ method, path }: HttpRequest) => method === "PUT" && path.includes("partNumber=");
const isComplete = ({ method, path }: HttpRequest) => method === "POST" && path.includes("uploadId=");
const isRead = ({ method }: HttpRequest) => method === "GET";

test("s3 storage: goes on after bursts of 503, 429 and 500, in each kind of request", async () => {
  await using o = await opened();
  const large = pattern(LARGE_SIZE_BYTES);
  const seen = new Map<string, number>();
  // The first two of each.
  o.proxy.change(({ method, path }) => {
    const times = seen.get(`${method} ${path}`) ?? 0;
    seen.set(`${method} ${path}`, times + 1);
    return times < 2 ? { status: [503, 429, 500][seen.size % 3]!, headers: { "retry-after": "0" } } : undefined;
  });
  await put(o.storage, "small", "x");
  await o.storage.put("large", inChunks(large, 1 << 20), { signal });
  expect(await keysOf(o.storage, "")).toEqual(["large", "small"]);
  expect(sha256(await bytes(o.storage, "large"))).toBe(sha256(large));
  await o.storage.remove("small", { signal });
  expect(await keysOf(o.direct, "")).toEqual(["large"]);
});

test("s3 storage: says throttled, or unreachable, of a store that never gets better", async () => {
  await using o = await opened({ triesMax: 3 });
  o.proxy.change(() => ({ status: 503 }));
  await expectThrown("STORAGE_THROTTLED", () => put(o.storage, "k", "x"), /^cannot write k in s3:\/\/bucket-\d+: /);
  expect(o.proxy.requests).toHaveLength(3);
  o.proxy.change(() => ({ status: 500 }));
  await expectThrown("STORAGE_UNREACHABLE", () => put(o.storage, "k", "x"), /HTTP status 500/);
  await o.proxy.close();
  await expectThrown("STORAGE_UNREACHABLE", () => put(o.storage, "k", "x"), /ECONNREFUSED/);
});

test("s3 storage: sends only those parts again whose connection was cut", async () => {
  await using counting = await startHttpProxy(server.url);
  // The second and third connection break in the middle of a part.
  await using cutting = await startProxy(counting.url, (connection) =>
    connection === 1 || connection === 2 ? { toServer: { cutAfterBytes: 3_000_000 } } : {},
  );
  const storage = await open(await server.createBucket(), `http://127.0.0.1:${cutting.port}`);
  const large = pattern(LARGE_SIZE_BYTES);
  await storage.put("large", inChunks(large, 1 << 20), { signal });
  expect(sha256(await bytes(storage, "large"))).toBe(sha256(large));
  const sent = counting.requests.filter(isPart);
  expect(sent.length).toBeGreaterThan(PARTS);
  expect(sent.length).toBeLessThanOrEqual(PARTS + 2);
});

test("s3 storage: gives up a connection that is silent, and tries another", async () => {
  await using o = await opened({ idleLimitMs: 300, triesMax: 2 });
  o.proxy.change(firstRequests(1, { silent: true }));
  await put(o.storage, "k", "x");
  o.proxy.change(() => ({ silent: true }));
  const startedMs = performance.now();
  await expectThrown("STORAGE_UNREACHABLE", () => o.storage.stat("k", { signal }), /^cannot look up k in .*: no byte for 0\.3 s$/);
  expect(performance.now() - startedMs).toBeLessThan(5_000);
});

test("s3 storage: gives up a body that stalls in the middle, and goes on from there", async () => {
  const bucket = await server.createBucket();
  const large = pattern(LARGE_SIZE_BYTES);
  await (await open(bucket, server.url)).put("large", inChunks(large, 1 << 20), { signal });
  await using stalling = await startProxy(server.url, (connection) => (connection < 2 ? { toClient: { stallAfterBytes: 5_000_000 } } : {}));
  const storage = await open(bucket, `http://127.0.0.1:${stalling.port}`, { idleLimitMs: 300 });
  expect(sha256(await bytes(storage, "large"))).toBe(sha256(large));
});

test.each([false, true])("s3 storage: goes on where a read ended too early with the right status (told honestly: %s)", async (honest) => {
  await using o = await opened();
  const large = pattern(LARGE_SIZE_BYTES);
  await o.direct.put("large", inChunks(large, 1 << 20), { signal });
  o.proxy.change(firstRequests(3, { bodyBytes: 1_000_001, honest }, isRead));
  const range = { start: 5, end: LARGE_SIZE_BYTES };
  expect(sha256(await bytes(o.storage, "large", { signal, range }))).toBe(sha256(large.subarray(5)));
  expect(o.proxy.requests.filter(isRead)).toHaveLength(4);
  o.proxy.change((request) => (isRead(request) ? { bodyBytes: 0, honest } : undefined));
  await expectThrown("STORAGE_UNREACHABLE", () => collectAll(o.storage.read("large", { signal, range })), /cannot read large in/);
});

test("s3 storage: does not mix two versions in one read", async () => {
  await using o = await opened();
  await o.direct.put("large", inChunks(pattern(LARGE_SIZE_BYTES), 1 << 20), { signal });
  o.proxy.change(firstRequests(1, { bodyBytes: 1_000_001 }, isRead));
  const reading = async () => {
    let isFirst = true;
    for await (const _ of o.storage.read("large", { signal })) {
      if (isFirst) await o.direct.put("large", inChunks(pattern(LARGE_SIZE_BYTES + 1), 1 << 20), { signal });
      isFirst = false;
    }
  };
  await expectThrown("STORAGE_CONFLICT", reading, /large in .* it was overwritten while it was read/);
});

test("s3 storage: knows its own object when the answer to a conditional put was lost", async () => {
  await using o = await opened();
  o.proxy.change(firstRequests(1, { status: 500, afterwards: true }, ({ method }) => method === "PUT"));
  const first = await o.storage.put("k", streamOf(Buffer.from("1")), { signal, ifAbsent: true });
  expect(first).toEqual(await o.direct.stat("k", { signal }));
  o.proxy.change(firstRequests(1, { status: 500, afterwards: true }, ({ method }) => method === "PUT"));
  const second = await o.storage.put("k", streamOf(Buffer.from("2")), { signal, ifVersion: first.version });
  expect(second).toEqual(await o.direct.stat("k", { signal }));
  for (const options of [{ ifAbsent: true }, {}]) {
    o.proxy.change(firstRequests(1, { status: 500, afterwards: true }, isComplete));
    const key = `large-${options.ifAbsent}`;
    const large = await o.storage.put(key, inChunks(pattern(LARGE_SIZE_BYTES), 1 << 20), { signal, ...options });
    expect(large).toEqual(await o.direct.stat(key, { signal }));
  }
});

test("s3 storage: does not take another's object for its own, be it the same to the byte", async () => {
  await using o = await opened();
  await put(o.direct, "k", "same");
  o.proxy.change(firstRequests(1, { status: 500 }, ({ method }) => method === "PUT"));
  const again = () => o.storage.put("k", streamOf(Buffer.from("same")), { signal, ifAbsent: true });
  await expectThrown("STORAGE_CONFLICT", again, /^k was not written: it exists already$/);
});

test("s3 storage: leaves neither object nor parts of an upload that fails", async () => {
  await using o = await opened({ triesMax: 2 });
  for (const fails of [isComplete, (request: HttpRequest) => isPart(request) && request.path.includes("partNumber=3")]) {
    o.proxy.change((request) => (fails(request) ? { status: 500 } : undefined));
    const failing = () => o.storage.put("large", inChunks(pattern(LARGE_SIZE_BYTES), 1 << 20), { signal });
    await expectThrown("STORAGE_UNREACHABLE", failing, /cannot write large in/);
    expect(await keysOf(o.direct, "")).toEqual([]);
    expect(await Array.fromAsync(o.direct.unfinished!.list("", { signal }))).toEqual([]);
  }
});

test("s3 storage: says that there is no bucket, and that credentials are refused", async () => {
  const nowhere = await open("no-such-bucket", server.url);
  await expectThrown("REPOSITORY_NOT_FOUND", () => put(nowhere, "k", "x"), /^cannot write k in s3:\/\/no-such-bucket: the bucket does not exist$/);
  await expectThrown("REPOSITORY_NOT_FOUND", () => keysOf(nowhere, ""), /the bucket does not exist/);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "wrong");
  const refused = await open(await server.createBucket(), server.url);
  const error = await expectThrown("STORAGE_DENIED", () => put(refused, "k", "x"), /SignatureDoesNotMatch/);
  expect(`${error.message} ${error.cause}`).not.toMatch(/wrong|AWS4-HMAC/);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", server.keys.secretAccessKey);
});

test("s3 storage: reads Gardener's credentials, and again when they are rotated", async () => {
  await using directory = await temporaryDirectory("s3");
  const { accessKeyId: accessKeyID, secretAccessKey } = server.keys;
  const json = join(directory.path, "credentials");
  const write = (values: object) => writeFile(json, JSON.stringify({ region: "us-east-1", s3ForcePathStyle: true, endpoint: server.url, ...values }));
  await write({ accessKeyID, secretAccessKey });
  const bucket = await server.createBucket();
  const storage = await open(bucket, server.url, {}, { credentials: json, endpoint: undefined, region: undefined, pathStyle: false });
  await put(storage, "k", "x");
  await write({ accessKeyID, secretAccessKey: "rotated away" });
  await expectThrown("STORAGE_DENIED", () => put(storage, "k", "y"), /SignatureDoesNotMatch/);
  await write({ accessKeyID, secretAccessKey });
  await put(storage, "k", "y");
  for (const [name, value] of Object.entries({ accessKeyID, secretAccessKey })) await writeFile(join(directory.path, name), `${value}\n`);
  await put(await open(bucket, server.url, {}, { credentials: directory.path }), "k", "z");
});

test("s3 storage: asks the SDK's chain again when what it gave is refused", async () => {
  await using directory = await temporaryDirectory("s3");
  const file = join(directory.path, "credentials");
  const write = (secret: string) => writeFile(file, `[default]\naws_access_key_id = ${server.keys.accessKeyId}\naws_secret_access_key = ${secret}\n`);
  await write("old");
  vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", undefined);
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", file);
  try {
    const storage = await open(await server.createBucket(), server.url);
    await expectThrown("STORAGE_DENIED", () => put(storage, "k", "x"), /SignatureDoesNotMatch/);
    await write(server.keys.secretAccessKey);
    await put(storage, "k", "x");
  } finally {
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", undefined);
    for (const [name, value] of Object.entries(server.env)) vi.stubEnv(name, value);
  }
});

test("s3 storage: does without checksums of newer clients where told to, and is as sure of its parts", async () => {
  await using o = await opened({}, { requestChecksums: false });
  const large = pattern(LARGE_SIZE_BYTES);
  await put(o.storage, "small", "x");
  const info = await o.storage.put("large", inChunks(large, 1 << 20), { signal });
  expect(info).toEqual(await o.direct.stat("large", { signal }));
  expect(sha256(await bytes(o.storage, "large"))).toBe(sha256(large));
});

test.each([true, false])("s3 storage: sends bytes again that were changed on the way (checksums of newer clients: %s)", async (requestChecksums) => {
  // Beyond the headers of the first request on the first connection.
  await using corrupting = await startProxy(server.url, (connection) => (connection === 0 ? { toServer: { corruptByte: 5_000 } } : {}));
  const storage = await open(await server.createBucket(), `http://127.0.0.1:${corrupting.port}`, {}, { requestChecksums });
  const content = pattern(100_000);
  await storage.put("k", streamOf(content), { signal });
  expect(sha256(await bytes(storage, "k"))).toBe(sha256(content));
});

test("s3 storage: trusts the certificate authority that it is given, and no other", async () => {
  await using directory = await temporaryDirectory("s3");
  const authority = await createAuthority(directory.path);
  const secure = await startVersitygw({ tls: { ...(await authority.issue({ name: "server" })), caFile: authority.path } });
  try {
    const bucket = await secure.createBucket();
    const storage = await open(bucket, secure.url, { caFile: authority.path });
    const large = pattern(LARGE_SIZE_BYTES);
    await storage.put("large", inChunks(large, 1 << 20), { signal });
    expect(sha256(await bytes(storage, "large"))).toBe(sha256(large));
    const untrusting = await open(bucket, secure.url);
    const error = await expectThrown("STORAGE_TLS_FAILED", () => put(untrusting, "k", "x"), /127\.0\.0\.1:\d+: its certificate cannot be trusted: [^;]*$/);
    expect(error.hint).toMatch(/--storage-ca/);
  } finally {
    await secure.stop();
  }
});

test("s3 storage: goes through a proxy where one is given", async () => {
  const hosts: string[] = [];
  const forward = createServer((incoming, answer) => {
    const { hostname: host, port, pathname, search } = new URL(incoming.url ?? "");
    hosts.push(`${host}:${port}`);
    const outgoing = sendRequest({ host, port, method: incoming.method, path: pathname + search, headers: incoming.headers }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(answer);
    });
    incoming.pipe(outgoing);
  });
  // How HTTPS goes through one, and plain HTTP may.
  forward.on("connect", (incoming, socket) => {
    const [host = "", port = ""] = (incoming.url ?? "").split(":");
    hosts.push(`${host}:${port}`);
    const target = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      socket.pipe(target).pipe(socket);
    });
  });
  await new Promise<void>((resolve) => forward.listen(0, "127.0.0.1", resolve));
  try {
    const proxy = `http://127.0.0.1:${(forward.address() as AddressInfo).port}`;
    const storage = await open(await server.createBucket(), server.url, { proxy });
    await put(storage, "k", "x");
    expect(await text(storage, "k")).toBe("x");
    expect(new Set(hosts)).toEqual(new Set([new URL(server.url).host]));
  } finally {
    forward.closeAllConnections();
    forward.close();
  }
});

test("s3 storage: gives up a proxy that says nothing, and is done with it at once when it is aborted", async () => {
  const silent = createTcpServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  try {
    const proxy = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const storage = await open("bucket", "https://store.example", { proxy, idleLimitMs: 300, triesMax: 2 });
    await expectThrown("STORAGE_UNREACHABLE", () => put(storage, "k", "x"), /no byte for 0\.3 s/);
    const patient = await open("bucket", "https://store.example", { proxy, idleLimitMs: 60_000 });
    const putting = patient.put("k", streamOf(Buffer.from("x")), { signal: AbortSignal.timeout(100) });
    await expect(putting).rejects.toMatchObject({ name: "TimeoutError" });
  } finally {
    silent.close();
  }
});
