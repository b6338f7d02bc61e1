// What every storage promises (src/storage/storage.ts), as tests. A backend's own test file calls this with a way to open an empty one;
// what only some stores can do is tested where `capabilities` claims it.
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { clockTests, composedTests, lockTests, unfinishedTests, versionTests } from "./capabilities.ts";
import { bytes, collectAll, inChunks, keysOf, type OpenedStorage, pattern, put, sha256, signal, text, within } from "./objects.ts";

/** Where the store does not do it everywhere: how to open an empty storage whose objects have versions, or versions that can be locked. */
export interface SpecialStores {
  readonly versioned?: () => Promise<OpenedStorage>;
  readonly locking?: () => Promise<OpenedStorage>;
}

const MANY_KEYS = 1_100;
const LARGE_SIZE_BYTES = 9 * 1024 * 1024 + 17;

export function storageConformance(name: string, open: () => Promise<OpenedStorage>, { versioned, locking }: SpecialStores = {}): void {
  describe(`${name} conformance`, () => {
    reading(open);
    listing(open);
    putting(open);
    cancelling(open);
    conditions(open);
    unfinishedTests(open);
    composedTests(open);
    clockTests(open);
    if (versioned !== undefined) versionTests(versioned);
    if (locking !== undefined) lockTests(locking);
  });
}

function reading(open: () => Promise<OpenedStorage>): void {
  test("storage: gives back what was put, also to another process", async () => {
    await using opened = await open();
    const info = await put(opened.storage, "a/b/c.json", "hello");
    expect(info).toMatchObject({ key: "a/b/c.json", sizeBytes: 5 });
    for (const storage of [opened.storage, await opened.again()]) {
      expect(await text(storage, "a/b/c.json")).toBe("hello");
      expect(await storage.stat("a/b/c.json", { signal })).toEqual(info);
    }
  });

  test("storage: keeps an empty object and one of many megabytes", async () => {
    await using opened = await open();
    await opened.storage.put("empty", streamOf(), { signal });
    expect(await opened.storage.stat("empty", { signal })).toMatchObject({ sizeBytes: 0 });
    expect(await text(opened.storage, "empty")).toBe("");
    const large = pattern(LARGE_SIZE_BYTES);
    const info = await opened.storage.put("large", inChunks(large, 100_003), { signal });
    expect(info.sizeBytes).toBe(LARGE_SIZE_BYTES);
    expect(sha256(await bytes(opened.storage, "large"))).toBe(sha256(large));
  });

  test("storage: reads ranges, also those that end beyond the object", async () => {
    await using opened = await open();
    await put(opened.storage, "ten", "0123456789");
    const cases = [
      [0, 10, "0123456789"],
      [0, 1, "0"],
      [3, 7, "3456"],
      [9, 10, "9"],
      [7, 100, "789"],
      [4, 4, ""],
      [10, 20, ""],
    ] as const;
    for (const [start, end, expected] of cases) expect(await text(opened.storage, "ten", { signal, range: { start, end } })).toBe(expected);
  });

  test("storage: reads a range out of the middle of a large object", async () => {
    await using opened = await open();
    const large = pattern(LARGE_SIZE_BYTES);
    await opened.storage.put("large", inChunks(large, 1 << 20), { signal });
    const range = { start: 4_000_001, end: 7_500_003 };
    expect(sha256(await bytes(opened.storage, "large", { signal, range }))).toBe(sha256(large.subarray(range.start, range.end)));
  });

  test("storage: says on the first pull that an object is not there", async () => {
    await using opened = await open();
    await put(opened.storage, "a/b", "x");
    for (const key of ["missing", "a/missing", "a", "missing/b"]) {
      await expect(collectAll(opened.storage.read(key, { signal }))).rejects.toMatchObject({ code: "STORAGE_NOT_FOUND" });
      expect(await opened.storage.stat(key, { signal })).toBeUndefined();
    }
  });

  test("storage: removes, and takes the removal of nothing for done", async () => {
    await using opened = await open();
    await put(opened.storage, "a/b/c", "x");
    await opened.storage.remove("a/b/c", { signal });
    await opened.storage.remove("a/b/c", { signal });
    await opened.storage.remove("never/was", { signal });
    expect(await opened.storage.stat("a/b/c", { signal })).toBeUndefined();
    await put(opened.storage, "a/b/c", "y");
    expect(await text(opened.storage, "a/b/c")).toBe("y");
  });
}

