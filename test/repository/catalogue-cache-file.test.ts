// The file between two runs: whatever is wrong with it, it is as if it were not there.
import { execFileSync } from "node:child_process";
import { chmod, mkdir, readdir, readFile, rename, stat, symlink, unlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CatalogueCache } from "../../src/repository/catalogue-cache.ts";
import { type CachePlace, readCatalogueCache, writeCatalogueCache } from "../../src/repository/catalogue-cache-file.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";

const DOCUMENTS = [["default/backups/a/manifest.json", "1", { state: "proven" }]] as const;
const runtime = { now: () => new Date() };
let temporary: TemporaryDirectory;
let place: CachePlace;

beforeEach(async () => {
  temporary = await temporaryDirectory("cache");
  place = {
    directory: join(temporary.path, "etcdsafe", "catalogue"),
    repository: repository("mf2gk4tdmvzg", "s3://a/b"),
    cluster: "default",
    version: "1.0.0",
  };
});
afterEach(() => temporary.remove());

function repository(id: string, location: string): Repository {
  return { storage: Object.assign(new MemoryStorage(), { location }), file: { id } as Repository["file"] };
}

/** A cache that has read these documents. */
async function filled(): Promise<CatalogueCache> {
  const cache = new CatalogueCache([]);
  for (const [key, version, value] of DOCUMENTS) await cache.of({ key, version }, async () => value);
  return cache;
}

/** What is remembered there. */
async function remembered(at: CachePlace = place): Promise<unknown> {
  const cache = await readCatalogueCache(at);
  const [[key, version]] = DOCUMENTS;
  return cache.of({ key, version }, async () => "read anew");
}

async function path(): Promise<string> {
  const [name] = await readdir(place.directory);
  return join(place.directory, name!);
}

const write = async () => writeCatalogueCache(place, await filled(), runtime);

test("cache file: is read back by whoever has the same repository, and readable for nobody else", async () => {
  expect(await remembered()).toBe("read anew");
  await write();
  expect(await remembered()).toEqual({ state: "proven" });
  expect((await stat(await path())).mode & 0o777).toBe(0o600);
  expect((await stat(place.directory)).mode & 0o777).toBe(0o700);
  expect(await readdir(place.directory)).toHaveLength(1);
});

test("cache file: nothing is written where nothing is new", async () => {
  await writeCatalogueCache(place, new CatalogueCache([]), runtime);
  expect(await readdir(temporary.path)).toEqual([]);
});

test("cache file: another repository, a copy elsewhere, another cluster and another etcdsafe have their own, or none", async () => {
  await write();
  const own = await readFile(await path());
  const others: CachePlace[] = [
    { ...place, repository: repository("zzzzzzzzzzzz", "s3://a/b") },
    { ...place, repository: repository("mf2gk4tdmvzg", "s3://a/copy") },
    { ...place, cluster: "other" },
    { ...place, version: "1.0.1" },
  ];
  for (const other of others) {
    expect(await remembered(other)).toBe("read anew");
    // Not even where it bears their name.
    const mine = await path();
    await writeCatalogueCache(other, await filled(), runtime);
    for (const name of await readdir(place.directory)) await writeFile(join(place.directory, name), own);
    expect(await remembered(other)).toBe("read anew");
    for (const name of await readdir(place.directory)) if (join(place.directory, name) !== mine) await unlink(join(place.directory, name));
  }
  expect(await remembered()).toEqual({ state: "proven" });
});

test("cache file: with any bit of it changed, or cut anywhere, it is not used", async () => {
  await write();
  const whole = await readFile(await path());
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 1;
    await writeFile(await path(), changed);
    // Of the last line break, nothing depends on.
    if (at < whole.length - 1) expect(await remembered(), `byte ${at}`).toBe("read anew");
    await writeFile(await path(), whole.subarray(0, at));
    expect(await remembered(), `cut at ${at}`).toBe("read anew");
  }
  await writeFile(await path(), whole);
  expect(await remembered()).toEqual({ state: "proven" });
});

test("cache file: one that others may write, that is a link, or a pipe, is not used", async () => {
  await write();
  const file = await path();
  for (const mode of [0o620, 0o602]) {
    await chmod(file, mode);
    expect(await remembered()).toBe("read anew");
  }
  await chmod(file, 0o644);
  expect(await remembered()).toEqual({ state: "proven" });
  await rename(file, `${file}.elsewhere`);
  await symlink(`${file}.elsewhere`, file);
  expect(await remembered()).toBe("read anew");
  await unlink(file);
  execFileSync("mkfifo", ["-m", "600", file]);
  expect(await remembered()).toBe("read anew");
});

test("cache file: where it cannot be written, that is no failure, and nothing is left", async () => {
  await writeFile(join(temporary.path, "etcdsafe"), ""); // A file in place of the directory.
  await write();
  expect(await remembered()).toBe("read anew");
  await unlink(join(temporary.path, "etcdsafe"));
  await write();
  const file = await path();
  await unlink(file);
  await mkdir(join(file, "in the way"), { recursive: true });
  await write();
  expect(await readdir(place.directory)).toHaveLength(1);
});

test("cache file: what another run writes is left to it, unless that is dead", async () => {
  await write();
  const file = await path();
  const before = await readFile(file);
  const part = `${file}.part`;
  await writeFile(part, "half");
  const cache = await filled();
  await cache.of({ key: "x", version: "1" }, async () => 1);
  await writeCatalogueCache(place, cache, runtime);
  expect(await readFile(file)).toEqual(before);
  expect(await readFile(part, "utf8")).toBe("half");
  await utimes(part, 0, 0);
  await writeCatalogueCache(place, cache, runtime);
  expect((await readFile(file)).length).toBeGreaterThan(before.length);
  expect(await readdir(place.directory)).toHaveLength(1);
});
