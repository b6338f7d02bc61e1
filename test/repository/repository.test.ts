import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { collect, streamOf } from "../../src/bytes/stream.ts";
import { ERRORS, EtcdsafeError } from "../../src/errors.ts";
import { readClusterFile } from "../../src/repository/cluster-file.ts";
import { honoursConditions, ignoresConditions, requireConditions } from "../../src/repository/conditions.ts";
import { manifestKey, REPOSITORY_KEY, STATE_FILE_KEY } from "../../src/repository/names.ts";
import { openOrCreateRepository, openRepository, openToWrite, proveConditions } from "../../src/repository/repository.ts";
import { asOf } from "../../src/storage/as-of.ts";
import { readOnly } from "../../src/storage/read-only.ts";
import { stateSplit } from "../../src/storage/state-split.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { expectThrown } from "../support/failures.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { versionedStorage } from "../support/versioned-storage.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const author = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
const options = { signal, runtime: { now: () => new Date("2026-11-21T09:00:00.000Z"), randomBytes, log: () => undefined } };

test("repository: is created once, by whoever comes first, and found afterwards", async () => {
  const storage = new MemoryStorage();
  const [a, b] = await Promise.all([openOrCreateRepository(storage, author, options), openOrCreateRepository(storage, author, options)]);
  expect(a.file).toEqual(b.file);
  expect((await openRepository(storage, { signal })).file).toEqual(a.file);
  expect(a.file).toMatchObject({ format: 1, createdAt: "2026-11-21T09:00:00.000Z", createdBy: author.tool, policy: {} });
});

test("repository: says where there is none", async () => {
  await expect(openRepository(new MemoryStorage(), { signal })).rejects.toMatchObject({
    code: "REPOSITORY_NOT_FOUND",
    message: expect.stringContaining("memory:"),
  });
});

test("repository: where backups are but not the repository's file, nobody is sent to create one in their place", async () => {
  const storage = new MemoryStorage();
  await storage.put("notes/backups/mine/manifest.json", streamOf(Buffer.from("{}")), { signal });
  const hint = async () => ((await openRepository(storage, { signal }).catch((error: EtcdsafeError) => error)) as EtcdsafeError).hint;
  expect(await hint()).toMatch(/the first `etcdsafe save` .* creates one/);
  await storage.put(manifestKey("prod", "20261122T093000Z-0000000000000012345-aaaaaa"), streamOf(Buffer.from("{}")), { signal });
  expect(await hint()).toMatch(/^Backups of prod are there, .* put that back from a copy, or copy one there that `etcdsafe repo init` makes/);
});

test("repository: where versions tell when there was one, that is said, now and of the past", async () => {
  const storage = versionedStorage();
  const at = (seconds: number) => new Date(Date.UTC(2026, 10, 21, 9, 0, seconds));
  storage.time = at(0);
  await openOrCreateRepository(storage, author, options);
  await storage.put(`${REPOSITORY_KEY}.bak`, streamOf(Buffer.from("{}")), { signal });
  const past = async (time: Date) => openRepository(asOf(storage, time, testRuntime()), { signal, time });
  expect((await past(at(1))).file.createdBy).toEqual(author.tool);
  const none = async (opening: () => Promise<unknown>, message: RegExp) => (await expectThrown("REPOSITORY_NOT_FOUND", opening, message)).hint;
  expect(await none(() => past(at(-1)), /there was no repository in memory:.* at 2026-11-21T08:59:59.000Z: etcdsafe-repository.json was missing/)).toBe(
    "The store keeps versions: there was one from 2026-11-21T09:00:00.000Z on; give --as-of a time after that.",
  );
  storage.time = at(10);
  await storage.remove(REPOSITORY_KEY, { signal });
  const hint = "The store keeps versions: there was one from 2026-11-21T09:00:00.000Z until 2026-11-21T09:00:10.000Z; give --as-of a time between.";
  expect(await none(() => openRepository(storage, { signal }), /there is no repository in/)).toBe(hint);
  expect(await none(() => past(at(11)), /there was no repository in/)).toBe(hint);
  const denied = () => {
    throw new EtcdsafeError("STORAGE_DENIED", "denied");
  };
  const blind = wrapped(storage, { versions: { ...storage.versions, list: denied } });
  expect(await none(() => openRepository(blind, { signal }), /there is no repository in/)).toBe(ERRORS.REPOSITORY_NOT_FOUND.hint);
  await storage.remove(`${REPOSITORY_KEY}.bak`, { signal });
  const runtime = testRuntime();
  await openOrCreateRepository(storage, author, { signal, runtime });
  expect(runtime.logged).toEqual([{ level: "warn", message: `a new repository begins in ${storage.location}, where there was another. ${hint}` }]);
});

