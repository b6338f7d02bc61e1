import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { writeOutTo } from "../../src/cli/write-out.ts";

const chunks = [Buffer.from("a"), Buffer.from("bc")];
const never = new AbortController().signal;

test("write-out: resolves once the reader has taken all", async () => {
  const taken: string[] = [];
  const stream = new Writable({ write: (chunk, _encoding, done) => setTimeout(() => done(void taken.push(String(chunk)) as undefined), 5) });
  const write = writeOutTo(stream, { signal: never, stallLimitMs: 10_000 });
  await write(chunks);
  await write([]);
  expect(taken).toEqual(["a", "bc"]);
});

test("write-out: a reader that goes away fails the save", async () => {
  const stream = new Writable({ write: (_chunk, _encoding, done) => done(Object.assign(new Error("EPIPE"), { code: "EPIPE" })) }).on("error", () => undefined);
  await expect(writeOutTo(stream, { signal: never, stallLimitMs: 10_000 })(chunks)).rejects.toMatchObject({ code: "FILE_FAILED" });
});

test.each([
  ["EPIPE", /^Its reader has to take all/],
  ["ENOSPC", /^Free space where it is redirected to/],
  ["EIO", /^Look at what it is redirected to/],
])("write-out: the hint after %s fits it", async (code, hint) => {
  const stream = new Writable({ write: (_chunk, _encoding, done) => done(Object.assign(new Error(code), { code })) }).on("error", () => undefined);
  const failing = writeOutTo(stream, { signal: never, stallLimitMs: 10_000 })(chunks);
  await expect(failing).rejects.toMatchObject({ code: "FILE_FAILED", hint: expect.stringMatching(hint) });
});

test("write-out: a reader that takes nothing is given up after the stall limit, and at once when aborted", async () => {
  const stuck = () => new Writable({ write: () => undefined });
  await expect(writeOutTo(stuck(), { signal: never, stallLimitMs: 20 })(chunks)).rejects.toMatchObject({ code: "ETCD_STREAM_STALLED" });
  const controller = new AbortController();
  const writing = writeOutTo(stuck(), { signal: controller.signal, stallLimitMs: 10_000 })(chunks);
  controller.abort(new Error("stop"));
  await expect(writing).rejects.toThrow("stop");
  await expect(writeOutTo(stuck(), { signal: controller.signal, stallLimitMs: 10_000 })(chunks)).rejects.toThrow("stop");
});
