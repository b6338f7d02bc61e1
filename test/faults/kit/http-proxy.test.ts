import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { firstRequests, type HttpScript, startHttpProxy } from "./http-proxy.ts";

const stored: string[] = [];
const server = createServer(async (request, answer) => {
  if (request.method === "PUT") stored.push(await text(request));
  answer.writeHead(200, { "content-length": "10", etag: '"e"' }).end("0123456789");
});
let target = "";

beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

/** Status and body, or "lost" where there is no whole answer. */
async function ask(url: string, init: RequestInit = {}): Promise<string> {
  try {
    const answer = await fetch(`${url}/bucket/key?x=1`, { signal: AbortSignal.timeout(500), ...init });
    return `${answer.status} ${await answer.text()}`;
  } catch {
    return "lost";
  }
}

async function answers(script: HttpScript, count: number): Promise<string[]> {
  await using proxy = await startHttpProxy(target, script);
  const all: string[] = [];
  for (let index = 0; index < count; index++) all.push(await ask(proxy.url));
  return all;
}

test("http proxy: passes requests and bodies unharmed", async () => {
  await using proxy = await startHttpProxy(target);
  expect(await ask(proxy.url, { method: "PUT", body: "a body" })).toBe("200 0123456789");
  expect(stored.at(-1)).toBe("a body");
  expect(proxy.requests).toEqual([{ index: 0, method: "PUT", path: "/bucket/key?x=1" }]);
});

test("http proxy: a burst of statuses, then success", async () => {
  expect(await answers(firstRequests(2, { status: 503, body: "SlowDown" }), 3)).toEqual(["503 SlowDown", "503 SlowDown", "200 0123456789"]);
});

test("http proxy: an answer that is lost after the request took effect", async () => {
  await using proxy = await startHttpProxy(target, () => ({ status: 500, afterwards: true }));
  expect(await ask(proxy.url, { method: "PUT", body: "carried out" })).toBe("500 ");
  expect(stored.at(-1)).toBe("carried out");
});

test("http proxy: short bodies, with a broken connection or as if they were whole", async () => {
  expect(await answers(() => ({ bodyBytes: 4 }), 1)).toEqual(["lost"]);
  expect(await answers(() => ({ bodyBytes: 4, honest: true }), 1)).toEqual(["200 0123"]);
});

test("http proxy: silence, until the script changes", async () => {
  await using proxy = await startHttpProxy(target, () => ({ silent: true }));
  expect(await ask(proxy.url)).toBe("lost");
  proxy.change(() => undefined);
  expect(await ask(proxy.url)).toBe("200 0123456789");
});
