import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { httpSender, textOf } from "../../src/http/request.ts";
import { expectThrown } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const { signal } = new AbortController();
const CONNECTION = { caFile: undefined, proxy: undefined, idleLimitMs: 5_000, triesMax: 1 };
/** More than what a connection takes by itself. */
const MEGABYTES = 64;

test("http request: goes through the proxy that is named, with its body as it is", async () => {
  const seen: string[] = [];
  const proxy = createServer(async (incoming, answer) => {
    const body = Buffer.concat(await Array.fromAsync(incoming)).toString();
    seen.push(`${incoming.method} ${incoming.url} ${body}`);
    answer.end("hello");
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  try {
    const { send } = await httpSender({ ...CONNECTION, proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` });
    const answer = await send({ method: "PUT", url: "http://store.invalid/a/b?c", headers: {}, body: [Buffer.from("one "), Buffer.from("two")] }, { signal });
    expect(await textOf(answer)).toBe("hello");
    expect(seen).toEqual(["PUT http://store.invalid/a/b?c one two"]);
  } finally {
    proxy.close();
    proxy.closeAllConnections();
  }
});

test("http request: a body of any length is gathered in little memory, however slow its taker is", async () => {
  const megabyte = randomBytes(1024 ** 2);
  const wanted = createHash("sha256");
  let sentBytes = 0;
  const server = createServer(async (_, answer) => {
    for (let index = 0; index < MEGABYTES; index++) {
      wanted.update(megabyte);
      sentBytes += megabyte.length;
      if (!answer.write(megabyte)) await once(answer, "drain");
    }
    answer.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const { send } = await httpSender(CONNECTION);
    const found = createHash("sha256");
    const held: number[] = [];
    const { body } = await send({ method: "GET", url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, headers: {} }, { signal });
    for await (const piece of body) {
      found.update(piece);
      held.push(process.memoryUsage().arrayBuffers);
      if (held.length > 1) continue;
      await sleep(200);
      expect(sentBytes).toBeLessThan((MEGABYTES / 2) * megabyte.length); // The rest waits where it is.
    }
    expect(found.digest("hex")).toBe(wanted.digest("hex"));
    expect(Math.max(...held) - held[0]!).toBeLessThan(4 * 1024 ** 2);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test("http request: says which file of certificate authorities it cannot take", async () => {
  await using directory = await temporaryDirectory("http");
  const caFile = join(directory.path, "ca.pem");
  await expectThrown("CONFIG_INVALID", () => httpSender({ ...CONNECTION, caFile }), /ca\.pem cannot be read: ENOENT/);
  await writeFile(caFile, "no certificate");
  await expectThrown("CONFIG_INVALID", () => httpSender({ ...CONNECTION, caFile }), /ca\.pem holds no certificate authority/);
});
