// A process that dies anywhere in a put leaves the old object, the new one, or none; and nobody is held up by what it left.
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { collect, streamOf } from "../../src/bytes/stream.ts";
import { openFileStorage } from "../../src/storage/file.ts";
import { forEachCrashPoint } from "../faults/kit/for-each-crash-point.ts";
import { NODE } from "../support/cli.ts";
import { outputOf, runCommand, startCommand } from "../support/command.ts";
import { runs } from "../support/counts.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const child = fileURLToPath(new URL("put-child.ts", import.meta.url));
const { signal } = new AbortController(); // Each test has its time-out.
const SIZE_BYTES = 200_000;
/** Time passes in steps of a second per poll, so that a dead holder's lock is stale at once. */
const runtime = { randomBytes, sleep: async () => undefined };

test.each(["plain", "absent", "version"])(
  "file storage: killed anywhere in a put (%s), leaves the old object, the new one or none",
  { timeout: runs(60_000, 1_800_000) },
  async (how) => {
    await using directory = await temporaryDirectory("crash");
    const root = join(directory.path, "repository");
    const old = how === "absent" ? undefined : "old";
    const prepare = async () => {
      await rm(root, { recursive: true, force: true });
      if (old !== undefined) await openFileStorage(root, runtime).put("c/k.json", streamOf(Buffer.from(old)), { signal });
    };
    const { killedAt } = await forEachCrashPoint(
      async ({ nodeArguments, env }) => {
        await prepare();
        return runCommand(NODE, [...nodeArguments, child, root, "c/k.json", how, String(SIZE_BYTES)], { env: { ...process.env, ...env } });
      },
      async () => {
        const storage = openFileStorage(root, runtime);
        const found = await contentOf(storage, "c/k.json");
        expect([old, "n".repeat(SIZE_BYTES)].includes(found)).toBe(true);
        for await (const { key } of storage.list("", { signal })) expect(key).toBe("c/k.json");
        // Whoever comes next is not held up, whatever was left: by a lock, a half file, or a directory.
        const present = await storage.stat("c/k.json", { signal });
        await storage.put("c/k.json", streamOf(Buffer.from("next")), {
          signal,
          ...(present === undefined ? { ifAbsent: true } : { ifVersion: present.version }),
        });
        expect(await contentOf(storage, "c/k.json")).toBe("next");
      },
      { limit: runs(11, 200) },
    );
    expect(killedAt.length).toBeGreaterThanOrEqual(10);
  },
);

test("file storage: killed while the body streams, shows nothing", async () => {
  await using directory = await temporaryDirectory("crash");
  const running = startCommand(NODE, [child, directory.path, "big", "absent", String(20_000_000_000)]);
  const unfinished = join(directory.path, ".etcdsafe", "unfinished");
  while (Number((await outputOf("sh", ["-c", `du -sk ${unfinished} 2>/dev/null || echo 0`])).split("\t")[0]) < 1_000) expect(running.child.exitCode).toBeNull();
  running.signal("SIGKILL");
  expect((await running.finished).signal).toBe("SIGKILL");
  const storage = openFileStorage(directory.path, runtime);
  expect(await Array.fromAsync(storage.list("", { signal }))).toEqual([]);
  expect(await storage.stat("big", { signal })).toBeUndefined();
});

async function contentOf(storage: ReturnType<typeof openFileStorage>, key: string): Promise<string | undefined> {
  if ((await storage.stat(key, { signal })) === undefined) return undefined;
  return Buffer.from(await collect(storage.read(key, { signal }), 1 << 20, () => new Error("too long"))).toString();
}
