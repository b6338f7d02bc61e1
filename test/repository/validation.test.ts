import { expect, test } from "vitest";
import { EtcdsafeError } from "../../src/errors.ts";
import { PROBES_PREFIX } from "../../src/repository/names.ts";
import type { LockPolicy } from "../../src/repository/object-lock.ts";
import { openOrCreateRepository } from "../../src/repository/repository.ts";
import type { TrialName } from "../../src/repository/trial-run.ts";
import { validateStores } from "../../src/repository/validation.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import type { CallMatch } from "../faults/kit/harmed-storage.ts";
import { corruptingStorage, forgettingStorage, staleListStorage, truncatingStorage } from "../faults/kit/lying-storages.ts";
import { failingStorage } from "../faults/kit/storages.ts";
import { expectThrown } from "../support/failures.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { versionedStorage } from "../support/versioned-storage.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const AUTHOR = { tool: { name: "etcdsafe", version: "0" }, writer: { host: "h", pid: 1 } };

async function validated(main: Storage, more: { state?: Storage; lock?: LockPolicy } = {}) {
  const { verdict, trials, leftBehind } = await validateStores(
    { main, state: more.state, lock: more.lock },
    { runtime: { ...testRuntime(), sleep: async () => undefined }, signal },
  );
  const without = (outcome: string) => trials.filter((trial) => trial.outcome === outcome).map(({ name }) => name);
  return { verdict, trials, leftBehind, fails: without("fails"), absent: without("absent"), notTried: without("not-tried") };
}

const denied = (match: CallMatch) => ({ ...match, error: () => new EtcdsafeError("STORAGE_DENIED", "Access Denied") });

/** Does what is asked, and looks at no condition. */
function careless(inner: Storage, kinds: readonly ("ifAbsent" | "ifVersion")[]): Storage {
  return wrapped(inner, {
    put: (key, body, options) =>
      inner.put(key, body, Object.fromEntries(Object.entries(options).filter(([name]) => !kinds.includes(name as never))) as typeof options),
  });
}

test("validation: a store that keeps the contract is good, and is left as it was", async () => {
  const storage = new MemoryStorage();
  const { verdict, fails, absent, trials } = await validated(storage);
  expect({ verdict, fails, absent }).toEqual({ verdict: "good", fails: [], absent: ["versions"] });
  expect(trials.map(({ name }) => name)).toEqual([
    "put",
    "stat",
    "read",
    "ranged-read",
    "list",
    "large-upload",
    "large-read",
    "cancelled-upload",
    "conditional-create",
    "compare-and-swap",
    "versions",
    "remove",
    "create-after-removal",
    "retention",
    "clock",
  ]);
  expect(await Array.fromAsync(storage.list("", { signal }))).toEqual([]);
});

test.each<[what: string, harm: (inner: Storage) => Storage | Promise<Storage>, verdict: string, fails: readonly TrialName[]]>([
  ["forgets what it is given", (inner) => forgettingStorage(inner, /object$/), "unfit", ["stat", "read", "ranged-read", "list"]],
  ["stores other bytes", (inner) => corruptingStorage(inner, 2_000, { operations: ["put"], key: /object$/ }), "unfit", ["read", "ranged-read"]],
  ["reads too little", (inner) => truncatingStorage(inner, 5_000, { operations: ["read"] }), "unfit", ["read", "ranged-read", "large-read"]],
  ["mixes up large objects", (inner) => corruptingStorage(inner, 9_000_000, { operations: ["put"], key: /large$/ }), "unfit", ["large-read"]],
  ["lists what was long ago", (inner) => staleListStorage(inner, { signal }), "unfit", ["list"]],
  ["creates what exists", (inner) => careless(inner, ["ifAbsent"]), "limited", ["conditional-create"]],
  ["replaces what was changed", (inner) => careless(inner, ["ifVersion"]), "limited", ["compare-and-swap"]],
  ["may not be read", (inner) => failingStorage(inner, denied({ operations: ["read"] })), "unfit", ["read", "ranged-read", "large-read"]],
  ["may not be listed", (inner) => failingStorage(inner, denied({ operations: ["list"] })), "unfit", ["list", "cancelled-upload"]],
  ["keeps what is removed", (inner) => wrapped(inner, { remove: async () => undefined }), "limited", ["remove", "create-after-removal"]],
  [
    "lets nothing be written",
    (inner) => failingStorage(inner, denied({ operations: ["put"] })),
    "unfit",
    ["put", "large-upload", "conditional-create", "compare-and-swap", "clock"],
  ],
  [
    "has another time",
    (inner) => ({ ...wrapped(inner, {}), clock: { now: async () => ({ time: new Date(Date.now() + 3_600_000), uncertaintyMs: 10 }) } }),
    "limited",
    ["clock"],
  ],
])("validation: a store that %s is found out", async (_, harm, verdict, fails) => {
  const found = await validated(await harm(new MemoryStorage()));
  expect({ verdict: found.verdict, fails: found.fails }).toEqual({ verdict, fails });
});

