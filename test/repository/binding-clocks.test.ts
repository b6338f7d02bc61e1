// Hosts whose clocks differ: whichever cluster took the name last, all that was restored before is abandoned.
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EtcdsafeError } from "../../src/errors.ts";
import {
  adoptedClusterFile,
  type BindingMoment,
  type ClusterFile,
  nextClusterFile,
  type ObservedCluster,
  readClusterFile,
} from "../../src/repository/cluster-file.ts";
import { adoptCluster, placeBackup, requireMayWrite } from "../../src/repository/placement.ts";
import { openOrCreateRepository, type Repository } from "../../src/repository/repository.ts";
import { readRestoreRecords } from "../../src/repository/sidecars.ts";
import type { RestorePlan } from "../../src/restore/plan.ts";
import { recordRestore } from "../../src/restore/record.ts";
import { failingStorage } from "../faults/kit/storages.ts";
import { runs, SEED } from "../support/counts.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { lineageOf } from "./sample-manifest.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const author = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
const NOW = "2026-11-21T09:30:00.000Z";
const MINUTE_MS = 60_000;

const at = (minutes: number, ms = 0) => new Date(Date.parse(NOW) + minutes * MINUTE_MS + ms);
const time = (minutes: number, ms = 0) => at(minutes, ms).toISOString();
const idOf = (cluster: number) => (cluster + 1).toString(16).padStart(16, "0");
const observed = (cluster: number): ObservedCluster => ({ clusterId: idOf(cluster), members: [], kubeSystemUid: null });
const restorePlan = (cluster: number) =>
  ({
    source: { cluster: null, backupId: null, location: "etcd.db", revision: "762" },
    revision: { before: "762", after: String(1_000_000_000 + cluster), markCompacted: true },
    clusterId: idOf(cluster),
    members: [{ id: "0000000000000001", name: "m1", peerUrls: ["http://a:2380"] }],
  }) as unknown as RestorePlan;

describe("the time of a binding", () => {
  const began = { reason: "first-backup", detail: "", after: null } as const;
  const boundOnce = (boundAt: string): ClusterFile => nextFile(undefined, { now: new Date(boundAt), restoredAt: [] });
  const nextFile = (bound: ClusterFile | undefined, moment: BindingMoment): ClusterFile =>
    nextClusterFile(
      { cluster: "default", bound, observed: observed(bound?.bindings.length ?? 0), restore: null, decision: { timeline: "aaaabbbbcccc", began } },
      moment,
    )!;
  const adopted = (bound: ClusterFile | undefined, moment: BindingMoment) => adoptedClusterFile("default", bound, observed(8), moment);

  test.each([
    ["a save of another cluster", nextFile],
    ["an adoption", adopted],
  ] as const)("of %s: the clock's, and after everything that was bound or restored before, where that is ahead of it", (_, binding) => {
    const timeOf = (bound: ClusterFile | undefined, ...restoredAt: string[]) => binding(bound, { now: at(0), restoredAt }).bindings.at(-1)!.boundAt;
    expect(timeOf(undefined)).toBe(time(0));
    expect(timeOf(undefined, time(-5), time(-9))).toBe(time(0));
    expect(timeOf(undefined, time(35), time(20))).toBe(time(35, 1));
    expect(timeOf(undefined, time(0))).toBe(time(0, 1));
    expect(timeOf(boundOnce(time(-5)))).toBe(time(0));
    expect(timeOf(boundOnce(time(35)))).toBe(time(35, 1));
    expect(timeOf(boundOnce(time(35)), time(35), time(20))).toBe(time(35, 1));
    expect(timeOf(boundOnce(time(35)), time(40))).toBe(time(40, 1));
    const last = "9999-12-31T23:59:59.999Z"; // What comes after it cannot be written.
    expect(timeOf(undefined, last)).toBe(last);
    expect(timeOf(boundOnce(last))).toBe(last);
    const wentBack = [time(35), time(-5)].map((boundAt) => ({ clusterId: idOf(0), boundAt, by: "adopt" as const, restore: null }));
    expect(timeOf({ ...boundOnce(time(35)), bindings: wentBack })).toBe(time(35, 1));
  });

  test("is all that is put off: the file was written, and a timeline began, when the clock says", () => {
    const moment = { now: at(0), restoredAt: [time(35)] };
    expect(nextFile(undefined, moment)).toMatchObject({ updatedAt: time(0), timeline: { beganAt: time(0) } });
    expect(adopted(undefined, moment)).toMatchObject({ updatedAt: time(0) });
  });
});

