// What Azure Blob Storage does to a backup on bad days, and what Azurite cannot do at all.
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { type ByteStream, collect, streamOf } from "../../src/bytes/stream.ts";
import type { ConnectionSettings } from "../../src/http/request.ts";
import { openAzblobStorage } from "../../src/storage/azblob.ts";
import type { AzblobSettings } from "../../src/storage/settings.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { type HttpAnswer, startHttpProxy } from "../faults/kit/http-proxy.ts";
import { startProxy } from "../faults/kit/proxy.ts";
import { startAzurite } from "../support/azurite.ts";
import { type CertificateFiles, createAuthority } from "../support/certificates.ts";
import { expectThrown } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const { signal } = new AbortController();
const MIB = 1024 * 1024;
/** Two blocks and a piece of a third. */
const LARGE = randomBytes(9 * MIB + 17);
const HELLO = Buffer.from("hello");

const server = await startAzurite();
const directory = await temporaryDirectory("azblob");
const credentials = await credentialsFile("credentials.json", server.key);
let containers = 0;
afterAll(async () => {
  await server.stop();
  await directory.remove();
});

test("azblob storage: of a broken connection's blocks only that one is sent again", async () => {
  await using counting = await startHttpProxy(server.url);
  await using cutting = await startProxy(counting.url, (connection) => (connection === 0 ? { toServer: { cutAfterBytes: 2 * MIB } } : {}));
  const { storage } = await open(await newContainer(), { endpoint: through(`http://127.0.0.1:${cutting.port}`) });
  await storage.put("large", inChunks(LARGE), { signal });
  expect(await digestOf(storage, "large")).toBe(digest(LARGE));
  const sent = counting.requests.filter(({ path }) => path.includes("comp=block&")).map(({ path }) => /blockid=([^&]*)/.exec(path)?.[1]);
  expect(new Set(sent).size).toBe(3);
  expect(sent.length).toBeLessThanOrEqual(4);
});

test("azblob storage: a commit whose answer is lost is found to be done, also where it was to be the first of its name", async () => {
  await using proxy = await startHttpProxy(server.url);
  const { storage } = await open(await newContainer(), { endpoint: through(proxy.url) });
  for (const body of [LARGE, HELLO]) {
    let lost = 0;
    proxy.change(({ method, path }) => (method === "PUT" && !path.includes("comp=block&") && lost++ === 0 ? { status: 500, afterwards: true } : undefined));
    const info = await storage.put(`key-${body.length}`, inChunks(body), { signal, ifAbsent: true });
    expect(lost).toBe(2);
    expect(await storage.stat(`key-${body.length}`, { signal })).toEqual(info);
    expect(await digestOf(storage, `key-${body.length}`)).toBe(digest(body));
  }
});

test("azblob storage: a blob of the same name that another writer made in between is a conflict, also with the same content, and after an answer that was lost", async () => {
  await using proxy = await startHttpProxy(server.url);
  const container = await newContainer();
  const { storage } = await open(container, { endpoint: through(proxy.url) });
  const other = await open(container);
  for (const content of [HELLO, LARGE]) {
    const key = `fence-${content.length}`;
    let lost = 0;
    const body = async function* () {
      yield content;
      await other.storage.put(key, streamOf(content), { signal, ifAbsent: true });
      proxy.change(({ method, path }) => (method === "PUT" && !path.includes("comp=block&") && lost++ === 0 ? { status: 500, afterwards: true } : undefined));
    };
    await expectThrown("STORAGE_CONFLICT", () => storage.put(key, body(), { signal, ifAbsent: true }), /cannot write fence-\d+ in azblob:/);
    expect(lost).toBeGreaterThan(1);
  }
});

