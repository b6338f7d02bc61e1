import { counted } from "../../src/storage/counted.ts";
import { parallelReads } from "../../src/storage/parallel-reads.ts";
import { stateSplit } from "../../src/storage/state-split.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { throttled } from "../../src/storage/throttled.ts";
import { storageConformance } from "../conformance/storage.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { testRuntime } from "../support/test-runtime.ts";

const LIMITS = { uploadBytesPerSecond: 1e9, downloadBytesPerSecond: 1e9 };
/** A wrapper of a storage is a storage, and keeps what every storage promises. */
const STORAGES: readonly (readonly [name: string, make: () => Storage])[] = [
  ["memory storage", () => new MemoryStorage()],
  ["parallel reads", () => parallelReads(new MemoryStorage())],
  ["throttled storage", () => throttled(new MemoryStorage(), LIMITS, testRuntime())],
  ["counted storage", () => counted(new MemoryStorage(), () => undefined)],
  ["split state", () => stateSplit(new MemoryStorage(), new MemoryStorage())],
];

for (const [name, make] of STORAGES) {
  storageConformance(name, async () => {
    const storage = make();
    return { storage, again: async () => storage, [Symbol.asyncDispose]: async () => undefined };
  });
}
