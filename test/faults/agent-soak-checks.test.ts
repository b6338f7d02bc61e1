// That the soak's checks find what they are for.
import { expect, test } from "vitest";
import { leaseHistory, requireFlat, requireNoMissedPoint, requireOneHolder, requireOneWriter, requirePublishedByHolder } from "./agent-soak-checks.ts";
import type { StoredPut } from "./agent-soak-proxy.ts";

function put(pid: number, key: string, endedMs: number, body = ""): StoredPut {
  return { pid, key: `/bucket/etcd/default/${key}`, beganMs: endedMs - 1, endedMs, body };
}

function lease(pid: number, endedMs: number, epoch: number, releasedAt: string | null = null): StoredPut {
  return put(pid, "writer.json", endedMs, JSON.stringify({ holder: { id: `holder-${pid}`, pid }, epoch: String(epoch), releasedAt }));
}

const held = [lease(1, 0, 1), lease(1, 10_000, 1)];

test("soak checks: a lease passes when it was given back or has expired, one epoch later, and not before", () => {
  expect(requireOneHolder(leaseHistory([...held, lease(2, 40_000, 2)]))).toBe(1);
  expect(requireOneHolder(leaseHistory([...held, lease(1, 11_000, 1, "now"), lease(2, 12_000, 2)]))).toBe(1);
  for (const wrong of [lease(2, 30_000, 2), lease(2, 40_000, 1), lease(2, 40_000, 3)])
    expect(() => requireOneHolder(leaseHistory([...held, wrong]))).toThrow(/passed wrongly/);
});

test("soak checks: what is published after the lease has passed is found", () => {
  const puts = [...held, lease(2, 40_000, 2)];
  const published = (pid: number, atMs: number) => {
    const all = [...puts, put(pid, "backups/b1/manifest.json", atMs)];
    return () => requirePublishedByHolder(all, leaseHistory(all));
  };
  expect(published(1, 20_000)()).toEqual([{ id: "b1", atMs: 20_000 }]);
  expect(published(2, 41_000)()).toEqual([{ id: "b1", atMs: 41_000 }]);
  expect(published(1, 41_000)).toThrow(/when the lease said/);
  expect(published(2, 20_000)).toThrow(/when the lease said/);
});

test("soak checks: two that say they write are one too many unless the lease of one has expired", () => {
  const round = (atMs: number) => [[1, 2].map((pid) => ({ atMs, pid, role: "writer" as const }))];
  expect(requireOneWriter(round(41_000), leaseHistory([...held, lease(2, 40_000, 2)]))).toBe(1);
  expect(() => requireOneWriter(round(21_000), leaseHistory([...held, lease(2, 20_000, 2)]))).toThrow(/two writers/);
});

test("soak checks: a time without recovery points is explained by as much of a disturbance as lies in it", () => {
  const period = { periodMs: 60_000, saveMs: 5_000 };
  const disturbance = { what: "store", fromMs: 70_000, toMs: 80_000, recoverMs: 5_000 };
  expect(requireNoMissedPoint([0, 60_000, 140_000], [disturbance], period)).toBe(80_000);
  expect(() => requireNoMissedPoint([0, 60_000, 141_000], [disturbance], period)).toThrow(/no recovery point for 81000 ms, of which 80000/);
  expect(() => requireNoMissedPoint([0, 66_000], [disturbance], period)).toThrow(/no recovery point/);
});

test("soak checks: what grows over minutes is found", () => {
  const samples = (growsBytes: number, growsHandles: number) =>
    Array.from({ length: 600 }, (_, index) => ({ atMs: index * 1000, rssBytes: 1e8 + index * growsBytes, handles: 30 + Math.floor(index * growsHandles) }));
  expect(requireFlat(samples(0, 0))).toMatch(/over 8 min RSS 95 to 95 MiB, handles 30 to 30/);
  expect(() => requireFlat(samples(150_000, 0))).toThrow(/resident memory grew/);
  expect(() => requireFlat(samples(0, 0.05))).toThrow(/open handles grew/);
});
