// What stores promise that can do more than keep objects (src/storage/capabilities.ts), as tests: for each interface that a storage has.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import type { ComposedPuts, Locks, UnfinishedUpload, UnfinishedUploads, Versions } from "../../src/storage/capabilities.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { bytes, collectAll, inChunks, keysOf, type OpenedStorage, pattern, put, sha256, signal } from "./objects.ts";

type Open = () => Promise<OpenedStorage>;

const LARGE_SIZE_BYTES = 12 * 1024 * 1024 + 5;
const APPEAR_LIMIT_MS = 10_000;
const CLOCK_DIFFERENCE_MS_MAX = 60_000;

export function unfinishedTests(open: Open): void {
  test("storage: tells of an upload that is not finished, and gives it up", async () => {
    await using opened = await open();
    if (opened.storage.unfinished === undefined) return;
    const unfinished: UnfinishedUploads = (await opened.again()).unfinished!;
    const controller = new AbortController();
    const body = async function* () {
      yield* inChunks(pattern(LARGE_SIZE_BYTES), 1 << 20);
      await new Promise(() => undefined);
    };
    const startedMs = Date.now();
    const done = opened.storage.put("a/b", body(), { signal: controller.signal });
    done.catch(() => undefined);
    const uploads = await appearing(unfinished, "a/");
    expect(uploads).toEqual([{ key: "a/b", uploadId: expect.any(String), startedAt: expect.any(Date) }]);
    expect(Math.abs(uploads[0]!.startedAt.getTime() - startedMs)).toBeLessThan(CLOCK_DIFFERENCE_MS_MAX);
    expect(await Array.fromAsync(unfinished.list("b", { signal }))).toEqual([]);
    expect(await keysOf(opened.storage, "")).toEqual([]);
    await unfinished.abort(uploads[0]!, { signal });
    await unfinished.abort(uploads[0]!, { signal });
    expect(await Array.fromAsync(unfinished.list("", { signal }))).toEqual([]);
    controller.abort(new Error("enough"));
    await expect(done).rejects.toThrow();
    expect(await keysOf(opened.storage, "")).toEqual([]);
  });
}

export function composedTests(open: Open): void {
  const compose = async (storage: Storage): Promise<ComposedPuts | undefined> => {
    if (storage.composed !== undefined) await storage.put("source", inChunks(pattern(LARGE_SIZE_BYTES), 1 << 20), { signal });
    return storage.composed;
  };

  test("storage: makes an object of stored ranges and own bytes", async () => {
    await using opened = await open();
    const composed = await compose(opened.storage);
    if (composed === undefined) return;
    const source = pattern(LARGE_SIZE_BYTES);
    const own = Buffer.from("own bytes");
    const middle = { key: "source", start: 1_000, end: LARGE_SIZE_BYTES - 3 };
    const cases = [
      { pieces: [own, middle], expected: [own, source.subarray(middle.start, middle.end)] },
      { pieces: [middle, own], expected: [source.subarray(middle.start, middle.end), own] },
      {
        pieces: [own, { key: "source", start: 10, end: 30 }, middle, own],
        expected: [own, source.subarray(10, 30), source.subarray(middle.start, middle.end), own],
      },
      { pieces: [{ key: "source", start: 0, end: 7 }, own], expected: [source.subarray(0, 7), own] },
      { pieces: [{ key: "source", start: 0, end: LARGE_SIZE_BYTES + 100 }], expected: [source] },
    ];
    for (const { pieces, expected } of cases) {
      const info = await composed.put(
        "made",
        pieces.map((piece) => (piece instanceof Uint8Array ? { bytes: piece } : piece)),
        { signal },
      );
      const whole = Buffer.concat(expected);
      expect(sha256(await bytes(opened.storage, "made"))).toBe(sha256(whole));
      expect(info).toEqual(await opened.storage.stat("made", { signal }));
      expect(info.sizeBytes).toBe(whole.length);
    }
  });

  test("storage: makes an object of stored ranges once where told to, and of what is there alone", async () => {
    await using opened = await open();
    const composed = await compose(opened.storage);
    if (composed === undefined) return;
    const pieces = [{ key: "source", start: 0, end: LARGE_SIZE_BYTES }];
    await composed.put("made", pieces, { signal, ifAbsent: true });
    await expect(composed.put("made", pieces, { signal, ifAbsent: true })).rejects.toMatchObject({ code: "STORAGE_CONFLICT" });
    await expect(composed.put("other", [{ key: "missing", start: 0, end: 9 }], { signal })).rejects.toMatchObject({ code: "STORAGE_NOT_FOUND" });
    expect(await keysOf(opened.storage, "")).toEqual(["made", "source"]);
  });
}

export function clockTests(open: Open): void {
  test("storage: tells the time, and how far off it may be", async () => {
    await using opened = await open();
    if (opened.storage.clock === undefined) return;
    const { time, uncertaintyMs } = await opened.storage.clock.now({ signal });
    expect(uncertaintyMs).toBeLessThan(CLOCK_DIFFERENCE_MS_MAX);
    expect(Math.abs(time.getTime() - Date.now())).toBeLessThan(uncertaintyMs + 2_000); // It runs on this machine.
  });
}