test("azblob storage: a busy service is waited for, as long as it asks; one that stays so is said to be", async () => {
  await using proxy = await startHttpProxy(server.url);
  const { storage, waits } = await open(await newContainer(), { endpoint: through(proxy.url) });
  const busy = { status: 503, headers: { "x-ms-error-code": "ServerBusy", "retry-after": "7" } };
  proxy.change(({ index }) => (index === 0 ? busy : index === 1 ? { status: 500 } : undefined));
  await storage.put("k", streamOf(HELLO), { signal });
  expect(waits).toHaveLength(2);
  expect(waits[0]).toBeGreaterThanOrEqual(7_000);
  proxy.change(() => busy);
  await expectThrown("STORAGE_THROTTLED", () => storage.stat("k", { signal }), /cannot look up k .*ServerBusy \(HTTP status 503\)/);
});

test("azblob storage: a socket that says nothing is given up after the idle limit, and tried again", async () => {
  await using proxy = await startHttpProxy(server.url, ({ index }) => (index < 2 ? { silent: true } : undefined));
  const { storage } = await open(await newContainer(), { endpoint: through(proxy.url) }, { idleLimitMs: 300 });
  await storage.put("k", streamOf(HELLO), { signal });
  expect(proxy.requests).toHaveLength(3);
  proxy.change(() => ({ silent: true }));
  await expectThrown("STORAGE_UNREACHABLE", () => storage.stat("k", { signal }), /127\.0\.0\.1:\d+: no byte for 0\.3 s/);
});

test("azblob storage: a download goes on where its connection broke", async () => {
  await using proxy = await startHttpProxy(server.url);
  const { storage } = await open(await newContainer(), { endpoint: through(proxy.url) });
  await storage.put("large", inChunks(LARGE), { signal });
  const from = proxy.requests.length;
  proxy.change(({ index }) => (index < from + 2 ? { bodyBytes: 3 * MIB } : undefined));
  expect(await digestOf(storage, "large")).toBe(digest(LARGE));
  expect(proxy.requests.length - from).toBe(3);
});

test("azblob storage: does not mix two versions in one read", async () => {
  await using proxy = await startHttpProxy(server.url);
  const { storage } = await open(await newContainer(), { endpoint: through(proxy.url) });
  await storage.put("large", inChunks(LARGE), { signal });
  let isCut = false;
  proxy.change(({ method }) => {
    if (method !== "GET" || isCut) return undefined;
    isCut = true;
    return { bodyBytes: 3 * MIB };
  });
  const reading = async () => {
    let isFirst = true;
    for await (const _ of storage.read("large", { signal })) {
      if (isFirst) await storage.put("large", inChunks(LARGE.toReversed()), { signal });
      isFirst = false;
    }
  };
  await expectThrown("STORAGE_CONFLICT", reading, /cannot read large in/);
});

test("azblob storage: asks again for what was cut short or taken apart on the way", async () => {
  await using proxy = await startHttpProxy(server.url);
  const { storage } = await open(await newContainer(), { endpoint: through(proxy.url) });
  await storage.put("large", inChunks(LARGE), { signal });
  const from = proxy.requests.length;
  const withoutLength = ({ headers: { "content-length": _, ...headers }, body }: HttpAnswer) => ({ headers, body });
  proxy.change(({ index }) => (index === from ? { bodyBytes: 3 * MIB, honest: true } : index === from + 1 ? { changed: withoutLength } : undefined));
  const all = await collect(storage.read("large", { signal, range: { start: 0, end: LARGE.length } }), 64 * MIB, () => new Error("too long"));
  expect(digest(all)).toBe(digest(LARGE));
  expect(proxy.requests.length - from).toBe(3);
});

