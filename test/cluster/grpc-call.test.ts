import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type MemberClient, openMember } from "../../src/cluster/channel.ts";

/** What etcd never says, or only when it is in trouble. */
const ANSWERS: Record<string, (stream: ServerHttp2Stream) => void> = {
  webPage: (stream) => {
    stream.respond({ ":status": 404, "content-type": "text/html" });
    stream.end("<html>");
  },
  utf8: (stream) => stream.respond({ "content-type": "application/grpc", "grpc-status": "13", "grpc-message": "caf%C3%A9" }, { endStream: true }),
  malformed: (stream) => stream.respond({ "content-type": "application/grpc", "grpc-status": "13", "grpc-message": "100%" }, { endStream: true }),
  wordless: (stream) => stream.respond({ "content-type": "application/grpc", "grpc-status": "8" }, { endStream: true }),
  statusless: (stream) => {
    stream.respond({ "content-type": "application/grpc" });
    stream.end(Buffer.from("00000000017b", "hex"));
  },
  reset: (stream) => stream.close(2),
  twoMessages: (stream) => {
    stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.from("00000000010000000001" + "0000", "hex"));
  },
  echo: (stream) => {
    stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.pipe(stream);
  },
};

let server: Http2Server;
let member: MemberClient;
let asked = 0;

beforeAll(async () => {
  server = createServer();
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    asked += 1;
    ANSWERS[String(headers[":path"]).split("/")[2] as string]?.(stream);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  member = openMember(endpoint, { endpoints: [endpoint], dialTimeoutMs: 2000, commandTimeoutMs: 300 });
});
afterAll(async () => {
  await member.close();
  server.close();
});

const ask = (answer: string) => member.call(`Test/${answer}`, Uint8Array.of(1, 2, 3), { signal: AbortSignal.timeout(5000) });

test("grpc: a message comes back as it went", async () => {
  expect(Buffer.from(await ask("echo")).toString("hex")).toBe("010203");
});

test.each([
  ["webPage", "ETCD_REQUEST_FAILED", /Test\/webPage failed: answered HTTP 404 with text\/html instead of gRPC/],
  ["wordless", "ETCD_REQUEST_FAILED", /failed: gRPC status 8/],
  ["utf8", "ETCD_REQUEST_FAILED", /failed: café$/],
  ["malformed", "ETCD_REQUEST_FAILED", /failed: 100%$/],
  ["statusless", "ETCD_UNREACHABLE", /the connection was lost during Test\/statusless/],
  ["twoMessages", "ETCD_UNREACHABLE", /not one whole message/],
  ["reset", "ETCD_UNREACHABLE", /the connection was lost during Test\/reset: .*INTERNAL_ERROR/],
  ["silence", "ETCD_UNREACHABLE", /no answer to Test\/silence within 300 ms/],
])("grpc: an answer that is a %s is %s", async (answer, code, message) => {
  await expect(ask(answer)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});

test("grpc: an aborted call rejects with the reason, and is not asked again", async () => {
  const before = asked;
  const abort = new AbortController();
  const call = member.call("Test/silence", new Uint8Array(0), { signal: abort.signal });
  setTimeout(() => abort.abort(new Error("enough")), 50);
  await expect(call).rejects.toThrow("enough");
  expect(asked).toBe(before + 1);
});

test("grpc: a closed client answers no more", async () => {
  const closed = openMember(member.endpoint, { endpoints: [], dialTimeoutMs: 2000, commandTimeoutMs: 300 });
  await closed.close();
  await expect(closed.call("Test/echo", new Uint8Array(0), { signal: AbortSignal.timeout(5000) })).rejects.toMatchObject({ code: "INTERNAL" });
});
