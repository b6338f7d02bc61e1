import { expect, test } from "vitest";
import { EtcdsafeError } from "../../src/errors.ts";
import type { BriefCatalogueEntry, BriefEntry } from "../../src/repository/catalogue.ts";
import type { VerificationLevel } from "../../src/repository/sidecars.ts";
import { type DueRequest, dueForVerification } from "../../src/verify/due.ts";

const DAY_MS = 24 * 3_600_000;
const NOW = new Date("2026-11-22T04:00:00Z");
const REQUEST: DueRequest = { level: "structure", hasKeys: true, againAfterMs: 30 * DAY_MS, isAsked: false, now: NOW };

type Passed = Partial<Record<VerificationLevel, number>>;

/** `passed`, `failed`: how many days ago, of each level. */
function entry(
  id: string,
  passed: Passed = {},
  { failed = {}, isEncrypted = false }: { readonly failed?: Passed; readonly isEncrypted?: boolean } = {},
): BriefEntry {
  const of = (times: Passed, outcome: "passed" | "failed") =>
    Object.entries(times).map(([level, daysAgo]) => [
      level,
      { level, outcome, finishedAt: new Date(NOW.getTime() - daysAgo * DAY_MS).toISOString(), findingsTotal: 0, failure: null },
    ]);
  const objects = [
    { role: "snapshot", name: "snapshot", storedSizeBytes: 1, rawSizeBytes: 1, encryption: isEncrypted ? { kind: "age" } : null },
    { role: "bundle", name: "bundle", storedSizeBytes: 1, rawSizeBytes: 1, encryption: null },
  ];
  const verifications = Object.fromEntries([...of(passed, "passed"), ...of(failed, "failed")]);
  return { id, manifest: { id, objects }, state: "proven", damage: [], verifications, storedSizeBytes: 1, isSigned: false } as unknown as BriefEntry;
}

function isDue(one: BriefCatalogueEntry, request: Partial<DueRequest> = {}): boolean {
  return dueForVerification([one], { ...REQUEST, ...request }).length === 1;
}

test.each<[string, Passed, Partial<DueRequest>, boolean]>([
  ["never read back", {}, {}, true],
  ["read back at that level", { structure: 1 }, {}, false],
  ["read back at a deeper one", { structure: 1 }, { level: "hash" }, false],
  ["read back at the deepest", { points: 1 }, { level: "stored-bytes" }, false],
  ["read back less deeply", { "stored-bytes": 1, hash: 1 }, {}, true],
  ["read back right now", { structure: 0 }, {}, false],
  ["just not long enough ago", { structure: 30 - 1e-6 }, {}, false],
  ["long enough ago", { structure: 30 }, {}, true],
  ["long ago at that level, and since then less deeply", { structure: 31, hash: 1 }, {}, true],
  ["long ago at that level, and since then more deeply", { hash: 31, structure: 1 }, { level: "hash" }, false],
  ["dated by a clock that is ahead", { structure: -400 }, {}, false],
])("due verifications: %s", (_, passed, request, expected) => {
  expect(isDue(entry("x", passed), request)).toBe(expected);
});

test("due verifications: without keys, of encrypted backups the stored bytes are what can be read", () => {
  const encrypted = { isEncrypted: true };
  expect(isDue(entry("x", {}, encrypted), { hasKeys: false })).toBe(true);
  expect(isDue(entry("x", { "stored-bytes": 1 }, encrypted), { hasKeys: false })).toBe(false);
  expect(isDue(entry("x", { "stored-bytes": 30 }, encrypted), { hasKeys: false })).toBe(true);
  expect(isDue(entry("x", { structure: 1 }, encrypted), { hasKeys: false })).toBe(false);
  // With keys, and of what is not encrypted, everything.
  expect(isDue(entry("x", { "stored-bytes": 1 }, encrypted))).toBe(true);
  expect(isDue(entry("x", { "stored-bytes": 1 }), { hasKeys: false })).toBe(true);
});

test("due verifications: what failed, is damaged or cannot be read is looked at each time", () => {
  expect(isDue(entry("x", {}, { failed: { structure: 1 } }))).toBe(true);
  expect(isDue({ ...entry("x", { structure: 1 }), state: "damaged" })).toBe(true);
  expect(isDue({ id: "x", manifest: null, error: new EtcdsafeError("MANIFEST_INVALID", "no"), storedSizeBytes: 1 })).toBe(true);
});

test("due verifications: in the order given", () => {
  const entries = [entry("d"), entry("b", { structure: 1 }), { ...entry("c", { structure: 1 }), state: "damaged" as const }, entry("a")];
  expect(dueForVerification(entries, REQUEST)).toEqual(["d", "c", "a"]);
});

test("due verifications: whoever asks is told of the newest that a restore takes, also where it was just read back", () => {
  const [suspect, newest, older] = [{ ...entry("c", { structure: 0 }), state: "suspect" as const }, entry("b", { structure: 0 }), entry("a", { structure: 0 })];
  expect(dueForVerification([suspect, newest, older], { ...REQUEST, isAsked: true })).toEqual(["b"]);
  expect(dueForVerification([suspect], { ...REQUEST, isAsked: true })).toEqual([]);
});
