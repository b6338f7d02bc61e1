// What S3 answers that no local server does, and what it is told: a server that says what the test scripts, and keeps what it was asked.
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import type { LogEvent } from "../../src/runtime.ts";
import { openS3Storage } from "../../src/storage/s3.ts";
import type { S3Settings } from "../../src/storage/settings.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { collectAll, inChunks, keysOf, pattern, put, signal } from "../conformance/objects.ts";
import { expectThrown } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { s3Settings } from "../support/versitygw.ts";

const ENV = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "very secret", AWS_REGION: "eu-west-1" };
const SSE = ["x-amz-server-side-encryption", "x-amz-server-side-encryption-customer-algorithm"];
const CLOCK = new Date("2026-11-21T12:00:00Z");

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Answer {
  /** As a store that knows nothing of encryption. */
  readonly ignoresSse?: boolean;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Scripted extends AsyncDisposable {
  readonly url: string;
  readonly asked: Asked[];
  open(s3?: Partial<S3Settings>): Promise<Storage>;
}

beforeAll(() => {
  for (const [name, value] of Object.entries(ENV)) vi.stubEnv(name, value);
});
afterAll(() => vi.unstubAllEnvs());

async function scripted(answerTo: (asked: Asked, index: number) => Answer): Promise<Scripted> {
  const asked: Asked[] = [];
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const request = { method: incoming.method ?? "", path: incoming.url ?? "", headers: incoming.headers, body: Buffer.concat(chunks).toString("latin1") };
    const { status = 200, headers = {}, body = "", ignoresSse = false } = answerTo(request, asked.push(request) - 1);
    const sse = Object.entries(incoming.headers).filter(([name]) => !ignoresSse && SSE.includes(name));
    response.writeHead(status, { date: CLOCK.toUTCString(), ...Object.fromEntries(sse), ...headers }).end(request.method === "HEAD" ? undefined : body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const runtime = { ...testRuntime(), now: () => CLOCK, sleep: () => sleep(1) };
  return {
    url,
    asked,
    open: (s3 = {}) => openS3Storage({ bucket: "bucket", prefix: "p" }, s3Settings(url, s3, { triesMax: 3 }), runtime),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

test("s3: what the SDK warns of is logged, in one line, and not written to the console", async () => {
  await using directory = await temporaryDirectory("profile");
  const shared = join(directory.path, "credentials");
  await writeFile(shared, "[other]\naws_access_key_id = theirs\naws_secret_access_key = secret\n");
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", shared);
  vi.stubEnv("AWS_PROFILE", "other");
  const onConsole = vi.spyOn(console, "warn").mockReturnValue();
  try {
    await using server = await scripted(() => ({ body: "<ListBucketResult/>" }));
    const events: LogEvent[] = [];
    const runtime = { ...testRuntime(), log: (event: LogEvent) => void events.push(event) };
    const storage = await openS3Storage({ bucket: "bucket", prefix: "p" }, s3Settings(server.url), runtime);
    expect(await keysOf(storage, "")).toEqual([]);
    expect(server.asked[0]!.headers.authorization).toContain("theirs/");
    expect(events).toEqual([{ level: "warn", message: expect.stringMatching(/^.*Both AWS_PROFILE and the pair .*$/) }]);
    expect(onConsole).not.toHaveBeenCalled();
  } finally {
    onConsole.mockRestore();
    for (const name of ["AWS_SHARED_CREDENTIALS_FILE", "AWS_PROFILE"]) vi.stubEnv(name, undefined);
  }
});

function refusal(status: number, code: string, message = "why", more = ""): Answer {
  return { status, body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message>${more}</Error>` };
}

test.each([
  ["STORAGE_DENIED", refusal(403, "AccessDenied", "Access Denied"), /^cannot list s3:\/\/bucket\/p: Access Denied \(AccessDenied, HTTP status 403\)$/, 2],
  ["STORAGE_DENIED", refusal(400, "ExpiredToken", "The provided token has expired."), /token has expired. \(ExpiredToken/, 2],
  ["STORAGE_DENIED", refusal(403, "InvalidAccessKeyId", "No such key"), /InvalidAccessKeyId/, 2],
  ["STORAGE_DENIED", refusal(501, "NotImplemented", "Not here"), /NotImplemented/, 2],
  ["STORAGE_FULL", refusal(403, "QuotaExceeded", "Full"), /Full/, 2],
  ["STORAGE_FULL", refusal(507, "InsufficientCapacity"), /InsufficientCapacity/, 2],
  ["REPOSITORY_NOT_FOUND", refusal(404, "NoSuchBucket"), /: the bucket does not exist$/, 2],
  ["STORAGE_UNREACHABLE", refusal(500, "InternalError"), /InternalError/, 6],
  ["STORAGE_UNREACHABLE", refusal(400, "RequestTimeout"), /RequestTimeout/, 6],
  ["STORAGE_UNREACHABLE", { status: 502, body: "<html>bad gateway</html>" }, /HTTP status 502/, 6],
  ["STORAGE_UNREACHABLE", { status: 200, body: "<html>log in" }, /what answers there is not S3 \(HTTP status 200\)$/, 6],
  ["STORAGE_THROTTLED", refusal(503, "SlowDown", "Please reduce your request rate."), /reduce your request rate. \(SlowDown/, 6],
  ["STORAGE_THROTTLED", refusal(400, "Throttling"), /Throttling/, 6],
  ["CONFIG_INVALID", refusal(400, "InvalidBucketName", "not valid"), /not valid \(InvalidBucketName, HTTP status 400\)$/, 2],
  ["CONFIG_INVALID", { status: 404, body: "404 page not found\n" }, /what answers there is not S3 \(HTTP status 404\)$/, 2],
  ["CONFIG_INVALID", { status: 404, body: "<html>not found</html>" }, /what answers there is not S3 \(HTTP status 404\)$/, 2],
  ["CONFIG_INVALID", { status: 400, body: "Client sent an HTTP request to an HTTPS server." }, /what answers there is not S3/, 2],
  ["STORAGE_DENIED", { status: 403, body: "<html>blocked" }, /what answers there is not S3/, 2],
  ["CONFIG_INVALID", refusal(400, "AuthorizationHeaderMalformed", "no", "<Region>eu-central-1</Region>"), /the bucket is in the region eu-central-1$/, 2],
  ["CONFIG_INVALID", { ...refusal(301, "PermanentRedirect"), headers: { "x-amz-bucket-region": "us-west-2" } }, /the bucket is in the region us-west-2$/, 2],
] as const)("s3 errors: %s of %j", async (code, answer, message, requests) => {
  await using server = await scripted(() => answer);
  const storage = await server.open();
  const error = await storage
    .list("", { signal })
    [Symbol.asyncIterator]()
    .next()
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  await sleep(20); // Both listings of one, of names as they are and of escaped ones, ask.
  expect(server.asked.length).toBeLessThanOrEqual(requests);
  const said = `${(error as Error).message} ${JSON.stringify((error as Error).cause)}`;
  for (const secret of ["very secret", "Signature=", "X-Amz"]) expect(said).not.toContain(secret);
});

test("s3 errors: what is denied leads to the list of what each command has to be allowed", async () => {
  await using server = await scripted(() => refusal(403, "AccessDenied", "Access Denied"));
  const storage = await server.open();
  const { hint } = await expectThrown("STORAGE_DENIED", () => put(storage, "k", "x"), /Access Denied/);
  expect(hint).toMatch(/docs\/stores\.md lists what each command needs/);
});

test("s3 errors: a clock that the store refuses is named, also where the answer has no body, and not made up for in silence", async () => {
  const time = new Date(Date.now() - 3_600_000);
  await using server = await scripted(({ method, headers }) => {
    const signedAt = Date.parse(String(headers["x-amz-date"]).replace(/^(....)(..)(..T..)(..)(..Z)$/, "$1-$2-$3:$4:$5"));
    const refused = method === "HEAD" ? { status: 403 } : refusal(403, "RequestTimeTooSkewed");
    return { ...(Math.abs(signedAt - time.getTime()) > 900_000 ? refused : {}), headers: { date: time.toUTCString(), etag: '"e"' } };
  });
  const storage = await openS3Storage({ bucket: "b", prefix: "" }, s3Settings(server.url), testRuntime());
  const message = /the store refuses this host's clock: it is 60 minutes off the store's$/;
  await expectThrown("STORAGE_DENIED", () => put(storage, "k", "x"), message);
  await expectThrown("STORAGE_DENIED", () => storage.stat("k", { signal }), message);
  await expectThrown("STORAGE_DENIED", () => put(storage, "k", "x"), message);
});

test("s3 errors: how long a store asks to wait is waited", async () => {
  const waits: number[] = [];
  await using server = await scripted((_, index) =>
    index === 0 ? { ...refusal(503, "SlowDown"), headers: { "retry-after": "7" } } : { headers: { etag: '"e"' } },
  );
  const runtime = { ...testRuntime(), sleep: async (delayMs: number) => void waits.push(delayMs) };
  const storage = await openS3Storage({ bucket: "b", prefix: "" }, s3Settings(server.url), runtime);
  await storage.stat("k", { signal });
  expect(waits).toHaveLength(1);
  expect(waits[0]).toBeGreaterThanOrEqual(7_000);
});

test("s3 errors: an error in the body of a completion that began with 200 is one", async () => {
  await using server = await scripted(({ method, path }) => {
    if (method === "POST" && path.includes("uploads="))
      return { body: "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>" };
    if (method === "POST") return refusal(200, "InternalError");
    if (method === "DELETE") return refusal(404, "NoSuchUpload");
    return { headers: { etag: '"e"' } };
  });
  const large = inChunks(pattern(9 << 20), 1 << 20);
  const storage = await server.open();
  const failure = storage.put("k", large, { signal }).catch((error: unknown) => error);
  expect((await failure) as object).toMatchObject({ code: expect.stringMatching(/STORAGE_(UNREACHABLE|THROTTLED)/) });
  expect(server.asked.at(-1)).toMatchObject({ method: "DELETE" });
});

test("s3 storage: names a missing region, and takes any for a store that is not Amazon's", async () => {
  vi.stubEnv("AWS_REGION", undefined);
  vi.stubEnv("AWS_CONFIG_FILE", "/dev/null");
  try {
    const runtime = testRuntime();
    const amazon = await openS3Storage({ bucket: "b", prefix: "" }, s3Settings("", { endpoint: undefined, region: undefined }), runtime);
    await expectThrown("CONFIG_INVALID", () => put(amazon, "k", "x"), /in which region the bucket is/);
    await using server = await scripted(() => ({ headers: { etag: '"e"' } }));
    await (await server.open({ region: undefined })).remove("k", { signal });
    expect(server.asked[0]!.headers.authorization).toContain("/us-east-1/s3/");
  } finally {
    vi.stubEnv("AWS_REGION", ENV.AWS_REGION);
    vi.stubEnv("AWS_CONFIG_FILE", undefined);
  }
});

const MULTIPART = ({ method, path }: Asked): Answer => {
  if (method === "POST" && path.includes("uploads=")) return { body: "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>" };
  if (method === "POST") return { body: '<CompleteMultipartUploadResult><ETag>"whole"</ETag></CompleteMultipartUploadResult>' };
  return { headers: { etag: '"e"' } };
};

test("s3 storage: asks for encryption with a KMS key and for a storage class, of each object", async () => {
  await using server = await scripted(MULTIPART);
  const storage = await server.open({ encryption: { kind: "sse-kms", keyId: "key/1" }, storageClass: "GLACIER_IR" });
  await put(storage, "small", "x");
  await storage.put("large", inChunks(pattern(9 << 20), 1 << 20), { signal });
  const creating = server.asked.filter(({ method, path }) => (method === "PUT" && !path.includes("partNumber")) || path.includes("uploads="));
  expect(creating).toHaveLength(2);
  const demanded = { "x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "key/1", "x-amz-storage-class": "GLACIER_IR" };
  for (const { headers } of creating) expect(headers).toMatchObject(demanded);
  await put(await server.open({ encryption: { kind: "sse-s3" } }), "small", "x");
  expect(server.asked.findLast(({ method }) => method === "PUT")!.headers).toMatchObject({ "x-amz-server-side-encryption": "AES256" });
});

test("s3 storage: gives the customer's key with every request that touches content", async () => {
  await using directory = await temporaryDirectory("s3");
  const key = randomBytes(32);
  const files = [join(directory.path, "raw"), join(directory.path, "base64")];
  await writeFile(files[0]!, key);
  await writeFile(files[1]!, `${key.toString("base64")}\n`);
  await using server = await scripted((asked) => (asked.method === "GET" ? { headers: { etag: '"e"', "content-length": "1" }, body: "x" } : MULTIPART(asked)));
  for (const keyFile of files) {
    const storage = await server.open({ encryption: { kind: "sse-c", keyFile } });
    await put(storage, "small", "x");
    await storage.put("large", inChunks(pattern(9 << 20), 1 << 20), { signal });
    await collectAll(storage.read("small", { signal }));
  }
  const touching = server.asked.filter(({ path }) => !path.includes("?uploadId="));
  expect(touching.length).toBeGreaterThan(12);
  const given = { "x-amz-server-side-encryption-customer-algorithm": "AES256", "x-amz-server-side-encryption-customer-key": key.toString("base64") };
  for (const { headers } of touching) expect(headers).toMatchObject({ ...given, "x-amz-server-side-encryption-customer-key-md5": expect.any(String) });
  await writeFile(files[0]!, "too short");
  const message = /the key of SSE-C in .*raw is neither 32 bytes nor their base64/;
  await expectThrown("CONFIG_INVALID", () => server.open({ encryption: { kind: "sse-c", keyFile: files[0]! } }), message);
});

test("s3 storage: a store that does not say that it encrypts as asked is refused, and no part of a large object is sent there", async () => {
  await using directory = await temporaryDirectory("s3");
  const keyFile = join(directory.path, "key");
  await writeFile(keyFile, randomBytes(32));
  for (const encryption of [{ kind: "sse-s3" }, { kind: "sse-kms", keyId: "key/1" }, { kind: "sse-c", keyFile }] as const) {
    await using server = await scripted((asked) => ({ ...MULTIPART(asked), ignoresSse: true }));
    const storage = await server.open({ encryption });
    const message = /the store does not encrypt as --s3-sse asks: its answer to x-amz-server-side-encryption\S*: (AES256|aws:kms) does not say so$/;
    await expectThrown("CONFIG_INVALID", () => put(storage, "small", "x"), message);
    await expectThrown("CONFIG_INVALID", () => storage.put("large", inChunks(pattern(9 << 20), 1 << 20), { signal }), message);
    expect(server.asked.map(({ method }) => method)).toEqual(["PUT", "POST"]);
  }
});

test("s3 storage: sends CRC-32C with bytes, or MD5 where newer clients' checksums are refused", async () => {
  await using server = await scripted(MULTIPART);
  await put(await server.open(), "k", "123456789");
  await put(await server.open({ requestChecksums: false }), "k", "123456789");
  const [checked, old] = server.asked.filter(({ method }) => method === "PUT").map(({ headers }) => headers);
  expect(checked!["x-amz-checksum-crc32c"]).toBe("4waSgw=="); // RFC 3720's check value, e3069283.
  expect(old!["content-md5"]).toBe("JfnnlDI7RTiF9RgfG2JNCw==");
  expect(Object.keys(old!).filter((name) => /checksum|trailer/.test(name))).toEqual([]);
  for (const { body } of server.asked.filter(({ method }) => method === "PUT")) expect(body).toBe("123456789"); // Not in chunks of the SDK's own.
});

test("s3 storage: sends no checksum of newer clients with any request of an upload in parts, where they are refused", async () => {
  const sent = async (requestChecksums: boolean) => {
    await using server = await scripted(MULTIPART);
    await (await server.open({ requestChecksums })).put("large", inChunks(pattern(9 << 20), 1 << 20), { signal });
    const asked = server.asked.filter(({ method }) => method === "POST" || method === "PUT");
    expect(asked.map(({ method }) => method)).toEqual(["POST", "PUT", "PUT", "POST"]);
    return asked.map(({ headers, body }) => [
      Object.keys(headers).some((name) => /checksum|trailer/.test(name)) || /Checksum/.test(body),
      headers["content-md5"],
    ]);
  };
  for (const [hasChecksum] of await sent(true)) expect(hasChecksum).toBe(true);
  const md5 = expect.stringMatching(/^[A-Za-z0-9+/]{22}==$/);
  expect(await sent(false)).toEqual([
    [false, undefined],
    [false, md5],
    [false, md5],
    [false, undefined],
  ]);
});

test("s3 storage: says where the store holds fewer bytes than it was sent", async () => {
  let putId = "";
  await using server = await scripted(({ method, headers }) => {
    putId ||= String(headers["x-amz-meta-etcdsafe-put"] ?? "");
    return method === "HEAD" ? { headers: { etag: '"e"', "content-length": "3", "x-amz-meta-etcdsafe-put": putId } } : { headers: { etag: '"e"' } };
  });
  const storage = await server.open();
  await expectThrown("OBJECT_TRUNCATED", () => put(storage, "k", "four"), /^cannot write k in s3:\/\/bucket\/p: 4 bytes were sent, 3 are stored$/);
});

test("s3 storage: writes with credentials that may do nothing else", async () => {
  await using server = await scripted(({ method }) => (method === "PUT" ? { headers: { etag: '"e"', "x-amz-version-id": "v1" } } : { status: 403 }));
  const info = await (await server.open()).put("k", streamOf(Buffer.from("four")), { signal });
  expect(info).toEqual({ key: "k", sizeBytes: 4, modifiedAt: CLOCK, version: "e", versionId: "v1" });
});

test("s3 storage: takes no other range than the one it asked for", async () => {
  await using server = await scripted(() => ({ status: 206, headers: { etag: '"e"', "content-range": "bytes 0-4/10", "content-length": "5" }, body: "01234" }));
  const storage = await server.open();
  const reading = () => collectAll(storage.read("k", { signal, range: { start: 5, end: 10 } }));
  await expectThrown("STORAGE_UNREACHABLE", reading, /bytes from 5 on were asked for, 0 on were sent$/);
  expect(server.asked).toHaveLength(3);
});

test("s3 storage: copies parts of the version that it has looked up, and of no other", async () => {
  const found = { headers: { etag: '"of this version"', "content-length": String(9 << 20) } };
  await using server = await scripted((asked) => {
    if (asked.method === "HEAD") return found;
    return asked.headers["x-amz-copy-source"] === undefined ? MULTIPART(asked) : { body: "<CopyPartResult><ETag>&quot;part&quot;</ETag></CopyPartResult>" };
  });
  await (await server.open()).composed!.put("copy", [{ key: "k", start: 0, end: 9 << 20 }], { signal });
  const copied = server.asked.filter(({ headers }) => headers["x-amz-copy-source"] !== undefined);
  expect(copied.map(({ headers }) => headers["x-amz-copy-source-if-match"])).toEqual(['"of this version"']);
});

test("s3 storage: copies parts of what the customer's key encrypts by giving that key twice", async () => {
  await using directory = await temporaryDirectory("s3");
  const key = randomBytes(32);
  const keyFile = join(directory.path, "key");
  await writeFile(keyFile, key);
  await using server = await scripted((asked) => {
    if (asked.method === "HEAD") return { headers: { etag: '"e"', "content-length": String(9 << 20) } };
    return asked.headers["x-amz-copy-source"] === undefined ? MULTIPART(asked) : { body: "<CopyPartResult><ETag>&quot;part&quot;</ETag></CopyPartResult>" };
  });
  const storage = await server.open({ encryption: { kind: "sse-c", keyFile } });
  await storage.composed!.put("copy", [{ key: "k", start: 0, end: 9 << 20 }], { signal });
  const [copied] = server.asked.filter(({ headers }) => headers["x-amz-copy-source"] !== undefined);
  for (const of of ["", "copy-source-"]) expect(copied!.headers[`x-amz-${of}server-side-encryption-customer-key`]).toBe(key.toString("base64"));
});

test("s3 storage: a conflict with the first request is one, and nobody looks whether it was its own", async () => {
  await using server = await scripted(() => refusal(412, "PreconditionFailed"));
  const putting = async () => await (await server.open()).put("k", streamOf(Buffer.from("x")), { signal, ifVersion: "old" });
  await expectThrown("STORAGE_CONFLICT", putting, /it was changed since it was read$/);
  expect(server.asked.map(({ method }) => method)).toEqual(["PUT"]);
});

test("s3 storage: names the permission that is missing, each time another one", async () => {
  await using server = await scripted(({ method }) => (method === "HEAD" ? { status: 400 } : refusal(403, "AccessDenied")));
  const { versions, locks, unfinished, ...storage } = await server.open();
  const retention = { mode: "compliance", until: CLOCK } as const;
  const steps: [() => Promise<unknown>, RegExp][] = [
    [() => locks!.lock("k", "v", { retention }, { signal }), /s3:PutObjectRetention/],
    [() => locks!.lock("k", "v", { legalHold: true }, { signal }), /s3:PutObjectLegalHold/],
    [() => locks!.defaults({ signal }), /s3:GetBucketObjectLockConfiguration/],
    [() => locks!.state("k", "v", { signal }), /s3:GetObjectRetention/],
    [() => versions!.isEnabled({ signal }), /s3:GetBucketVersioning/],
    [() => Array.fromAsync(versions!.list("", { signal })), /s3:ListBucketVersions/],
    [() => Array.fromAsync(unfinished!.list("", { signal })), /s3:ListBucketMultipartUploads/],
    [() => storage.remove("k", { signal }), /s3:DeleteObject/],
    [() => put(storage, "k", "x"), /s3:ListBucket, GetObject, PutObject/],
    [() => storage.stat("k", { signal }), /name of the bucket/],
  ];
  for (const [step, hint] of steps) expect((await expectThrown("STORAGE_DENIED", step, /^cannot /)).hint).toMatch(hint);
});

test("s3 storage: tells the time of a store that refuses everything else", async () => {
  await using server = await scripted(() => ({ status: 403 }));
  const { time, uncertaintyMs } = await (await server.open()).clock!.now({ signal });
  expect(Math.abs(time.getTime() - CLOCK.getTime())).toBeLessThanOrEqual(uncertaintyMs);
});

test("s3 storage: lists every page, and names that had to be encoded", async () => {
  const page = (keys: readonly string[], next?: string) => {
    const contents = keys.map(
      (key) => `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e"</ETag><LastModified>2026-11-21T12:00:00.000Z</LastModified></Contents>`,
    );
    const more =
      next === undefined ? "<IsTruncated>false</IsTruncated>" : `<IsTruncated>true</IsTruncated><NextContinuationToken>${next}</NextContinuationToken>`;
    return { body: `<ListBucketResult><EncodingType>url</EncodingType>${more}${contents.join("")}</ListBucketResult>` };
  };
  await using server = await scripted(({ path }) => {
    if (path.includes("hex")) return page([]);
    return path.includes("continuation-token=two") ? page(["p/b+c", "p/b%2Bc", "p/%C3%A4"]) : page(["p/a", "p/a%2F"], "two");
  });
  expect(await keysOf(await server.open(), "")).toEqual(["a", "b c", "b+c", "ä"]);
});

test("s3: of who may not ask for locks, none is told that there are none", async () => {
  const listed = `<?xml version="1.0"?><ListBucketResult><Contents><Key>p/a</Key><Size>1</Size></Contents></ListBucketResult>`;
  const version = { "x-amz-version-id": "v1", etag: '"1"' };
  const until = "2027-01-01T00:00:00.000Z";
  const lock = { "x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": until };
  let headers: Readonly<Record<string, string>> = version;
  let [refused, code] = ["retention", "AccessDenied"];
  await using server = await scripted(({ method, path }) => {
    if (method === "HEAD") return { headers };
    const answers = path.includes(refused) ? { status: code === "AccessDenied" ? 403 : 400, body: `<Error><Code>${code}</Code></Error>` } : undefined;
    if (path.includes("retention")) return answers ?? { body: "<Retention/>" };
    if (path.includes("legal-hold")) return answers ?? { body: "<LegalHold/>" };
    return { body: path.includes("prefix=p%2F%25") ? "<ListBucketResult/>" : listed, headers: { "content-type": "application/xml" } };
  });
  const { locks } = await server.open();
  const found = () => Array.fromAsync(locks!.list("", { signal }));
  expect((await expectThrown("STORAGE_DENIED", found, /cannot ask for the lock of a /)).hint).toContain("s3:GetObjectRetention");
  // One of the two rights is not enough, whatever the other shows.
  [headers, refused] = [{ ...version, ...lock }, "legal-hold"];
  expect((await expectThrown("STORAGE_DENIED", found, /cannot ask for the lock of a /)).hint).toContain("s3:GetObjectLegalHold");
  refused = "nothing";
  expect(await found()).toEqual([{ key: "a", lock: { retention: { mode: "compliance", until: new Date(until) }, legalHold: false } }]);
  // As a bucket answers that was made without locks.
  [headers, refused, code] = [version, "retention", "InvalidRequest"];
  expect(await found()).toEqual([]);
  headers = { etag: '"1"' }; // As it was written before the bucket kept versions: nothing locks it.
  expect(await found()).toEqual([]);
});