test("azblob storage: what an upload has staged that was killed is no blob, is found, and can be discarded; an object that came to be there stays", async () => {
  await using proxy = await startHttpProxy(server.url);
  const container = await newContainer();
  const { storage: dying } = await open(container, { endpoint: through(proxy.url) });
  const { storage } = await open(container);
  const unfinished = storage.unfinished!;
  const startedAt = Date.now();
  for (const key of ["a/1", "a/2", "b/1"]) {
    const body = async function* () {
      for (let round = 0; round < 3; round++) yield LARGE; // More than is under way at a time: some of it is staged for certain.
      proxy.change(() => ({ status: 403 })); // From here on as if it were dead: it cleans nothing up.
      throw new Error("the source broke");
    };
    proxy.change(() => undefined);
    await expect(dying.put(key, body(), { signal })).rejects.toThrow("the source broke");
  }
  await storage.put("a/empty", streamOf(), { signal });
  expect(await Array.fromAsync(storage.list("", { signal }), ({ key }) => key)).toEqual(["a/empty"]);
  const found = await Array.fromAsync(unfinished.list("a/", { signal }));
  expect(found.map(({ key }) => key)).toEqual(["a/1", "a/2"]);
  expect(Math.abs(found[0]!.startedAt.getTime() - startedAt)).toBeLessThan(10_000);
  await storage.put("a/2", streamOf(HELLO), { signal });
  for (const upload of found) await unfinished.abort(upload, { signal });
  await unfinished.abort(found[0]!, { signal });
  expect((await Array.fromAsync(unfinished.list("", { signal }))).map(({ key }) => key)).toEqual(["b/1"]);
  expect(await digestOf(storage, "a/2")).toBe(digest(HELLO));
  expect(await storage.stat("a/1", { signal })).toBeUndefined();
});

test("azblob storage: says what the service refuses, without keys and signatures, and which container is missing", async () => {
  const { storage } = await open("nowhere");
  for (const run of [
    () => storage.put("k", streamOf(HELLO), { signal }),
    () => Array.fromAsync(storage.list("", { signal })),
    () => storage.clock!.now({ signal }),
  ]) {
    await expectThrown("REPOSITORY_NOT_FOUND", run, /ContainerNotFound \(HTTP status 404\)/);
  }
  const wrong = Buffer.from(randomBytes(32)).toString("base64");
  const file = await credentialsFile("wrong.json", wrong);
  const { storage: refused } = await open(await newContainer(), { credentials: file });
  const error = await expectThrown("STORAGE_DENIED", () => refused.put("k", streamOf(HELLO), { signal }), /cannot write k in azblob:.*HTTP status 403/);
  expect(error.hint).toMatch(/--azblob-credentials.*AZURE_STORAGE_KEY.*Storage Blob Data Contributor/);
  for (const secret of [wrong, "sig=", "SharedKey"]) expect(`${error.message} ${String(error.cause)}`).not.toContain(secret);
  await writeFile(join(directory.path, "other.json"), JSON.stringify({ storageAccount: "other", storageKey: wrong }));
  await expectThrown(
    "CONFIG_INVALID",
    () => open("c", { credentials: join(directory.path, "other.json") }),
    /credentials are those of the storage account other/,
  );
  await expectThrown("CONFIG_INVALID", () => open("c", { credentials: undefined }), /access tokens are sent over TLS alone/);
});

test.each([
  ["AZURE_STORAGE_KEY", "", /^AZURE_STORAGE_KEY is no key of a storage account/],
  ["AZURE_STORAGE_KEY", "hunter2, in the clear", /^AZURE_STORAGE_KEY is no key of a storage account/],
  ["AZURE_STORAGE_SAS_TOKEN", "sv=2024-01-01&se=hunter2", /^AZURE_STORAGE_SAS_TOKEN is no shared access signature/],
  ["AZURE_STORAGE_CONNECTION_STRING", "hunter2", /^AZURE_STORAGE_CONNECTION_STRING is none/],
  ["AZURE_STORAGE_CONNECTION_STRING", "AccountKey=hunter2", /^the AccountKey of AZURE_STORAGE_CONNECTION_STRING is no key/],
  ["AZURE_STORAGE_CONNECTION_STRING", "SharedAccessSignature=hunter2", /^the SharedAccessSignature of AZURE_STORAGE_CONNECTION_STRING is no/],
])("azblob storage: refuses %s=%s before anything is sent, and does not repeat it", async (name, value, message) => {
  vi.stubEnv(name, value);
  try {
    const error = await expectThrown("CONFIG_INVALID", () => open("container", { credentials: undefined }), message);
    expect(error.message).not.toContain("hunter2");
  } finally {
    vi.unstubAllEnvs();
  }
});

