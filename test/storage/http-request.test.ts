import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { httpSender, textOf } from "../../src/storage/http-request.ts";
import { expectThrown } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const { signal } = new AbortController();
const CONNECTION = { caFile: undefined, proxy: undefined, idleLimitMs: 5_000, triesMax: 1 };

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

test("http request: says which file of certificate authorities it cannot take", async () => {
  await using directory = await temporaryDirectory("http");
  const caFile = join(directory.path, "ca.pem");
  await expectThrown("CONFIG_INVALID", () => httpSender({ ...CONNECTION, caFile }), /ca\.pem cannot be read: ENOENT/);
  await writeFile(caFile, "no certificate");
  await expectThrown("CONFIG_INVALID", () => httpSender({ ...CONNECTION, caFile }), /ca\.pem holds no certificate authority/);
});
