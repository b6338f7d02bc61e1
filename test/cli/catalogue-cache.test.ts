// Which commands remember what they have read, and where.
import { mkdir, readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import { withCatalogueCache } from "../../src/cli/catalogue-cache.ts";
import type { Invocation } from "../../src/cli/command.ts";
import { readConfig } from "../../src/config/config.ts";
import type { OptionName } from "../../src/config/options.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const repository = { storage: new MemoryStorage(), file: { id: "mf2gk4tdmvzg" } } as unknown as Repository;

/** Lists as a command with these options would; whether it was given a memory. */
async function remembers(XDG_CACHE_HOME: string, flags: Partial<Record<OptionName, string>> = {}): Promise<boolean> {
  const given = Object.entries(flags).map(([name, text]) => [name as OptionName, [text]] as const);
  const { config, faults } = await readConfig({ command: "list", flags: new Map(given), environment: {} });
  expect(faults).toEqual([]);
  const invocation = { config, environment: { XDG_CACHE_HOME }, runtime: testRuntime() } as unknown as Invocation;
  return withCatalogueCache(invocation, repository, "default", async (cache) => {
    await cache?.of({ key: "a", version: "1" }, async () => "x");
    return cache !== undefined;
  });
}

const filesIn = (directory: TemporaryDirectory) => readdir(directory.path, { recursive: true });

test("catalogue cache: is in the user's cache directory", async () => {
  await using directory = await temporaryDirectory("cache");
  expect(await remembers(directory.path)).toBe(true);
  expect(await filesIn(directory)).toEqual([
    "etcdsafe",
    "etcdsafe/catalogue",
    expect.stringMatching(/^etcdsafe\/catalogue\/mf2gk4tdmvzg-default-[0-9a-f]{16}\.json$/),
  ]);
});

test.each([[{ "no-cache": "true" }], [{ "as-of": "2026-11-21T07:00:00Z" }], [{ "trusted-key": "key.pub" }]] as const)(
  "catalogue cache: is neither read nor written with %j",
  async (flags) => {
    await using directory = await temporaryDirectory("cache");
    expect(await remembers(directory.path, flags)).toBe(false);
    expect(await filesIn(directory)).toEqual([]);
  },
);

test("catalogue cache: a relative XDG_CACHE_HOME does not count", async () => {
  await using directory = await temporaryDirectory("cache");
  const before = process.env["HOME"];
  process.env["HOME"] = directory.path;
  try {
    expect(homedir()).toBe(directory.path);
    await mkdir(join(directory.path, "elsewhere"));
    expect(await remembers(relative(process.cwd(), join(directory.path, "elsewhere")))).toBe(true);
    expect(await filesIn(directory)).toContain(".cache/etcdsafe/catalogue");
    expect(await readdir(join(directory.path, "elsewhere"))).toEqual([]);
  } finally {
    process.env["HOME"] = before;
  }
});
