import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { abortable } from "../../src/storage/abortable.ts";

test("abortable: keeps no chunk alive while the stream goes on", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage: () => void = runInNewContext("gc");
  const chunks: WeakRef<Uint8Array>[] = [];
  const source = async function* () {
    for (;;) {
      const chunk = new Uint8Array(1024);
      chunks.push(new WeakRef(chunk));
      yield chunk;
    }
  };
  let alive: number | undefined;
  for await (const _ of abortable(source(), new AbortController().signal)) {
    await new Promise(setImmediate); // Weak references are cleared between turns of the event loop.
    if (chunks.length < 50) continue;
    collectGarbage();
    alive = chunks.filter((chunk) => chunk.deref() !== undefined).length;
    break;
  }
  expect(alive).toBeLessThan(5);
});

test("abortable: passes on the source's own error", async () => {
  const source = async function* (): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(1);
    throw new Error("cut");
  };
  await expect(Array.fromAsync(abortable(source(), new AbortController().signal))).rejects.toThrow("cut");
});
