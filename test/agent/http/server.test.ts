import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createAuthority } from "../../support/certificates.ts";
import { expectThrown } from "../../support/failures.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { bearer, converse, type Served, serve, TOKEN, tlsGet } from "./served.ts";

const portOf = ({ url }: Pick<Served, "url">): number => Number(new URL(url).port);

test("TLS: answers with its certificate, shows a rotated one once it is taken, and keeps it where the next pair is bad", async () => {
  await using directory = await temporaryDirectory();
  const authority = await createAuthority(directory.path);
  const ca = await readFile(authority.path, "utf8");
  const [first, second] = [await authority.issue({ name: "first" }), await authority.issue({ name: "second" })];
  const files = { certFile: join(directory.path, "tls.crt"), keyFile: join(directory.path, "tls.key") };
  const install = async (cert: string, key: string) => {
    await writeFile(files.certFile, await readFile(cert));
    await writeFile(files.keyFile, await readFile(key));
  };
  await install(first.cert, first.key);
  await using served = await serve({ tls: files });
  expect(served.url).toMatch(/^https:/);
  const name = async () => (await tlsGet(`${served.url}/healthz`, ca)).name;
  expect(await tlsGet(`${served.url}/healthz`, ca)).toEqual({ status: 200, name: "first" });
  await install(second.cert, second.key);
  expect(await name()).toBe("first");
  await served.take(/certificate/);
  expect(await name()).toBe("second");
  await install(first.cert, second.key);
  await expectThrown("CONFIG_INVALID", () => served.take(/certificate/), /tls\.crt and \S*tls\.key are no certificate and its private key: .*mismatch/);
  expect(await name()).toBe("second");
  await writeFile(files.certFile, "no certificate");
  await expectThrown("CONFIG_INVALID", () => served.take(/certificate/), /are no certificate and its private key/);
  await expectThrown(
    "CONFIG_INVALID",
    () => serve({ tls: { ...files, keyFile: join(directory.path, "absent.key") } }),
    /absent\.key cannot be read: there is no such file/,
  );
  expect(await name()).toBe("second");
  expect(served.logged).toEqual([]);
  const expired = await authority.issue({ name: "expired", validDays: { from: -3, to: -1 } });
  await install(expired.cert, expired.key);
  await served.take(/certificate/);
  expect(served.logged).toEqual([
    { level: "warn", message: "the certificate of the HTTP interface has expired", fields: { file: files.certFile, notAfter: expect.any(String) } },
  ]);
});

test("TLS: plain HTTP gets nothing", async () => {
  await using directory = await temporaryDirectory();
  const { cert, key } = await (await createAuthority(directory.path)).issue({ name: "server" });
  await using served = await serve({ tls: { certFile: cert, keyFile: key } });
  const { received } = await converse(served.url, ["GET /status HTTP/1.1\r\nHost: a\r\n\r\n"]);
  expect(received).not.toContain("prod-eu-1");
});

test("listening: an address that is taken or is none of this host's is refused", async () => {
  await using served = await serve();
  const port = portOf(served);
  await expectThrown("CONFIG_INVALID", () => serve({ port }), /^cannot listen on 127\.0\.0\.1:\d+: another process does$/);
  await expectThrown("CONFIG_INVALID", () => serve({ host: "192.0.2.1" }), /^cannot listen on 192\.0\.2\.1:0: this host has no such address$/);
});

test("listening: an IPv6 address makes a URL, and fetch's own classes stay what they were", async () => {
  const before = [globalThis.Request, globalThis.Response];
  await using served = await serve({ host: "::1" });
  expect(served.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
  expect((await served.fetch("/healthz")).status).toBe(200);
  expect([globalThis.Request, globalThis.Response]).toEqual(before);
});

test("bodies: one that is too long is refused at once, and one without a length is, too", async () => {
  await using directory = await temporaryDirectory();
  const tokenFile = join(directory.path, "token");
  await writeFile(tokenFile, TOKEN, { mode: 0o600 });
  await using served = await serve({ tokenFile });
  const huge = await served.fetch("/backups", { ...bearer(TOKEN), body: new Uint8Array(200_000) });
  expect([huge.status, await huge.json()]).toEqual([413, { error: "no request needs a body that long" }]);
  const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1000)) });
  const init = { ...bearer(TOKEN), body: endless, duplex: "half" } as RequestInit;
  const streamed = await served.fetch("/verifications", init).catch((error: Error) => error);
  if (streamed instanceof Response) expect(streamed.status).toBe(411);
  expect(served.requested).toEqual([]);
  const small = await served.fetch("/backups", { ...bearer(TOKEN), body: "{}" });
  expect(small.status).toBe(202);
});

test("bodies: whoever goes on sending is cut off within a second, whatever the method", async () => {
  await using served = await serve();
  const flood = function* (head: string) {
    yield head;
    for (let sent = 0; sent < 4_000; sent++) yield `8000\r\n${"x".repeat(0x8000)}\r\n`;
  };
  for (const method of ["GET", "POST", "PUT"]) {
    const { received, closedAfterMs } = await converse(served.url, flood(`${method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`));
    if (received !== "") expect(received).toMatch(/^HTTP\/1\.1 411 /);
    expect(closedAfterMs).toBeLessThan(5_000);
  }
  const { received } = await converse(served.url, ["GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"]);
  expect(received).toMatch(/^HTTP\/1\.1 413 /);
});

