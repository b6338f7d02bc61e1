import fc from "fast-check";
import { expect, test } from "vitest";
import { collect, streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { asOf } from "../../src/storage/as-of.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { runs, SEED } from "../support/counts.ts";
import { expectThrown } from "../support/failures.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { versionedStorage } from "../support/versioned-storage.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const text = async (storage: Storage, key: string, range?: { start: number; end: number }) =>
  Buffer.from(await collect(storage.read(key, { signal, ...(range && { range }) }), 1000, () => new Error("too long"))).toString();
const put = (storage: Storage, key: string, content: string) => storage.put(key, streamOf(Buffer.from(content)), { signal });

test("as of: at every moment, the store is as it was then, whatever was overwritten or deleted since", async () => {
  const operation = fc.record({
    kind: fc.constantFrom("put", "put", "remove"),
    key: fc.constantFrom("a", "a/b", "a/b/c", "ä", "z"),
    content: fc.string({ maxLength: 8 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 25 }), async (operations) => {
      const storage = versionedStorage();
      const present = new Map<string, string>();
      const moments: { time: Date; present: ReadonlyMap<string, string> }[] = [];
      for (const [index, { kind, key, content }] of operations.entries()) {
        // Several changes in one second happen: the newest counts.
        storage.time = new Date(Math.floor(index / 2) * 1000);
        if (kind === "put") await put(storage, key, content);
        else await storage.remove(key, { signal });
        if (kind === "put") present.set(key, content);
        else present.delete(key);
        if (index % 2 === 1) moments.push({ time: new Date(storage.time.getTime() + 500), present: new Map(present) });
      }
      for (const moment of moments) {
        const then = asOf(storage, moment.time, testRuntime());
        const keys = [...moment.present.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        expect((await Array.fromAsync(then.list("", { signal }))).map(({ key }) => key)).toEqual(keys);
        for (const key of ["a", "a/b", "a/b/c", "ä", "z"]) {
          const content = moment.present.get(key);
          expect((await then.stat(key, { signal }))?.sizeBytes).toBe(content === undefined ? undefined : Buffer.byteLength(content));
          if (content === undefined) await expect(text(then, key)).rejects.toMatchObject({ code: "STORAGE_NOT_FOUND" });
          else expect(await text(then, key)).toBe(content);
        }
      }
    }),
    { seed: SEED, numRuns: runs(50, 1_000) },
  );
});

test("as of: reads ranges, and looks a version up once", async () => {
  const storage = versionedStorage();
  await put(storage, "k", "0123456789");
  storage.time = new Date(1000);
  await put(storage, "k", "overwritten");
  let lists = 0;
  const counted = (...args: Parameters<typeof storage.versions.list>) => {
    lists++;
    return storage.versions.list(...args);
  };
  const counting = {
    ...storage,
    versions: { ...storage.versions, list: counted },
  };
  const then = asOf(counting, new Date(500), testRuntime());
  for (const start of [0, 3, 7]) expect(await text(then, "k", { start, end: start + 3 })).toBe("0123456789".slice(start, start + 3));
  expect(lists).toBe(1);
});

test("as of: what was written at that very moment was there", async () => {
  const storage = versionedStorage();
  storage.time = new Date(1000);
  await put(storage, "k", "of that moment");
  storage.time = new Date(1001);
  await put(storage, "k", "later");
  expect(await text(asOf(storage, new Date(1000), testRuntime()), "k")).toBe("of that moment");
});

test("as of: whether versions are kept is asked again where nobody answered, and not where that may not be asked", async () => {
  const storage = versionedStorage();
  await put(storage, "k", "there");
  const errors = [new EtcdsafeError("STORAGE_UNREACHABLE", "gone"), new EtcdsafeError("STORAGE_DENIED", "denied")];
  let asked = 0;
  const isEnabled = async () => {
    throw errors[asked++]!;
  };
  const runtime = testRuntime();
  const then = asOf({ ...storage, versions: { ...storage.versions, isEnabled } }, new Date(1), runtime);
  await expectThrown("STORAGE_UNREACHABLE", () => then.stat("k", { signal }), /gone/);
  for (let times = 0; times < 3; times++) expect(await text(then, "k")).toBe("there");
  expect(asked).toBe(2);
  expect(runtime.logged).toMatchObject([{ level: "warn", message: expect.stringContaining("may not be asked with these credentials") }]);
});

test("as of: changes nothing", async () => {
  const storage = versionedStorage();
  const then = asOf(storage, new Date(0), testRuntime());
  await expectThrown("STORAGE_READ_ONLY", () => put(then, "k", "x"), /opened read-only/);
  await expectThrown("STORAGE_READ_ONLY", () => then.remove("k", { signal }), /opened read-only/);
});

test("as of: a store that keeps no versions is a mistake to ask; one that kept them until lately is shown, with a warning", async () => {
  expect(() => asOf(new MemoryStorage(), new Date(), testRuntime())).toThrow(/keeps no versions of its objects/);
  const storage = versionedStorage();
  storage.versioning = false;
  await put(storage, "k", "only");
  await expectThrown("USAGE", () => asOf(storage, new Date(1), testRuntime()).stat("k", { signal }), /keeps no versions of its objects/);
  await storage.remove("k", { signal });
  const runtime = testRuntime();
  await asOf(storage, new Date(1), runtime).stat("k", { signal });
  expect(runtime.logged).toMatchObject([{ level: "warn", message: expect.stringContaining("keeps no versions any more") }]);
});