test("validation: where nothing may be removed, what is left is named, and keeps nobody from making a repository there", async () => {
  const storage = failingStorage(new MemoryStorage(), denied({ operations: ["remove"] }));
  const { verdict, fails, leftBehind } = await validated(storage);
  expect({ verdict, fails }).toEqual({ verdict: "limited", fails: ["remove"] });
  const listed = (await Array.fromAsync(storage.list("", { signal }))).map(({ key }) => key);
  expect(leftBehind.toSorted()).toEqual(listed);
  expect(listed.length).toBeGreaterThan(3);
  expect(listed.every((key) => key.startsWith(PROBES_PREFIX))).toBe(true);
  await openOrCreateRepository(storage, AUTHOR, { runtime: testRuntime(), signal });
});

test("validation: what was never stored is not left behind; what may have been is, where nobody may look", async () => {
  const nothing = await validated(failingStorage(new MemoryStorage(), denied({})));
  expect(nothing).toMatchObject({ verdict: "unfit", leftBehind: [] });
  // The answer to the first put is lost, and everything after it is denied.
  const inner = new MemoryStorage();
  const lost = wrapped(failingStorage(inner, denied({ operations: ["put", "stat", "remove"] })), {
    put: async (key, body, options) => {
      if (!key.endsWith("once")) throw new EtcdsafeError("STORAGE_DENIED", "no");
      await inner.put(key, body, options);
      throw new EtcdsafeError("STORAGE_UNREACHABLE", "no answer");
    },
  });
  const { leftBehind } = await validated(lost);
  expect(leftBehind).toEqual([expect.stringMatching(/\/once$/)]);
});

test("validation: what is stored by a put that is refused afterwards, as by a store that does not encrypt as it was asked to, is removed or named", async () => {
  const encryptsNothing = (inner: MemoryStorage) =>
    failingStorage(inner, {
      operations: ["put"],
      afterwards: true,
      error: () => new EtcdsafeError("CONFIG_INVALID", "of the test", { hint: "Leave it out." }),
    });
  const removable = new MemoryStorage();
  expect((await expectThrown("CONFIG_INVALID", () => validated(encryptsNothing(removable)), /of the test/)).hint).toBe("Leave it out.");
  expect(await Array.fromAsync(removable.list("", { signal }))).toEqual([]);
  const inner = new MemoryStorage();
  const kept = failingStorage(encryptsNothing(inner), denied({ operations: ["remove"] }));
  const { hint } = await expectThrown("CONFIG_INVALID", () => validated(kept), /of the test/);
  const [object] = await Array.fromAsync(inner.list("", { signal }));
  expect(hint).toBe(`Leave it out. Left behind: ${object!.key}.`);
});

test("validation: a store that cannot be reached is no finding", async () => {
  await expect(validated(failingStorage(new MemoryStorage(), {}))).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
  const missing = { error: () => new EtcdsafeError("REPOSITORY_NOT_FOUND", "there is no such bucket") };
  await expect(validated(failingStorage(new MemoryStorage(), missing))).rejects.toMatchObject({ code: "REPOSITORY_NOT_FOUND" });
});

test("validation: a default retention makes another store for what is rewritten necessary, and that one is tried as well", async () => {
  const locking = versionedStorage();
  locking.time = new Date();
  locking.defaultRetention = { mode: "compliance", days: 30 };
  const alone = await validated(locking);
  expect({ verdict: alone.verdict, fails: alone.fails }).toEqual({ verdict: "limited", fails: ["retention"] });
  expect(alone.trials.find(({ name }) => name === "retention")?.detail).toMatch(/locked for 30 days \(compliance\).*--state-url/);
  const both = await validated(locking, { state: new MemoryStorage() });
  expect({ verdict: both.verdict, fails: both.fails }).toEqual({ verdict: "good", fails: [] });
  expect(both.trials.filter(({ store }) => store === "state").map(({ name }) => name)).toContain("compare-and-swap");
  const careful = await validated(locking, { state: careless(new MemoryStorage(), ["ifVersion"]) });
  expect({ verdict: careful.verdict, fails: careful.fails }).toEqual({ verdict: "limited", fails: ["compare-and-swap"] });
});