test("azblob storage: a key that was rotated is read again in the middle of an upload", async () => {
  const { storage } = await open(await newContainer(), { credentials: await credentialsFile("rotated.json", server.key) });
  await credentialsFile("rotated.json", Buffer.from(randomBytes(32)).toString("base64"));
  await expectThrown("STORAGE_DENIED", () => storage.put("k", streamOf(HELLO), { signal }), /HTTP status 403/);
  const body = async function* () {
    await credentialsFile("rotated.json", server.key);
    yield LARGE;
  };
  await storage.put("large", body(), { signal });
  expect(await digestOf(storage, "large")).toBe(digest(LARGE));
});

test("azblob storage: takes a connection string or a SAS, as Azure's own tools do", async () => {
  const container = await newContainer();
  const { generateAccountSASQueryParameters, AccountSASPermissions, AccountSASResourceTypes, AccountSASServices, StorageSharedKeyCredential } = await import(
    "@azure/storage-blob"
  );
  const grant = {
    expiresOn: new Date(Date.now() + 3_600_000),
    permissions: AccountSASPermissions.parse("rwdlac"),
    resourceTypes: AccountSASResourceTypes.parse("sco").toString(),
    services: AccountSASServices.parse("b").toString(),
  };
  const sas = generateAccountSASQueryParameters(grant, new StorageSharedKeyCredential(server.account, server.key)).toString();
  const variables: readonly (readonly [string, string])[] = [
    ["AZURE_STORAGE_CONNECTION_STRING", `AccountName=${server.account};AccountKey=${server.key};BlobEndpoint=${server.url};`],
    ["AZURE_STORAGE_SAS_TOKEN", `?${sas}`],
    ["AZURE_STORAGE_KEY", server.key],
  ];
  for (const [name, value] of variables) {
    vi.stubEnv(name, value);
    const endpoint = name === "AZURE_STORAGE_CONNECTION_STRING" ? undefined : server.url;
    const { storage } = await open(container, { credentials: undefined, endpoint });
    vi.unstubAllEnvs();
    await storage.put(name, streamOf(HELLO), { signal, ifAbsent: true });
    expect(await digestOf(storage, name)).toBe(digest(HELLO));
  }
});

test("azblob storage: managed identity: a token is had where the host gives one, and sent over TLS to a service of an authority of ours", async () => {
  const authority = await createAuthority(directory.path);
  const received: string[] = [];
  await using service = await startScripted(
    (request) => {
      received.push(String(request.headers.authorization));
      return { status: 201, headers: { etag: '"0x1"', "last-modified": "Sat, 21 Nov 2026 10:00:00 GMT" } };
    },
    await authority.issue({ name: "azure" }),
  );
  const asked: string[] = [];
  await using host = await startScripted((request) => {
    asked.push(`${new URL(request.url ?? "", "http://host").searchParams.get("resource")} ${request.headers["x-identity-header"]}`);
    const token = {
      access_token: `token-${asked.length}`,
      expires_on: String(Math.floor(Date.now() / 1000) + 3600),
      resource: "https://storage.azure.com",
      token_type: "Bearer",
    };
    return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(token) };
  });
  vi.stubEnv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential");
  vi.stubEnv("IDENTITY_ENDPOINT", `${host.url}/msi/token`);
  vi.stubEnv("IDENTITY_HEADER", "secret-of-the-host");
  try {
    const endpoint = `${service.url}/${server.account}`;
    const { storage } = await open("c", { endpoint, credentials: undefined }, { caFile: authority.path });
    await storage.put("k", streamOf(HELLO), { signal });
    expect(received).toEqual(["Bearer token-1"]);
    expect(asked).toEqual(["https://storage.azure.com secret-of-the-host"]);
    const { storage: untrusting } = await open("c", { endpoint, credentials: undefined });
    await expectThrown("STORAGE_TLS_FAILED", () => untrusting.put("k", streamOf(HELLO), { signal }), /certificate/);
  } finally {
    vi.unstubAllEnvs();
  }
});