function listing(open: () => Promise<OpenedStorage>): void {
  test("storage: lists nothing where nothing is", async () => {
    await using opened = await open();
    expect(await keysOf(opened.storage, "")).toEqual([]);
    expect(await keysOf(opened.storage, "a/")).toEqual([]);
  });

  test("storage: lists by prefix, in the order of UTF-8 bytes, with what stat says", async () => {
    await using opened = await open();
    const keys = ["a-1", "a/b", "a/b-", "a.json", "a/c/d", "a0", "b/a", "a/b!/x", "a/ｂ", "a/𐀀"];
    for (const key of keys) await put(opened.storage, key, key);
    const sorted = keys.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
    for (const prefix of ["", "a", "a/", "a/b", "a/c/", "b", "a/c/d", "x"]) {
      expect(await keysOf(opened.storage, prefix)).toEqual(sorted.filter((key) => key.startsWith(prefix)));
    }
    for await (const info of opened.storage.list("a/", { signal })) expect(info).toEqual(await opened.storage.stat(info.key, { signal }));
  });

  test("storage: keeps keys with odd characters apart", async () => {
    await using opened = await open();
    const together = [
      "%",
      "%2F",
      "%2e",
      "%2E",
      "a%2Fb",
      "a b",
      "ä",
      ".",
      "..",
      "",
      "-",
      "~",
      "a+b",
      "q?x=1&y#z",
      "new\nline",
      "nul\0",
      "back\\slash",
      "CON",
      "ｂ",
      "𐀀",
    ];
    const apart = ["./x", "../x", "../../x", ".hidden/.x", "a//b", "/", "ä/ö", "//"];
    const oddKeys = [...together.map((key) => `odd/${key}`), ...apart.map((key, index) => `odd/${index}/${key}`)];
    for (const key of oddKeys) await put(opened.storage, key, key);
    expect(await keysOf(opened.storage, "odd/")).toEqual(oddKeys.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y))));
    for (const key of oddKeys) expect(await text(opened.storage, key)).toBe(key);
  });

  test("storage: lists more than a thousand keys, once each", async () => {
    await using opened = await open();
    const keys = Array.from({ length: MANY_KEYS }, (_, index) => `many/${String(index).padStart(5, "0")}`);
    for (let at = 0; at < keys.length; at += 50) await Promise.all(keys.slice(at, at + 50).map((key) => put(opened.storage, key, "")));
    expect(await keysOf(opened.storage, "many/")).toEqual(keys);
  });

  test("storage: lists on while objects are removed and added", async () => {
    await using opened = await open();
    for (const key of ["l/1", "l/2", "l/3", "l/4/x"]) await put(opened.storage, key, "");
    const seen: string[] = [];
    for await (const { key } of opened.storage.list("l/", { signal })) {
      seen.push(key);
      if (key === "l/1") await opened.storage.remove("l/3", { signal });
      await put(opened.storage, "k/new", "");
    }
    expect(seen.filter((key) => key !== "l/3")).toEqual(["l/1", "l/2", "l/4/x"]);
  });
}