test("validation: a store that keeps versions, and tells the wrong time of them or not all of them, is not good", async () => {
  const storage = versionedStorage();
  storage.time = new Date();
  const { versions } = storage;
  const late = async function* (prefix: string, options: { readonly signal: AbortSignal }) {
    for await (const version of versions.list(prefix, options)) yield { ...version, modifiedAt: new Date(version.modifiedAt.getTime() + 60_000) };
  };
  const denied = async () => {
    throw new EtcdsafeError("STORAGE_DENIED", "s3:GetBucketVersioning is not allowed");
  };
  const wrongTimes = await validated({ ...storage, versions: { ...versions, list: late } });
  expect({ verdict: wrongTimes.verdict, fails: wrongTimes.fails }).toEqual({ verdict: "limited", fails: ["versions"] });
  expect(await validated({ ...storage, versions: { ...versions, isEnabled: denied } })).toMatchObject({ verdict: "good", absent: [] });
  const none = { isEnabled: denied, list: async function* () {}, read: versions.read };
  expect(await validated({ ...storage, versions: none })).toMatchObject({ verdict: "good", absent: ["versions"] });
});

test("validation: a store that takes what was deleted for existing is found out", async () => {
  const inner = new MemoryStorage();
  const deleted = new Set<string>();
  const { verdict, fails } = await validated(
    wrapped(inner, {
      remove: async (key, options) => {
        deleted.add(key);
        await inner.remove(key, options);
      },
      put: async (key, body, options) => {
        if (options.ifAbsent && deleted.has(key)) throw new EtcdsafeError("STORAGE_CONFLICT", "it exists already");
        return await inner.put(key, body, options);
      },
    }),
  );
  expect({ verdict, fails }).toEqual({ verdict: "limited", fails: ["create-after-removal"] });
});

test("validation: versions are read back, and locked where that is asked for", async () => {
  const lock: LockPolicy = { retention: { mode: "governance", retainForMs: 86_400_000 }, legalHold: true };
  const storage = versionedStorage();
  storage.time = new Date();
  const good = await validated(storage, { lock });
  expect({ verdict: good.verdict, fails: good.fails, absent: good.absent }).toEqual({ verdict: "good", fails: [], absent: [] });
  const [[, locked] = []] = storage.locked;
  expect(locked?.legalHold).toBe(false);
  expect(locked!.retention!.until.getTime() - storage.time.getTime()).toBe(60_000);
  storage.defaultRetention = undefined;
  const bare = await validated(storage, { lock });
  expect({ verdict: bare.verdict, fails: bare.fails }).toEqual({ verdict: "unfit", fails: ["lock"] });
});

test("validation: who may lock and not look at locks can save with locks, and is told that nobody looked", async () => {
  const storage = versionedStorage();
  storage.time = new Date();
  const state = async () => {
    throw new EtcdsafeError("STORAGE_DENIED", "s3:GetObjectRetention is not allowed");
  };
  const lock: LockPolicy = { retention: { mode: "compliance", retainForMs: 86_400_000 }, legalHold: false };
  const { verdict, fails, trials } = await validated({ ...storage, locks: { ...storage.locks, state } }, { lock });
  expect({ verdict, fails }).toEqual({ verdict: "good", fails: [] });
  expect(trials.find(({ name }) => name === "lock")?.detail).toMatch(/may not be asked/);
});

test("validation: credentials that may not ask how the store locks are no fault, where nothing that is rewritten can be locked", async () => {
  const storage = versionedStorage();
  storage.time = new Date();
  const defaults = async () => {
    throw new EtcdsafeError("STORAGE_DENIED", "s3:GetBucketObjectLockConfiguration is not allowed");
  };
  const lock: LockPolicy = { retention: { mode: "governance", retainForMs: 86_400_000 }, legalHold: false };
  const { verdict, fails, notTried } = await validated({ ...storage, locks: { ...storage.locks, defaults } }, { lock, state: new MemoryStorage() });
  expect({ verdict, fails, notTried }).toEqual({ verdict: "good", fails: [], notTried: ["retention"] });
  const alone = await validated({ ...storage, locks: { ...storage.locks, defaults } }, { lock });
  expect({ verdict: alone.verdict, fails: alone.fails, notTried: alone.notTried }).toEqual({ verdict: "limited", fails: [], notTried: ["retention"] });
});
