import { storageConformance } from "../conformance/storage.ts";
import { MemoryStorage } from "../support/memory-storage.ts";

storageConformance("memory storage", async () => {
  const storage = new MemoryStorage();
  return { storage, again: async () => storage, [Symbol.asyncDispose]: async () => undefined };
});
