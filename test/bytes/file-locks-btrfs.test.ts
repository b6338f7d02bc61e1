// On btrfs, stat tells another device number than the list of locks. There is none here, so stat is told to lie.
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { BigIntStats } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { listedLock } from "../../src/bytes/file-locks.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

vi.mock("node:fs/promises", async (original) => {
  const plain = await original<typeof import("node:fs/promises")>();
  const stat = async (path: string, options: { readonly bigint: true }): Promise<BigIntStats> => {
    const stats = await plain.stat(path, options);
    stats.dev += 1n;
    return stats;
  };
  return { ...plain, stat };
});

test("the list of locks: a file whose device stat calls otherwise is found by the device of its mount", async () => {
  await using directory = await temporaryDirectory("locks");
  const path = join(directory.path, "db");
  await writeFile(path, "");
  const holder = spawn("flock", ["-x", path, "sh", "-c", "echo held; cat"], { stdio: ["pipe", "pipe", "ignore"] });
  await once(holder.stdout, "data");
  expect(await listedLock(path)).toMatchObject({ locked: true, processId: expect.any(Number) });
  holder.stdin.end();
  await once(holder, "close");
  expect(await listedLock(path)).toEqual({ locked: false, processId: null });
});
