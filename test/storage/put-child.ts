// Child of the crash tests: node put-child.ts ROOT KEY plain|absent|version SIZE. Writes SIZE bytes under KEY; prints the error's code when it fails.
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { EtcdsafeError } from "../../src/errors.ts";
import { openFileStorage } from "../../src/storage/file.ts";

const [root, key, how, size] = process.argv.slice(2);
const storage = openFileStorage(root!, { randomBytes, sleep: (delayMs, signal) => sleep(delayMs, undefined, { signal }) });
const signal = AbortSignal.timeout(30_000);

async function* body(): AsyncGenerator<Uint8Array> {
  for (let left = Number(size); left > 0; left -= 65_536) yield Buffer.alloc(Math.min(left, 65_536), "n");
}

try {
  const present = how === "version" ? await storage.stat(key!, { signal }) : undefined;
  await storage.put(key!, body(), { signal, ifAbsent: how === "absent", ...(present === undefined ? {} : { ifVersion: present.version }) });
} catch (error) {
  process.stdout.write(error instanceof EtcdsafeError ? error.code : String(error));
  process.exitCode = 1;
}
