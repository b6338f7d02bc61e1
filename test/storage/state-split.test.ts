import fc from "fast-check";
import { expect, test } from "vitest";
import { collect, streamOf } from "../../src/bytes/stream.ts";
import { isStateKey, stateSplit } from "../../src/storage/state-split.ts";
import { runs, SEED } from "../support/counts.ts";
import { MemoryStorage } from "../support/memory-storage.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const ID = "20261121T093000Z-0000000000000012345-k3jv2a";

test.each(["etcdsafe-state.json", "prod/cluster.json", "prod/writer.json", `prod/uploads/${ID}.json`])("split state: %s is state", (key) => {
  expect(isStateKey(key)).toBe(true);
});

test.each([
  "etcdsafe-repository.json",
  `prod/backups/${ID}/manifest.json`,
  "prod/backups/cluster.json",
  "prod/cluster.json.sig",
  "cluster.json",
  `prod/pins/${ID}.json`,
])("split state: %s stays with the backups", (key) => {
  expect(isStateKey(key)).toBe(false);
});

test("split state: behaves as one storage would, with each object in the store it belongs to", async () => {
  const keys = fc.constantFrom(
    "etcdsafe-repository.json",
    "a/cluster.json",
    "a/backups/x",
    "a/uploads/x.json",
    "b/writer.json",
    "b/zz",
    "a/ä",
    "a/cluster.json0",
  );
  const operation = fc.record({ kind: fc.constantFrom("put", "remove"), key: keys, text: fc.string() });
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 30 }), async (operations) => {
      const [one, main, state] = [new MemoryStorage(), new MemoryStorage(), new MemoryStorage()];
      const split = stateSplit(main, state);
      for (const { kind, key, text } of operations) {
        for (const storage of [one, split])
          await (kind === "put" ? storage.put(key, streamOf(Buffer.from(text)), { signal }) : storage.remove(key, { signal }));
      }
      for (const prefix of ["", "a/", "a/cluster", "b/writer.json", "a/uploads/"]) {
        const listed = async (storage: typeof split) => (await Array.fromAsync(storage.list(prefix, { signal }))).map(({ key, sizeBytes }) => [key, sizeBytes]);
        expect(await listed(split)).toEqual(await listed(one));
      }
      for await (const { key } of one.list("", { signal })) {
        expect((isStateKey(key) ? state : main).bytesOf(key)).toEqual(one.bytesOf(key));
        expect((isStateKey(key) ? main : state).bytesOf(key)).toBeUndefined();
        expect(await collect(split.read(key, { signal }), 1000, () => new Error("too long"))).toEqual(Buffer.from(one.bytesOf(key)!));
        expect(await split.stat(key, { signal })).toMatchObject({ key });
      }
    }),
    { seed: SEED, numRuns: runs(50, 1_000) },
  );
});

test("split state: what the backups' store holds of it from before is not seen", async () => {
  const [main, state] = [new MemoryStorage(), new MemoryStorage()];
  await main.put("a/cluster.json", streamOf(), { signal });
  const split = stateSplit(main, state);
  expect(await Array.fromAsync(split.list("", { signal }))).toEqual([]);
  expect(await split.stat("a/cluster.json", { signal })).toBeUndefined();
});

test.each([
  [true, true],
  [true, false],
  [false, true],
  [false, false],
])("split state: a condition is honoured where both stores honour it (%s, %s)", (ofMain, ofState) => {
  const store = (honours: boolean) => Object.assign(new MemoryStorage(), { capabilities: { putIfAbsent: honours, putIfVersion: honours } });
  const both = ofMain && ofState;
  expect(stateSplit(store(ofMain), store(ofState)).capabilities).toEqual({ putIfAbsent: both, putIfVersion: both });
});

test("split state: the clock is the state's, since leases are", async () => {
  const clock = { now: async () => ({ time: new Date(0), uncertaintyMs: 0 }) };
  const other = { now: async () => ({ time: new Date(1), uncertaintyMs: 0 }) };
  const bare = new MemoryStorage();
  const withClock = (which: typeof clock) => Object.assign(new MemoryStorage(), { clock: which });
  expect(stateSplit(withClock(other), withClock(clock)).clock).toBe(clock);
  expect(stateSplit(withClock(other), bare).clock).toBeUndefined();
});