test.each([
  ["[]", "expected object, received array"],
  ['{"format":1,"requires":[],"id":7}', "id: expected string, received number"],
])("repository: what is wrong with its file is said, and what to do: %s", async (text, why) => {
  const storage = new MemoryStorage();
  await storage.put(REPOSITORY_KEY, streamOf(Buffer.from(text)), { signal });
  await expect(openRepository(storage, { signal })).rejects.toMatchObject({
    message: `${REPOSITORY_KEY} is not a valid repository file: ${why}`,
    hint: expect.stringContaining("`etcdsafe repo init`"),
  });
  await storage.put("prod/cluster.json", streamOf(Buffer.from("{")), { signal });
  await expect(readClusterFile(storage, "prod", { signal })).rejects.toMatchObject({ hint: expect.stringContaining("`etcdsafe repo adopt`") });
});

test("repository: is not created where something else is stored, except what a faster one stores in the one it created", async () => {
  const storage = new MemoryStorage();
  await storage.put("two/member/snap/db", streamOf(Buffer.from("etcd's")), { signal });
  await expect(openOrCreateRepository(storage, author, options)).rejects.toMatchObject({
    code: "REPOSITORY_NOT_EMPTY",
    message: "no repository was created in memory:: something else is there already, two/member/snap/db",
    hint: expect.stringMatching(/^Name an empty or new directory/),
  });
  expect(storage.bytesOf(REPOSITORY_KEY)).toBeUndefined();
  class Late extends MemoryStorage {
    #asked = false;
    override async stat(key: string, statOptions: { signal: AbortSignal }) {
      if (this.#asked) return super.stat(key, statOptions);
      this.#asked = true;
      await openOrCreateRepository(this, author, options);
      await this.put("default/cluster.json", streamOf(Buffer.from("{}")), { signal });
      return undefined;
    }
  }
  expect((await openOrCreateRepository(new Late(), author, options)).file.format).toBe(1);
});

test.each([
  ["a newer format", '{"format":2}', "REPOSITORY_UNSUPPORTED"],
  ["a feature it does not know", '{"format":1,"requires":["sharding"]}', "REPOSITORY_UNSUPPORTED"],
  ["a broken file", '{"format":1', "REPOSITORY_INVALID"],
  ["something else", "{}", "REPOSITORY_INVALID"],
])("repository: refuses %s, and never writes over it", async (_, text, code) => {
  const storage = new MemoryStorage();
  await storage.put(REPOSITORY_KEY, streamOf(Buffer.from(text)), { signal });
  await expect(openRepository(storage, { signal })).rejects.toMatchObject({ code });
  await expect(openOrCreateRepository(storage, author, options)).rejects.toMatchObject({ code });
  expect(Buffer.from(await collect(storage.read(REPOSITORY_KEY, { signal }), 1000, () => new Error())).toString()).toBe(text);
});

/** Ignores of conditions what is named. */
function careless(inner: MemoryStorage, ...ignored: ("ifAbsent" | "ifVersion")[]) {
  return wrapped(inner, {
    put: (key, body, { ifAbsent, ifVersion, ...put }) =>
      inner.put(key, body, {
        ...put,
        ...(ifAbsent !== undefined && !ignored.includes("ifAbsent") && { ifAbsent }),
        ...(ifVersion !== undefined && !ignored.includes("ifVersion") && { ifVersion }),
      }),
  });
}

test("repository: a store that keeps its word is known for it, and what had been tried of it by an older etcdsafe is not enough", async () => {
  const storage = new MemoryStorage();
  const honest = await openOrCreateRepository(storage, author, options);
  expect(honest.file.ignoresConditions).toBe(false);
  requireConditions(honest, "recording");
  const { ignoresConditions: _, ...older } = { ...honest.file, addedLater: 1 };
  await storage.put(REPOSITORY_KEY, streamOf(Buffer.from(JSON.stringify(older))), { signal });
  const opened = await openRepository(storage, { signal });
  expect(honoursConditions(opened)).toBe(false);
  const { hint } = await expectThrown("CONFIG_INVALID", async () => requireConditions(opened, "recording"), /whether memory: does was not tried/);
  expect(hint).toMatch(/`etcdsafe repo init`/);
  const [a, b] = await Promise.all([openOrCreateRepository(storage, author, options), openOrCreateRepository(storage, author, options)]);
  for (const { file } of [a, b, await openRepository(storage, { signal })]) expect(file).toEqual({ ...older, ignoresConditions: false });
  expect(await proveConditions(a, options)).toEqual(a);
  const onceTried = (await storage.stat(REPOSITORY_KEY, { signal }))!.version;
  await openOrCreateRepository(storage, author, options);
  expect((await storage.stat(REPOSITORY_KEY, { signal }))!.version).toBe(onceTried);
});

test.each([["ifAbsent"], ["ifVersion"]] as const)(
  "repository: a store that ignores %s is found out when the repository is made, and remembered",
  async (ignored) => {
    const storage = careless(new MemoryStorage(), ignored);
    const made = await openOrCreateRepository(storage, author, options);
    for (const repository of [made, await openRepository(storage, { signal }), await proveConditions(made, options)]) {
      expect(repository.file.ignoresConditions).toBe(true);
      expect(() => requireConditions(repository, "recording")).toThrow(/^recording needs a store that refuses to overwrite .*, and memory: does not$/);
    }
  },
);

const at = (main: Storage, location: string, state: Storage = new MemoryStorage()) => stateSplit(main, wrapped(state, { location }));

test.each([["ifAbsent"], ["ifVersion"]] as const)("repository: a store of the state that ignores %s is found out", async (ignored) => {
  const inner = new MemoryStorage();
  const split = at(new MemoryStorage(), "memory:state", careless(inner, ignored));
  const made = await openOrCreateRepository(split, author, options);
  expect(made.file.stateStore).toEqual({ location: "memory:state", ignoresConditions: true });
  for (const repository of [made, await openRepository(readOnly(split), { signal }), await proveConditions(made, options)])
    expect(() => requireConditions(repository, "gc")).toThrow(/memory: with its state in memory:state does not$/);
  expect((await Array.fromAsync(inner.list("", { signal }))).map(({ key }) => key)).toEqual([STATE_FILE_KEY]);
});

test("repository: its state has one place, from the beginning; who looks elsewhere may read", async () => {
  const refused = async (storage: Storage, message: RegExp, hint: RegExp) => {
    const before = (await storage.stat(REPOSITORY_KEY, { signal }))?.version;
    for (const open of [openToWrite, (given: Storage) => openOrCreateRepository(given, author, options)])
      expect((await expectThrown("CONFIG_INVALID", () => open(storage, options), message)).hint).toMatch(hint);
    expect((await storage.stat(REPOSITORY_KEY, { signal }))?.version).toBe(before);
    await openRepository(storage, { signal });
  };
  const alone = new MemoryStorage();
  expect((await openOrCreateRepository(alone, author, options)).file).not.toHaveProperty("stateStore");
  await refused(at(alone, "memory:one"), /memory: keeps its state with its backups, and --state-url names memory:one$/, /^Leave --state-url out: /);
  const [main, state] = [new MemoryStorage(), new MemoryStorage()];
  const made = await openOrCreateRepository(at(main, "memory:one", state), author, options);
  expect(made.file.stateStore).toEqual({ location: "memory:one", ignoresConditions: false });
  expect(honoursConditions(await openToWrite(at(main, "memory:one", state), options))).toBe(true);
  await refused(
    main,
    /keeps its state in memory:one, and no --state-url was given$/,
    /^Give --state-url memory:one: who looks elsewhere sees no other writer\./,
  );
  await refused(at(main, "memory:other", state), /keeps its state in memory:one, and --state-url names memory:other$/, /^Give --state-url memory:one: /);
  // A directory where another should be mounted; a bucket of the same name at another endpoint.
  await refused(at(main, "memory:one"), /memory:one does not hold the state of the repository in memory:: etcdsafe-state.json is missing$/, /mounted/);
  const others = at(wrapped(new MemoryStorage(), { location: "memory:elsewhere" }), "memory:one", state);
  const taken = /memory:one holds the state of another repository: of memory:$/;
  expect((await expectThrown("CONFIG_INVALID", () => openOrCreateRepository(others, author, options), taken)).hint).toMatch(/another --state-url/);
  await state.put(STATE_FILE_KEY, streamOf(Buffer.from(Buffer.from(state.bytesOf(STATE_FILE_KEY)!).toString().replace(made.file.id, "aaaaaaaaaaaa"))), {
    signal,
  });
  await refused(at(main, "memory:one", state), /does not hold the state of the repository in memory:: it is that of memory:$/, /mounted/);
});

test.each([
  ["s3://state/etcd/", "s3://state/etcd"],
  ["file:///state/etcd", "/state/etcd"],
  ["file:///state/etcd/", "/state/etcd"],
  ["state/etcd", join(process.cwd(), "state/etcd")],
])(
  "repository: that its file spells the place of the state %s keeps nobody out who names it, and is put right where that is tried",
  async (spelled, location) => {
    const main = new MemoryStorage();
    const storage = at(main, location);
    const { file } = await openOrCreateRepository(storage, author, options);
    const spell = (stateStore: unknown) => main.put(REPOSITORY_KEY, streamOf(Buffer.from(JSON.stringify({ ...file, stateStore }))), { signal });
    await spell({ location: spelled });
    await openToWrite(storage, options);
    expect((await openOrCreateRepository(storage, author, options)).file.stateStore).toEqual({ location, ignoresConditions: false });
    await spell({ location: spelled, ignoresConditions: true });
    expect(ignoresConditions(await openToWrite(storage, options))).toBe(true);
  },
);

test("repository: with a state of its own it is created once as well, whoever comes first, and after one that died of it", async () => {
  const [main, state] = [new MemoryStorage(), new MemoryStorage()];
  const storage = at(main, "memory:one", state);
  const [a, b] = await Promise.all([openOrCreateRepository(storage, author, options), openOrCreateRepository(storage, author, options)]);
  expect(a.file.id).toBe(b.file.id);
  await openToWrite(storage, options);
  await main.remove(REPOSITORY_KEY, { signal });
  expect((await openOrCreateRepository(storage, author, options)).file.id).toBe(a.file.id);
});

test("repository: where its state is stands in the file also where that may not be overwritten", async () => {
  const inner = new MemoryStorage();
  const main = wrapped(inner, {
    put: async (key, body, put) => {
      if (inner.bytesOf(key) !== undefined) throw new EtcdsafeError("STORAGE_DENIED", "of the test");
      return inner.put(key, body, put);
    },
  });
  const made = await openOrCreateRepository(at(main, "memory:one"), author, options);
  expect(made.file.stateStore).toEqual({ location: "memory:one" });
  expect(honoursConditions(made)).toBe(false);
  await expectThrown("CONFIG_INVALID", () => openToWrite(main, options), /in memory:one/);
});

test("repository: who may not overwrite the repository file can save all the same, and nothing is believed of the store", async () => {
  const inner = new MemoryStorage();
  const deny = () => new EtcdsafeError("STORAGE_DENIED", "of the test");
  const storage = wrapped(inner, {
    put: async (key, body, put) => {
      if (inner.bytesOf(key) !== undefined) throw deny();
      return inner.put(key, body, put);
    },
  });
  for (let saves = 0; saves < 2; saves++) expect(honoursConditions(await openOrCreateRepository(storage, author, options))).toBe(false);
});

test("repository: a store that claims no conditions is none for several writers", async () => {
  const repository = await openOrCreateRepository(new MemoryStorage(), author, options);
  const capabilities = { putIfAbsent: true, putIfVersion: false };
  expect(() => requireConditions({ ...repository, storage: wrapped(repository.storage, { capabilities }) }, "recording")).toThrow(/recording needs/);
});