function putting(open: () => Promise<OpenedStorage>): void {
  test("storage: replaces an object at once, and gives another content another version", async () => {
    await using opened = await open();
    const versions = new Set<string>();
    for (let round = 0; round < 20; round++) versions.add((await put(opened.storage, "k", String(round))).version);
    expect(versions.size).toBe(20);
    expect(await text(opened.storage, "k")).toBe("19");
  });

  test("storage: is done with a chunk when it asks for the next", async () => {
    await using opened = await open();
    const large = Buffer.from(pattern(LARGE_SIZE_BYTES));
    const body = async function* () {
      const chunk = Buffer.alloc(1_000_003);
      for (let at = 0; at < large.length; at += chunk.length) {
        const sizeBytes = large.copy(chunk, 0, at);
        yield chunk.subarray(0, sizeBytes);
        chunk.fill(0);
      }
    };
    await opened.storage.put("large", body(), { signal });
    expect(sha256(await bytes(opened.storage, "large"))).toBe(sha256(large));
  });

  test("storage: shows nothing of an object before its last byte is there", async () => {
    await using opened = await open();
    const seen: string[][] = [];
    const body = async function* () {
      yield pattern(200_000);
      seen.push(await keysOf(opened.storage, ""));
      yield pattern(200_000);
      seen.push(await keysOf(await opened.again(), ""));
    };
    await opened.storage.put("slow", body(), { signal });
    expect(seen).toEqual([[], []]);
    expect(await keysOf(opened.storage, "")).toEqual(["slow"]);
  });

  test("storage: keeps the old object when the new one's body fails, and passes the error on", async () => {
    await using opened = await open();
    await put(opened.storage, "k", "old");
    const broken = async function* () {
      yield pattern(100_000);
      throw new EtcdsafeError("ETCD_STREAM_CUT", "cut");
    };
    await expect(opened.storage.put("k", broken(), { signal })).rejects.toMatchObject({ code: "ETCD_STREAM_CUT" });
    await expect(opened.storage.put("fresh", broken(), { signal })).rejects.toMatchObject({ code: "ETCD_STREAM_CUT" });
    expect(await text(opened.storage, "k")).toBe("old");
    expect(await keysOf(opened.storage, "")).toEqual(["k"]);
  });

  test("storage: keeps one of several large objects that are put under one key at the same time, whole", async () => {
    await using opened = await open();
    const contents = [1, 2, 3].map((writer) => pattern(LARGE_SIZE_BYTES + writer));
    const storages = await Promise.all(contents.map(() => opened.again()));
    const results = await Promise.allSettled(contents.map((content, writer) => storages[writer]!.put("k", inChunks(content, 300_007), { signal })));
    // A store where all uploads to one key share their parts refuses those that come too late.
    for (const result of results) if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "STORAGE_CONFLICT" });
    const written = contents.filter((_, writer) => results[writer]!.status === "fulfilled");
    expect(written.map(sha256)).toContain(sha256(await bytes(opened.storage, "k")));
  });

  test("storage: takes puts of many objects at once", async () => {
    await using opened = await open();
    await Promise.all(Array.from({ length: 20 }, (_, index) => opened.storage.put(`p/${index}`, inChunks(pattern(50_000 + index), 7_000), { signal })));
    for (let index = 0; index < 20; index++) expect(sha256(await bytes(opened.storage, `p/${index}`))).toBe(sha256(pattern(50_000 + index)));
  });
}

function cancelling(open: () => Promise<OpenedStorage>): void {
  test("storage: leaves no object and no upload of a put that is cancelled in the middle of its transfer", async () => {
    await using opened = await open();
    const controller = new AbortController();
    const body = async function* () {
      for (let sentBytes = 0; ; sentBytes += 1_000_000) {
        if (sentBytes > 3 * LARGE_SIZE_BYTES) controller.abort(new Error("enough"));
        yield pattern(1_000_000);
      }
    };
    await expect(opened.storage.put("k", body(), { signal: controller.signal })).rejects.toThrow("enough");
    const again = await opened.again();
    expect(await keysOf(again, "")).toEqual([]);
    if (again.unfinished !== undefined) expect(await Array.fromAsync(again.unfinished.list("", { signal }))).toEqual([]);
  });

  test("storage: ends a put with the signal's reason even while its body stalls, and leaves nothing", async () => {
    await using opened = await open();
    const controller = new AbortController();
    const stalled = async function* () {
      yield pattern(100_000);
      await new Promise(() => undefined);
    };
    const done = opened.storage.put("k", stalled(), { signal: controller.signal });
    done.catch(() => undefined);
    await sleep(20);
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(within(done, 10_000)).rejects.toBe(reason);
    expect(await keysOf(opened.storage, "")).toEqual([]);
  });

  test("storage: ends its body's stream when a put is cancelled", async () => {
    await using opened = await open();
    const controller = new AbortController();
    const begun = Promise.withResolvers<void>();
    let ended = false;
    const body = async function* () {
      try {
        for (;;) {
          begun.resolve();
          yield pattern(10_000);
          await sleep(1);
        }
      } finally {
        ended = true;
      }
    };
    const done = opened.storage.put("k", body(), { signal: controller.signal });
    done.catch(() => undefined);
    await begun.promise;
    controller.abort(new Error("enough"));
    await expect(done).rejects.toThrow("enough");
    await expect.poll(() => ended, { timeout: 10_000 }).toBe(true);
  });

  test("storage: does nothing under a signal that is aborted already", async () => {
    await using opened = await open();
    await put(opened.storage, "k", "x");
    const aborted = AbortSignal.abort(new Error("too late"));
    await expect(opened.storage.put("n", streamOf(pattern(1)), { signal: aborted })).rejects.toThrow("too late");
    await expect(opened.storage.stat("k", { signal: aborted })).rejects.toThrow("too late");
    await expect(collectAll(opened.storage.read("k", { signal: aborted }))).rejects.toThrow("too late");
    await expect(opened.storage.remove("k", { signal: aborted })).rejects.toThrow("too late");
    await expect(Array.fromAsync(opened.storage.list("", { signal: aborted }))).rejects.toThrow("too late");
    expect(await keysOf(opened.storage, "")).toEqual(["k"]);
  });

  test("storage: stops a read in the middle", async () => {
    await using opened = await open();
    await opened.storage.put("large", streamOf(pattern(LARGE_SIZE_BYTES)), { signal });
    const controller = new AbortController();
    const read = async () => {
      for await (const _ of opened.storage.read("large", { signal: controller.signal })) controller.abort(new Error("enough"));
    };
    await expect(read()).rejects.toThrow("enough");
  });
}

