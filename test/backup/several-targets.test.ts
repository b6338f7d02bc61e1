// Of a save into several repositories: who is told of what. The member is made up, and so are the repositories; its snapshot is a real one.
import { expect, test } from "vitest";
import type { Received, RepositoryTarget } from "../../src/backup/repository-target.ts";
import type { Saved } from "../../src/backup/save-target.ts";
import { SeveralTargets } from "../../src/backup/several-targets.ts";
import type { TakeOptions } from "../../src/backup/take.ts";
import { openSpool } from "../../src/bytes/spool.ts";
import { EtcdsafeError, stoppedWith } from "../../src/errors.ts";
import type { ObservedCluster } from "../../src/repository/cluster-file.ts";
import { expectThrown } from "../support/failures.ts";
import { madeUpClients } from "../support/made-up-members.ts";
import { plainRows } from "../support/random-history.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { alteredSnapshot } from "../verify/stored-backup.ts";

const REVISION = 2001;
/** Its first leaf is broken: the newest rows, by which the save knows how far it is, can be read. */
const DAMAGED = alteredSnapshot(buildSnapshot({ rows: plainRows(REVISION - 1) }), (image) => void image.fill(0xff, 4 * 4096 + 10, 4 * 4096 + 12));
const OBSERVED: ObservedCluster = { clusterId: "cdf818194e3a8c32", members: [], kubeSystemUid: null };

test("several targets: that the snapshot is no good is the failure of the save, and not of each repository", async () => {
  const told: string[] = [];
  const target = (location: string) =>
    ({
      location,
      prepare: async () => undefined,
      storeReceived: async (received: Received, take: TakeOptions) => (await received.check(take)) as unknown as Saved,
      failed: async () => void told.push(location),
    }) as unknown as RepositoryTarget;
  const several = new SeveralTargets([target("a"), target("b")]);
  const runtime = testRuntime();
  const { clients } = madeUpClients(() => ({ id: 1n, snapshot: DAMAGED, revision: REVISION }));
  const take = {
    clients,
    selection: { quorum: true },
    serving: { endpoint: "http://m1" },
    which: "none",
    whyNone: "made up",
    stallLimitMs: 10_000,
    onPhase: () => undefined,
    signal: AbortSignal.timeout(20_000),
    runtime,
  } as unknown as TakeOptions;
  await several.prepare(OBSERVED, take);
  await using directory = await temporaryDirectory("several");
  await using spool = await openSpool(directory.path, DAMAGED.length);
  const error = await expectThrown("SNAPSHOT_DAMAGED", () => several.store(OBSERVED, spool, take), /http:\/\/m1 sent a damaged database/);
  expect(told).toEqual([]);
  expect(runtime.logged).toEqual([]);
  await several.failed(error, "check", take);
  expect(told).toEqual(["a", "b"]);
});

const saved = { manifest: { id: "stored" } } as unknown as Saved;
const stops =
  (stop: AbortController, failure: (reason: unknown) => unknown) =>
  async (received: Received, take: TakeOptions): Promise<Saved> => {
    await received.check(take);
    stop.abort(LATE);
    throw failure(take.signal.reason);
  };
const LATE = new EtcdsafeError("DEADLINE_EXCEEDED", "late");

/** What comes of a save into "a" and "b", which are stored as these say. */
async function storeInBoth(stop: AbortController, ...both: readonly ((received: Received, take: TakeOptions) => Promise<Saved>)[]): Promise<Saved> {
  const targets = both.map(
    (storeReceived, index) =>
      ({ location: "ab"[index], prepare: async () => undefined, storeReceived, failed: async () => undefined }) as unknown as RepositoryTarget,
  );
  const { clients } = madeUpClients(() => ({ id: 1n, snapshot: buildSnapshot({ rows: plainRows(REVISION - 1) }), revision: REVISION }));
  const several = new SeveralTargets(targets);
  const take = {
    ...{ clients, selection: { quorum: true }, serving: { endpoint: "http://m1" }, which: "none", whyNone: "made up", stallLimitMs: 10_000 },
    ...{ onPhase: () => undefined, signal: stop.signal, runtime: testRuntime() },
  } as unknown as TakeOptions;
  await several.prepare(OBSERVED, take);
  await using directory = await temporaryDirectory("several");
  await using spool = await openSpool(directory.path, DAMAGED.length);
  return await several.store(OBSERVED, spool, take);
}

/** Done in spite of the abort. */
const stores = async (received: Received, take: TakeOptions) => {
  await received.check(take).catch(() => undefined);
  return saved;
};

test("several targets: what is stored when the save is stopped is told, and of the others that they were not done", async () => {
  const stop = new AbortController();
  const { repositories, isUnfinished } = await storeInBoth(
    stop,
    stops(stop, (reason) => reason),
    stores,
  );
  const failure = { code: "DEADLINE_EXCEEDED", message: "late", hint: LATE.hint };
  expect(repositories).toEqual([
    { location: "a", manifest: null, mayBeStored: false, failure },
    { location: "b", manifest: { id: "stored" }, failure: null },
  ]);
  expect(isUnfinished).toBe(false);
});

test("several targets: what may be stored when the save is stopped is not denied, nor that one of them was not finished", async () => {
  const stop = new AbortController();
  const perhaps = stops(stop, (reason) => stoppedWith(reason, "Perhaps."));
  const { repositories, isUnfinished } = await storeInBoth(stop, perhaps, async (...given) => ({ ...(await stores(...given)), isUnfinished: true }));
  expect(repositories).toMatchObject([
    { location: "a", manifest: null, mayBeStored: true, failure: { code: "DEADLINE_EXCEEDED", message: "late", hint: "Perhaps." } },
    { location: "b", failure: null },
  ]);
  expect(isUnfinished).toBe(true);
  const again = new AbortController();
  const nowhere = storeInBoth(
    again,
    stops(again, (reason) => reason),
    stops(again, (reason) => stoppedWith(reason, "Perhaps.")),
  );
  expect((await expectThrown("DEADLINE_EXCEEDED", () => nowhere, /^late$/)).hint).toBe("Perhaps.");
});