export function versionTests(open: Open): void {
  test("storage: keeps what is overwritten and deleted, and reads it by its version", async () => {
    await using opened = await open();
    const versions = opened.storage.versions!;
    expect(await versions.isEnabled({ signal })).toBe(true);
    const first = await put(opened.storage, "a/b", "first");
    const second = await put(opened.storage, "a/b", "second");
    await opened.storage.remove("a/b", { signal });
    await put(opened.storage, "a/c", "other");
    await put(opened.storage, "b", "elsewhere");
    expect(await opened.storage.stat("a/b", { signal })).toBeUndefined();
    const found = await Array.fromAsync((await opened.again()).versions!.list("a/", { signal }));
    expect(found.map(({ key, isDeleteMarker }) => [key, isDeleteMarker])).toEqual([
      ["a/b", true],
      ["a/b", false],
      ["a/b", false],
      ["a/c", false],
    ]);
    expect(found.slice(1, 3).map(({ versionId }) => versionId)).toEqual([second.versionId, first.versionId]);
    // But for its time: one of the servers tells that of the write that replaced it, which `repo validate` finds.
    const { modifiedAt: _, ...known } = first;
    expect(found[2]).toMatchObject({ ...known, isDeleteMarker: false });
    expect(await version(versions, "a/b", first.versionId!)).toBe("first");
    expect(await version(versions, "a/b", second.versionId!)).toBe("second");
    expect(Buffer.from(await collectAll(versions.read("a/b", second.versionId!, { signal, range: { start: 1, end: 4 } }))).toString()).toBe("eco");
    await expect(collectAll(opened.storage.read("a/b", { signal }))).rejects.toMatchObject({ code: "STORAGE_NOT_FOUND" });
  });

  test("storage: tells the version id of what it put, and of what is there", async () => {
    await using opened = await open();
    const small = await put(opened.storage, "small", "x");
    const large = await opened.storage.put("large", inChunks(pattern(LARGE_SIZE_BYTES), 1 << 20), { signal });
    for (const info of [small, large]) {
      expect(info.versionId).toMatch(/./);
      expect(await opened.storage.stat(info.key, { signal })).toEqual(info);
    }
  });

  test("storage: lists versions of more than a thousand writes in order", async () => {
    await using opened = await open();
    const ids = new Map<string, string[]>();
    const writes = async (key: string) => {
      for (let round = 0; round < 60; round++) ids.set(key, [(await put(opened.storage, key, `${round}`)).versionId!, ...(ids.get(key) ?? [])]);
    };
    await Promise.all(Array.from({ length: 18 }, (_, index) => writes(`v/${index + 10}`)));
    const found = await Array.fromAsync(opened.storage.versions!.list("v/", { signal }));
    expect(found.map(({ versionId }) => versionId)).toEqual([...ids].sort().flatMap(([, each]) => each));
  });
}

export function lockTests(open: Open): void {
  test("storage: locks a version, and tells of it", async () => {
    await using opened = await open();
    const locks: Locks = opened.storage.locks!;
    expect(await locks.defaults({ signal })).toEqual({ retention: undefined });
    expect(await locks.canHold({ signal })).toBe(true);
    const listed = () => Array.fromAsync(locks.list("", { signal }));
    await put(opened.storage, "j", "free");
    const { versionId } = await put(opened.storage, "k", "kept");
    expect(await locks.state("k", versionId!, { signal })).toEqual({ retention: undefined, legalHold: false });
    const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000);
    await locks.lock("k", versionId!, { retention: { mode: "governance", until }, legalHold: true }, { signal });
    expect(await locks.state("k", versionId!, { signal })).toEqual({ retention: { mode: "governance", until }, legalHold: true });
    expect(await listed()).toEqual([{ key: "k", lock: { retention: { mode: "governance", until }, legalHold: true } }]);
    await locks.lock("k", versionId!, { legalHold: false }, { signal });
    expect(await locks.state("k", versionId!, { signal })).toEqual({ retention: { mode: "governance", until }, legalHold: false });
    expect(await Array.fromAsync(locks.list("j", { signal }))).toEqual([]);
    await opened.storage.put("k", streamOf(Buffer.from("over")), { signal });
    expect(await listed()).toEqual([]); // Only the version below is.
    await opened.storage.remove("k", { signal });
    expect(await version(opened.storage.versions!, "k", versionId!)).toBe("kept");
  });
}

async function version(versions: Versions, key: string, versionId: string): Promise<string> {
  return Buffer.from(await collectAll(versions.read(key, versionId, { signal }))).toString();
}

async function appearing(unfinished: UnfinishedUploads, prefix: string): Promise<UnfinishedUpload[]> {
  for (const startedMs = performance.now(); performance.now() - startedMs < APPEAR_LIMIT_MS; await sleep(20)) {
    const found = await Array.fromAsync(unfinished.list(prefix, { signal }));
    if (found.length > 0) return found;
  }
  return [];
}
