import fc from "fast-check";
import { expect, test } from "vitest";
import {
  attemptKey,
  backupId,
  checkClusterName,
  manifestKey,
  parseBackupId,
  parseVerificationKey,
  randomId,
  restoreKey,
  verificationKey,
} from "../../src/repository/names.ts";
import { backupId as backupIdSchema, clusterName, randomId as randomIdSchema } from "../../src/repository/schemas/common.ts";
import { runs, SEED } from "../support/counts.ts";

const parameters = { seed: SEED, numRuns: runs(300, 20_000) };
const bytesFrom = (bytes: Uint8Array) => (sizeBytes: number) => Uint8Array.from({ length: sizeBytes }, (_, index) => bytes[index % bytes.length] ?? 0);
const revision = fc.bigInt(0n, 2n ** 63n - 1n);
const time = fc.date({ min: new Date("2000-01-01T00:00:00Z"), max: new Date("2999-12-31T23:59:59Z"), noInvalidDate: true });

test("names: read as the format document shows them", () => {
  const at = new Date("2026-11-21T09:30:00.123Z");
  const zeros = (sizeBytes: number) => new Uint8Array(sizeBytes);
  const id = backupId(at, 12345n, zeros);
  expect(id).toBe("20261121T093000Z-0000000000000012345-aaaaaa");
  expect(manifestKey("default", id)).toBe("default/backups/20261121T093000Z-0000000000000012345-aaaaaa/manifest.json");
  expect(verificationKey("default", id, at, { level: "stored-bytes", outcome: "failed" })).toBe(
    `default/verifications/${id}/20261121T093000.123Z-stored-bytes-failed.json`,
  );
  expect(attemptKey("default", at, zeros)).toBe("default/attempts/20261121T093000.123Z-aaaaaa.json");
  expect(restoreKey("default", "1f0a9c3b5d7e2468")).toBe("default/restores/1f0a9c3b5d7e2468.json");
  expect(restoreKey("default", "1f0a9c3b5d7e2468", at)).toBe("default/restores/1f0a9c3b5d7e2468-20261121T093000.123Z.json");
  expect(randomId(zeros)).toBe("aaaaaaaaaaaa");
});

test("names: that of a verification says what it found, unless it has the time alone", () => {
  const [finishedAt, key] = [
    "20261121T093000.123Z",
    (end: string) => `default/verifications/20261121T093000Z-0000000000000012345-aaaaaa/20261121T093000.123Z${end}`,
  ];
  expect(parseVerificationKey(key("-stored-bytes-failed.json"))).toEqual({ finishedAt, level: "stored-bytes", outcome: "failed" });
  expect(parseVerificationKey(key("-hash-passed.json"))).toEqual({ finishedAt, level: "hash", outcome: "passed" });
  expect(parseVerificationKey(key(".json"))).toEqual({ finishedAt });
});

test("names: a backup id gives back its time and revision, whatever they are", () => {
  fc.assert(
    fc.property(time, revision, fc.uint8Array({ minLength: 12, maxLength: 12 }), (createdAt, revision, bytes) => {
      const id = backupId(createdAt, revision, bytesFrom(bytes));
      const second = new Date(Math.floor(createdAt.getTime() / 1000) * 1000);
      expect(parseBackupId(id)).toEqual({ createdAt: second, revision });
      expect(backupIdSchema.safeParse(id).success).toBe(true);
      expect(randomIdSchema.safeParse(randomId(bytesFrom(bytes))).success).toBe(true);
    }),
    parameters,
  );
});

test("names: backup ids sort by time, then by revision", () => {
  fc.assert(
    fc.property(time, time, revision, revision, (a, b, revisionA, revisionB) => {
      const first = backupId(a, revisionA, bytesFrom(new Uint8Array(1)));
      const second = backupId(b, revisionB, bytesFrom(new Uint8Array(1)));
      const seconds = Math.floor(a.getTime() / 1000) - Math.floor(b.getTime() / 1000);
      const order = seconds === 0 ? Number(revisionA > revisionB) - Number(revisionA < revisionB) : Math.sign(seconds);
      expect(Number(first > second) - Number(first < second)).toBe(order);
    }),
    parameters,
  );
});

test.each([
  "",
  "latest",
  "20261121T093000Z",
  "20261121T093000Z-12345-aaaaaa",
  "20261121T093000Z-0000000000000012345-AAAAAA",
  "20261121T093000Z-0000000000000012345-aaaaa1",
  "20261121T093000Z-0000000000000012345-aaaaaaa",
  "20261341T093000Z-0000000000000012345-aaaaaa",
  "20260230T093000Z-0000000000000012345-aaaaaa",
  "x20261121T093000Z-0000000000000012345-aaaaaa",
])("names: %j is no backup id", (id) => {
  expect(parseBackupId(id)).toBeUndefined();
});

test.each(["default", "a", "0", "prod.eu-1_x", "a".repeat(63)])("names: %j may name a cluster", (name) => {
  expect(() => checkClusterName(name)).not.toThrow();
  expect(clusterName.safeParse(name).success).toBe(true);
});

test.each(["", "A", "-a", ".a", "_a", "a/b", "a b", "ä", "a".repeat(64), "..", "etcdsafe-repository.json"])("names: %j may not", (name) => {
  expect(() => checkClusterName(name)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
});