test("azblob storage: tells the service tier and encryption scope with each request that needs them, and locks versions by their ids", async () => {
  const requests: { readonly method: string; readonly path: string; readonly headers: IncomingMessage["headers"] }[] = [];
  const until = new Date("2027-01-01T00:00:00Z");
  await using service = await startScripted(({ method = "", url: path = "", headers }) => {
    requests.push({ method, path, headers });
    const date = "Sat, 21 Nov 2026 10:00:00 GMT";
    const locked = { "x-ms-immutability-policy-until-date": until.toUTCString(), "x-ms-immutability-policy-mode": "locked", "x-ms-legal-hold": "true" };
    const versioned = { "x-ms-version-id": "2026-11-21T10:00:00.0000000Z", "x-ms-immutable-storage-with-versioning-enabled": "true" };
    return {
      status: method === "PUT" && !/comp=(immut|legal)/.test(path) ? 201 : 200,
      headers: { etag: '"0x1"', "last-modified": date, date, ...locked, ...versioned },
    };
  });
  const { storage } = await open("c", { endpoint: `${service.url}/${server.account}`, accessTier: "Cool", encryptionScope: "backups" });
  const small = await storage.put("small", streamOf(HELLO), { signal });
  expect(small.versionId).toBe("2026-11-21T10:00:00.0000000Z");
  await storage.put("large", inChunks(LARGE), { signal });
  expect(requests.map(({ headers }) => headers["x-ms-encryption-scope"])).toEqual(requests.map(() => "backups"));
  const visible = requests.filter(({ path }) => !path.includes("comp=block&"));
  expect(visible.map(({ headers }) => headers["x-ms-access-tier"])).toEqual(["Cool", "Cool"]);
  for (const { headers } of requests.filter(({ path }) => path.includes("comp=block&"))) expect(headers["content-md5"]).toMatch(/^\S{24}$/);

  const locks = storage.locks!;
  expect(await locks.defaults({ signal })).toEqual({ retention: undefined });
  expect(await storage.versions!.isEnabled({ signal })).toBe(true);
  await locks.lock("a", "2026-11-21T10:00:00.0000000Z", { retention: { mode: "compliance", until }, legalHold: true }, { signal });
  const [policy, hold] = requests.slice(-2);
  expect(policy?.path).toMatch(/\/a\?.*versionid=2026-11-21T10%3A00%3A00\.0000000Z/);
  expect(policy?.headers).toMatchObject({ "x-ms-immutability-policy-mode": "Locked", "x-ms-immutability-policy-until-date": until.toUTCString() });
  expect(hold?.headers).toMatchObject({ "x-ms-legal-hold": "true" });
  expect(await locks.state("a", "x", { signal })).toEqual({ retention: { mode: "compliance", until }, legalHold: true });
  const { time, uncertaintyMs } = await storage.clock!.now({ signal });
  expect(Math.abs(time.getTime() - Date.parse("2026-11-21T10:00:00.500Z"))).toBeLessThanOrEqual(uncertaintyMs);
});

