import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ProxyScript, startProxy, type TcpProxy } from "./proxy.ts";

/** Sends "0123456789" and ends, and keeps what it receives. */
const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => undefined);
  socket.on("data", (chunk) => received.push(chunk.toString()));
  socket.end("0123456789");
});
let received: string[] = [];
let port = 0;

beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  port = (server.address() as AddressInfo).port;
});
afterAll(() => server.close());

/** What a client receives, then how the connection ended: "end", an error's code, or "open" after `waitMs`. */
async function talk(proxy: TcpProxy, waitMs = 2_000, say = "hello"): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port: proxy.port });
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.on("end", () => resolve("end"));
  socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  const timer = setTimeout(() => resolve("open"), waitMs);
  socket.end(say);
  const ending = await promise;
  clearTimeout(timer);
  socket.destroy();
  return `${text} ${ending}`;
}

async function through(script: ProxyScript, waitMs?: number): Promise<string> {
  received = [];
  await using proxy = await startProxy(port, script);
  return await talk(proxy, waitMs);
}

test("tcp proxy: passes both directions unharmed", async () => {
  expect(await through({})).toBe("0123456789 end");
  await expect.poll(() => received.join("")).toBe("hello");
});

test("tcp proxy: cuts, ends and stalls after exactly so many bytes", async () => {
  expect(await through({ toClient: { cutAfterBytes: 4 } })).toBe("0123 ECONNRESET");
  expect(await through({ toClient: { cutAfterBytes: 0 } })).toBe(" ECONNRESET");
  expect(await through({ toClient: { endAfterBytes: 4 } })).toBe("0123 end");
  expect(await through({ toClient: { stallAfterBytes: 4 } }, 200)).toBe("0123 open");
});

test("tcp proxy: changes one byte, and delays", async () => {
  expect(await through({ toClient: { corruptByte: 3 } })).toBe("0122456789 end");
  const startedAt = performance.now();
  expect(await through({ toClient: { delayMs: 150 } })).toBe("0123456789 end");
  expect(performance.now() - startedAt).toBeGreaterThan(140);
});

test("tcp proxy: each direction has its own faults", async () => {
  expect(await through({ toServer: { endAfterBytes: 2 } })).toBe("0123456789 end");
  await expect.poll(() => received.join("")).toBe("he");
});

test("tcp proxy: a script chooses by connection", async () => {
  await using proxy = await startProxy(`http://127.0.0.1:${port}`, (connection) => (connection === 1 ? { refuse: true } : {}));
  expect([await talk(proxy), await talk(proxy), await talk(proxy)]).toEqual(["0123456789 end", " ECONNRESET", "0123456789 end"]);
  expect(proxy.connections).toBe(3);
  expect(proxy.passedBytes.toClient).toBe(20);
});

test("tcp proxy: a stalled connection goes on, or is cut, when the script changes", async () => {
  for (const [next, outcome] of [
    [{}, "0123456789 end"],
    [{ toClient: { cutAfterBytes: 0 } }, "0123 ECONNRESET"],
  ] as const) {
    await using proxy = await startProxy(port, { toClient: { stallAfterBytes: 4 } });
    const talking = talk(proxy);
    await expect.poll(() => proxy.passedBytes.toClient).toBe(4);
    proxy.change(next);
    expect(await talking).toBe(outcome);
  }
});

test("tcp proxy: cut resets what is open; closed, connecting is refused, until it is reopened", async () => {
  await using proxy = await startProxy(port, { toClient: { stallAfterBytes: 4 } });
  const talking = talk(proxy);
  await expect.poll(() => proxy.passedBytes.toClient).toBe(4);
  proxy.cut();
  expect(await talking).toMatch(/ECONNRESET$/);
  await proxy.close();
  expect(await talk(proxy)).toBe(" ECONNREFUSED");
  proxy.change({});
  await proxy.reopen();
  expect(await talk(proxy)).toBe("0123456789 end");
});