test("slow clients: who sends a head byte by byte, nothing at all, or a body that never comes, is not waited for", async () => {
  await using served = await serve();
  const [trickled, silent, bodiless] = await Promise.all([
    converse(served.url, `GET /status HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(500)}`, 100),
    converse(served.url, []),
    converse(served.url, ["GET /status HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"]),
  ]);
  expect(trickled.received).toMatch(/^HTTP\/1\.1 408 /);
  expect(trickled.received).not.toContain("prod-eu-1");
  for (const { closedAfterMs } of [trickled, silent, bodiless]) expect(closedAfterMs).toBeLessThan(20_000);
});

test("slow clients: one that takes no answers is dropped", async () => {
  await using served = await serve();
  const socket = connect(portOf(served), "127.0.0.1").on("error", () => undefined);
  socket.pause().write("GET /status HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000)); // Their answers are more than the kernel takes.
  await once(socket, "connect");
  // Who does not read does not see the end: the kernel tells whether the server's side is still open.
  const [port, peer] = [portOf(served), socket.localPort!].map((each) => each.toString(16).toUpperCase().padStart(4, "0"));
  const isOpen = async () => new RegExp(`:${port} \\w+:${peer} 01 `).test(await readFile("/proc/net/tcp", "utf8"));
  expect(await isOpen()).toBe(true);
  await expect.poll(isOpen, { timeout: 30_000, interval: 500 }).toBe(false); // After 14 s, and what the machine is slower.
  socket.destroy();
});

test("connections: there are only so many, and the oldest of whoever has the most makes room for the next", async () => {
  await using served = await serve({ host: "::" });
  const port = portOf(served);
  const open = async (host: string) => {
    const socket = connect(port, host).on("error", () => undefined);
    socket.resume().write("GET /heal");
    await once(socket, "connect");
    return socket;
  };
  const another = await open("::1");
  const many: Socket[] = [];
  for (let count = 0; count < 300; count++) many.push(await open("127.0.0.1"));
  const [healthz, fromElsewhere] = await Promise.all(["127.0.0.1", "[::1]"].map((host) => fetch(`http://${host}:${port}/healthz`)));
  expect([healthz!.status, fromElsewhere!.status]).toEqual([200, 200]);
  const isClosed = () => many.map(({ closed }) => closed);
  const closed = 300 + 3 - 128;
  await expect.poll(() => isClosed().filter(Boolean).length, { timeout: 5_000 }).toBe(closed);
  expect(isClosed().lastIndexOf(true)).toBe(closed - 1); // No newer one than that.
  expect(another.closed).toBe(false);
  for (const socket of [another, ...many]) socket.destroy();
});

test("connections: who fills them again and again keeps no probe out", async () => {
  await using served = await serve();
  const over = new AbortController();
  const flood = async () => {
    while (!over.signal.aborted) {
      const socket = connect(portOf(served), "127.0.0.1").on("error", () => undefined);
      socket.resume().write("GET /heal");
      await Promise.race([once(socket, "close"), sleep(5)]);
    }
  };
  const floods = Array.from({ length: 4 }, flood);
  await sleep(300);
  for (let count = 0; count < 5; count++) expect((await served.fetch("/healthz", { headers: { Connection: "close" } })).status).toBe(200);
  over.abort();
  await Promise.all(floods);
});

test("requests: HTTP/1.0 needs no host, as load balancers ask", async () => {
  await using served = await serve();
  const { received } = await converse(served.url, ["GET /healthz HTTP/1.0\r\n\r\n"]);
  expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nok\n$/);
  expect((await converse(served.url, ["GET /healthz HTTP/1.1\r\n\r\n"])).received).toMatch(/^HTTP\/1\.1 400 /);
});

test("closing: waits for no connection that is kept alive, silent, half a request or half a handshake", async () => {
  await using directory = await temporaryDirectory();
  const { cert, key } = await (await createAuthority(directory.path)).issue({ name: "server" });
  for (const tls of [undefined, { certFile: cert, keyFile: key }]) {
    const served = await serve({ tls });
    const port = portOf(served);
    const sockets = ["", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "GET /heal", "\x16\x03\x01"].map((sent) => {
      const socket = connect(port, "127.0.0.1").on("error", () => undefined);
      socket.resume().write(sent);
      return socket;
    });
    if (tls === undefined) expect((await served.fetch("/healthz")).status).toBe(200);
    await sleep(100);
    const startedAt = performance.now();
    await served.server[Symbol.asyncDispose]();
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    await expect.poll(() => sockets.every(({ destroyed }) => destroyed), { timeout: 5_000 }).toBe(true);
    await served.server[Symbol.asyncDispose](); // Twice does no harm.
  }
});
