import { expect, test } from "vitest";
import { faultsText, summaryOf, verifiedText } from "../../src/cli/backup-summary.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import type { BackupEntry } from "../../src/repository/catalogue.ts";
import type { Verification, VerificationLevel } from "../../src/repository/sidecars.ts";
import { sampleManifest } from "../repository/sample-manifest.ts";

const MANIFEST = sampleManifest();
const PIN = { reason: "before 3.7", pinnedAt: "2026-11-21T10:00:00.000Z" };

function entry(changes: Partial<BackupEntry> = {}): BackupEntry {
  return { id: MANIFEST.id, manifest: MANIFEST, state: "proven", damage: [], verifications: {}, storedSizeBytes: 100, isSigned: false, ...changes };
}

function verification(level: VerificationLevel, outcome: Verification["outcome"], day: number): Partial<Record<VerificationLevel, Verification>> {
  return { [level]: { level, outcome, finishedAt: `2026-11-${day}T09:30:00.000Z` } as Verification };
}

test("backup summary: the deepest level that passed counts, not the newest, and none that failed", () => {
  const verified = (...made: readonly Partial<Record<VerificationLevel, Verification>>[]) =>
    summaryOf("prod", entry({ verifications: Object.assign({}, ...made) }), null).verified;
  expect(verified()).toBeNull();
  expect(verified(verification("stored-bytes", "passed", 23), verification("hash", "passed", 22), verification("structure", "passed", 20))).toEqual({
    level: "structure",
    finishedAt: "2026-11-20T09:30:00.000Z",
  });
  expect(verified(verification("structure", "failed", 23), verification("hash", "passed", 22))).toMatchObject({ level: "hash" });
  expect(verified(verification("stored-bytes", "passed", 22), verification("hash", "passed", 20))).toMatchObject({ level: "hash" });
  expect(verified(verification("points", "passed", 20), verification("structure", "passed", 22))).toMatchObject({ level: "points" });
  expect(verified(verification("structure", "failed", 23))).toBeNull();
});

test("backup summary: the size is that of all objects, and what later reading found beats the manifest", () => {
  const [object] = MANIFEST.objects;
  const manifest = sampleManifest({ objects: [object!, { ...object!, rawSizeBytes: 1000 }] });
  const summary = summaryOf("prod", entry({ manifest, state: "damaged", damage: ["it rots"], storedSizeBytes: 200 }), null);
  expect(summary).toMatchObject({ cluster: "prod", state: "damaged", rawSizeBytes: 5128, storedSizeBytes: 200, faults: ["it rots"] });
});

test("backup summary: what is not known of a backup is null", () => {
  const partial = sampleManifest({ state: "partial", counts: null, servingMember: null });
  expect(summaryOf("prod", entry({ manifest: partial }), null)).toMatchObject({ keys: null, etcdVersion: null, revision: "12345" });
  const error = new EtcdsafeError("MANIFEST_INVALID", "it is not JSON");
  expect(summaryOf("prod", { id: "x", manifest: null, error, storedSizeBytes: 7 }, PIN)).toEqual({
    ...{ cluster: "prod", id: "x", state: "unreadable", createdAt: null, timeline: null, revision: null, keys: null, etcdVersion: null },
    ...{ rawSizeBytes: null, storedSizeBytes: 7, encryption: null, verified: null, signed: null, pin: PIN, tags: null, faults: ["it is not JSON"] },
  });
});

test("backup summary: whether it is signed and pinned, and its tags", () => {
  const manifest = sampleManifest({ tags: { env: "prod" } });
  expect(summaryOf("prod", entry({ manifest, isSigned: true }), PIN)).toMatchObject({ signed: true, pin: PIN, tags: { env: "prod" } });
  expect(summaryOf("prod", entry(), null)).toMatchObject({ signed: false, pin: null, tags: {} });
});

test("backup summary: a verification is told with its age", () => {
  const nowMs = Date.parse("2026-11-24T09:30:00.000Z");
  expect(verifiedText(summaryOf("prod", entry({ verifications: verification("hash", "passed", 21) }), null), nowMs)).toBe("hash 3d");
  expect(verifiedText(summaryOf("prod", entry(), null), nowMs)).toBe("no");
});

test("backup summary: faults take a line for each backup that has any, fit for a terminal, and with the cluster where there are several", () => {
  const summaries = [summaryOf("a", entry(), null), summaryOf("b", entry({ id: "bad", state: "damaged", damage: ["one", "two\x1b[2J"] }), null)];
  expect(faultsText(summaries, false)).toBe("\nbad is damaged: one; two\\x1b[2J\n");
  expect(faultsText(summaries, true)).toBe("\nb/bad is damaged: one; two\\x1b[2J\n");
  expect(faultsText(summaries.slice(0, 1), true)).toBe("");
});