test("azblob storage: what is locked in any way is listed with one request", async () => {
  const paths: string[] = [];
  const blob = (name: string, properties: string) => `<Blob><Name>${name}</Name><Properties><Etag>0x1</Etag>${properties}</Properties></Blob>`;
  const until = "<ImmutabilityPolicyUntilDate>Fri, 01 Jan 2027 00:00:00 GMT</ImmutabilityPolicyUntilDate>";
  const blobs = [
    blob("etcd/x/free", "<LegalHold>false</LegalHold>"),
    blob("etcd/x/held", "<LegalHold>true</LegalHold>"),
    blob("etcd/x/kept", `${until}<ImmutabilityPolicyMode>locked</ImmutabilityPolicyMode>`),
    blob("etcd/x/own", `${until}<ImmutabilityPolicyMode>unlocked</ImmutabilityPolicyMode>`),
  ];
  await using service = await startScripted(({ url: path = "" }) => {
    paths.push(path);
    const headers = { date: "Sat, 21 Nov 2026 10:00:00 GMT", "x-ms-immutable-storage-with-versioning-enabled": "true" };
    if (!path.includes("comp=list")) return { status: 200, headers };
    const found = path.includes("prefix=etcd%2Fx%2F") ? blobs.join("") : "";
    const xml = `<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>${found}</Blobs><NextMarker /></EnumerationResults>`;
    return { status: 200, headers: { ...headers, "content-type": "application/xml" }, body: xml };
  });
  const { storage } = await open("c", { endpoint: `${service.url}/${server.account}` });
  const kept = { until: new Date("2027-01-01T00:00:00Z") };
  expect(await storage.locks!.canHold({ signal })).toBe(true);
  paths.length = 0;
  expect(await Array.fromAsync(storage.locks!.list("x/", { signal }))).toEqual([
    { key: "x/held", lock: { retention: undefined, legalHold: true } },
    { key: "x/kept", lock: { retention: { ...kept, mode: "compliance" }, legalHold: false } },
    { key: "x/own", lock: { retention: { ...kept, mode: "governance" }, legalHold: false } },
  ]);
  expect(paths.map((path) => decodeURIComponent(/include=([^&]*)/.exec(path)?.[1] ?? ""))).toEqual(paths.map(() => "immutabilitypolicy,legalhold"));
});

/** Retries do not wait in truth: `waits` tells how long they would have. */
async function open(container: string, azblob: Partial<AzblobSettings> = {}, connection: Partial<ConnectionSettings> = {}) {
  const waits: number[] = [];
  const runtime = { ...testRuntime(), sleep: async (delayMs: number) => void waits.push(delayMs) };
  const settings = {
    connection: { caFile: undefined, proxy: undefined, idleLimitMs: 10_000, triesMax: 4, ...connection },
    azblob: { endpoint: server.url, accessTier: undefined, encryptionScope: undefined, credentials, ...azblob },
  };
  return { waits, storage: await openAzblobStorage({ account: server.account, container, prefix: "etcd" }, settings, runtime) };
}

async function newContainer(): Promise<string> {
  const name = `container-${containers++}`;
  await server.createContainer(name);
  return name;
}

/** As Gardener's etcd-backup-restore takes it. */
async function credentialsFile(name: string, storageKey: string): Promise<string> {
  const path = join(directory.path, name);
  await writeFile(path, JSON.stringify({ storageAccount: server.account, storageKey }));
  return path;
}

function through(url: string): string {
  return `${url}/${server.account}`;
}

interface ScriptedAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

async function startScripted(answer: (request: IncomingMessage) => ScriptedAnswer, tls?: CertificateFiles) {
  const serve: Parameters<typeof createServer>[1] = async (incoming, outgoing) => {
    for await (const _ of incoming); // To its end, or the client would see a broken connection.
    const { status, headers, body } = answer(incoming);
    outgoing.writeHead(status, headers).end(body);
  };
  const scripted = tls === undefined ? createServer(serve) : createTlsServer({ cert: await readFile(tls.cert), key: await readFile(tls.key) }, serve);
  scripted.listen(0, "127.0.0.1");
  await once(scripted, "listening");
  return {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${(scripted.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      scripted.close();
      scripted.closeAllConnections();
    },
  };
}

async function digestOf(storage: Storage, key: string): Promise<string> {
  return digest(await collect(storage.read(key, { signal }), 64 * MIB, () => new Error("too long")));
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function* inChunks(all: Uint8Array): ByteStream & AsyncGenerator<Uint8Array> {
  for (let at = 0; at < all.length; at += 100_003) yield all.subarray(at, at + 100_003);
}
