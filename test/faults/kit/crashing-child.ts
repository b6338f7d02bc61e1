// Child of storages.test.ts: stores "1", "2" and "3" as files of its working directory through a storage that crashes as its argument says.
import { writeFileSync } from "node:fs";
import { streamOf } from "../../../src/bytes/stream.ts";
import { MemoryStorage } from "../../support/memory-storage.ts";
import { harmed } from "./harmed-storage.ts";
import { crashingStorage } from "./storages.ts";

let key = "";
const inner = harmed(
  new MemoryStorage(),
  {},
  {
    body: async function* (body) {
      for await (const chunk of body) {
        writeFileSync(`${key} started`, "");
        yield chunk;
      }
    },
    after: async () => writeFileSync(`${key} stored`, ""),
  },
);
const storage = crashingStorage(inner, JSON.parse(process.argv[2] ?? "{}"));
for (key of ["1", "2", "3"]) await storage.put(key, streamOf(Buffer.from("ab")), { signal: new AbortController().signal });