/** A repository, and what is done to it by hosts whose clocks are so many minutes off. */
async function hosts() {
  const storage = new MemoryStorage();
  const runtime = (minutes: number) => ({ now: () => at(minutes), randomBytes, log: () => undefined });
  await openOrCreateRepository(storage, author, { signal, runtime: runtime(0) });
  const on = (inner = storage): Repository => ({ storage: inner, file: {} as Repository["file"] });
  const snapshot = { ...lineageOf({}, 10), state: "proven", raftIndex: "10", raftTerm: "2" } as const;
  return {
    storage,
    restore: (cluster: number, minutes: number) => recordRestore(storage, "default", author, restorePlan(cluster), { signal, runtime: runtime(minutes) }),
    save: (cluster: number, minutes: number, inner?: MemoryStorage) =>
      placeBackup(on(inner), "default", observed(cluster), { ...snapshot, createdAt: time(minutes) }, { signal, runtime: runtime(minutes) }),
    adopt: (cluster: number, minutes: number, inner?: MemoryStorage) =>
      adoptCluster(on(inner), "default", observed(cluster), { signal, runtime: runtime(minutes) }),
    maySave: async (cluster: number) => {
      const refusal = await requireMayWrite(on(), "default", observed(cluster), { signal }).then(
        () => undefined,
        (error: EtcdsafeError) => error.code,
      );
      expect([undefined, "CLUSTER_MISMATCH"]).toContain(refusal);
      return refusal === undefined;
    },
    bindings: async () => (await readClusterFile(storage, "default", { signal }))?.file.bindings ?? [],
  };
}

test("binding: of two restores after a binding by a clock that is ahead, the one that saves has the name, and the other is refused", async () => {
  const { restore, save, maySave } = await hosts();
  await save(0, 35);
  await restore(1, 0);
  await restore(2, 1);
  expect([await maySave(1), await maySave(2)]).toEqual([true, true]);
  await save(2, 2);
  expect([await maySave(0), await maySave(1), await maySave(2)]).toEqual([false, false, true]);
});

test("binding: an abandoned restore is refused though the clock of its host was ahead: after a first save, a successor's, and an adoption", async () => {
  const { restore, save, adopt, maySave } = await hosts();
  for (const cluster of [1, 2]) await restore(cluster, 35);
  await save(0, 0);
  expect([await maySave(0), await maySave(1), await maySave(2)]).toEqual([true, false, false]);
  await restore(3, 90);
  await restore(4, 1);
  await save(4, 2);
  expect([await maySave(3), await maySave(4)]).toEqual([false, true]);
  await restore(5, 200);
  await adopt(6, 3);
  expect([await maySave(5), await maySave(6)]).toEqual([false, true]);
});

test("binding: a record that is damaged, archived or removed meanwhile keeps no other cluster from saving; one that cannot be read now does", async () => {
  for (const code of ["REPOSITORY_INVALID", "STORAGE_DENIED", "STORAGE_NOT_FOUND", "STORAGE_UNREACHABLE"] as const) {
    for (const bind of ["save", "adopt"] as const) {
      const { storage, restore, save, ...others } = await hosts();
      await save(0, 0);
      for (const cluster of [1, 2]) await restore(cluster, 1);
      const failing = failingStorage(storage, { operations: ["read"], key: new RegExp(idOf(1)), error: () => new EtcdsafeError(code, "of the test") });
      const binding = { save, ...others }[bind](2, 2, failing as MemoryStorage);
      if (code === "STORAGE_UNREACHABLE") await expect(binding).rejects.toMatchObject({ code });
      else await binding;
    }
  }
});

test("binding: whatever the clocks, every restore since the last binding may save, and once one has, no other that was there may", async () => {
  const cluster = fc.integer({ min: 0, max: 5 });
  const minutes = fc.integer({ min: -3, max: 3 });
  const action = fc.record({ kind: fc.constantFrom("restore", "restore", "save", "save", "adopt"), cluster, minutes });
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 14 }), async (actions) => {
      const { storage, bindings, restore, save, adopt, maySave } = await hosts();
      let current: number | undefined;
      const restored = new Set<number>();
      for (const { kind, cluster, minutes } of actions) {
        const before = await bindings();
        if (kind === "restore") {
          expect(await restore(cluster, minutes)).toBeNull();
          restored.add(cluster);
        } else if (kind === "adopt") {
          if (current === undefined) continue;
          await adopt(cluster, minutes);
        } else if (current === undefined || current === cluster || restored.has(cluster)) await save(cluster, minutes);
        else await expect(save(cluster, minutes)).rejects.toMatchObject({ code: "CLUSTER_MISMATCH" });
        const after = await bindings();
        if (after.length > before.length) {
          current = cluster;
          restored.clear();
          const records = await readRestoreRecords(storage, "default", "", { signal });
          const earlier = [...before.map(({ boundAt }) => boundAt), ...records.map(({ record }) => record.restoredAt)];
          for (const each of earlier) expect(Date.parse(after.at(-1)!.boundAt)).toBeGreaterThan(Date.parse(each));
        }
        for (let each = 0; current !== undefined && each <= 5; each++) expect(await maySave(each)).toBe(each === current || restored.has(each));
      }
    }),
    { seed: SEED, numRuns: runs(60, 3000) },
  );
});