function conditions(open: () => Promise<OpenedStorage>): void {
  test("storage: creates once where told to, whoever tries at the same time", async () => {
    await using opened = await open();
    if (!opened.storage.capabilities.putIfAbsent) return;
    const storages = [opened.storage, await opened.again(), await opened.again()];
    for (let round = 0; round < 5; round++) {
      const key = `fence/${round}`;
      const tries = Array.from({ length: 9 }, (_, index) =>
        storages[index % 3]!.put(key, inChunks(Buffer.from(`writer ${index}`.repeat(1_000)), 999), { signal, ifAbsent: true }),
      );
      const results = await Promise.allSettled(tries);
      const winners = results.flatMap((result, index) => (result.status === "fulfilled" ? [index] : []));
      expect(winners).toHaveLength(1);
      for (const result of results) if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "STORAGE_CONFLICT" });
      expect(await text(opened.storage, key)).toBe(`writer ${winners[0]}`.repeat(1_000));
    }
  });

  test("storage: refuses a large object too that is there already", async () => {
    await using opened = await open();
    if (!opened.storage.capabilities.putIfAbsent) return;
    const large = pattern(LARGE_SIZE_BYTES);
    await opened.storage.put("k", inChunks(large, 1 << 20), { signal, ifAbsent: true });
    const other = () =>
      inChunks(
        large.map((byte) => byte ^ 1),
        1 << 20,
      );
    await expect(opened.storage.put("k", other(), { signal, ifAbsent: true })).rejects.toMatchObject({ code: "STORAGE_CONFLICT" });
    await expect(opened.storage.put("k", other(), { signal, ifVersion: "another" })).rejects.toMatchObject({ code: "STORAGE_CONFLICT" });
    expect(sha256(await bytes(opened.storage, "k"))).toBe(sha256(large));
    if (opened.storage.unfinished !== undefined) expect(await Array.fromAsync(opened.storage.unfinished.list("", { signal }))).toEqual([]);
  });

  test("storage: replaces only the version it was told, whoever tries at the same time", async () => {
    await using opened = await open();
    if (!opened.storage.capabilities.putIfVersion) return;
    const first = await put(opened.storage, "lease", "0");
    const second = await opened.storage.put("lease", streamOf(Buffer.from("1")), { signal, ifVersion: first.version });
    await expect(opened.storage.put("lease", streamOf(Buffer.from("x")), { signal, ifVersion: first.version })).rejects.toMatchObject({
      code: "STORAGE_CONFLICT",
    });
    await expect(opened.storage.put("absent", streamOf(Buffer.from("x")), { signal, ifVersion: first.version })).rejects.toMatchObject({
      code: "STORAGE_CONFLICT",
    });
    expect(await opened.storage.stat("lease", { signal })).toEqual(second);
    expect(await opened.storage.stat("absent", { signal })).toBeUndefined();
  });

  test("storage: loses no increment of a counter that many raise by compare-and-swap", async () => {
    await using opened = await open();
    if (!opened.storage.capabilities.putIfVersion) return;
    await put(opened.storage, "counter", "0");
    const raise = async (storage: Storage) => {
      for (let done = 0; done < 10; ) {
        const { version } = (await storage.stat("counter", { signal }))!;
        const value = Number(await text(storage, "counter"));
        done += await storage.put("counter", streamOf(Buffer.from(String(value + 1))), { signal, ifVersion: version }).then(
          () => 1,
          (error) => {
            expect(error).toMatchObject({ code: "STORAGE_CONFLICT" });
            return 0;
          },
        );
      }
    };
    await Promise.all([raise(opened.storage), raise(await opened.again()), raise(await opened.again())]);
    expect(await text(opened.storage, "counter")).toBe("30");
  });
}
