import { expect, test } from "vitest";
import { planVersions, TARGET_VERSIONS, type TargetVersion, versionWarnings, walDialectOf } from "../../src/restore/target-version.ts";
import { expectThrown } from "../support/failures.ts";

const SOURCES = {
  "3.4": { storageVersion: null, clusterVersion: "3.4.0" },
  "3.5": { storageVersion: null, clusterVersion: "3.5.0" },
  "3.6": { storageVersion: "3.6.0", clusterVersion: "3.6.0" },
  "3.7": { storageVersion: "3.7.0", clusterVersion: "3.7.0" },
} as const;

/** etcd-formats §4.8. What test/e2e/target-version.test.ts starts is what this says. */
const TABLE: Readonly<Record<keyof typeof SOURCES, Readonly<Record<TargetVersion, "as it is" | "skips" | "without versions" | "unsupported">>>> = {
  "3.4": { "3.4": "as it is", "3.5": "as it is", "3.6": "skips", "3.7": "skips" },
  "3.5": { "3.4": "unsupported", "3.5": "as it is", "3.6": "as it is", "3.7": "skips" },
  "3.6": { "3.4": "unsupported", "3.5": "unsupported", "3.6": "as it is", "3.7": "as it is" },
  "3.7": { "3.4": "unsupported", "3.5": "unsupported", "3.6": "without versions", "3.7": "as it is" },
};

for (const from of TARGET_VERSIONS) {
  test.each(TARGET_VERSIONS)(`target version: from ${from} to %s`, (to) => {
    const planned = planVersions(SOURCES[from], to);
    const warnings = versionWarnings(planned);
    const verdict = TABLE[from][to];
    expect(planned.removesStorageVersion).toBe(verdict === "without versions" || verdict === "unsupported");
    expect(planned.oldestEtcd).toBe(to);
    if (verdict === "skips") expect(warnings).toEqual([expect.stringContaining("by one minor at a time")]);
    else if (verdict === "unsupported") expect(warnings).toEqual([expect.stringContaining("does not support")]);
    else expect(warnings).toEqual([]);
    expect(walDialectOf(planned)).toBe(to === "3.5" ? "3.6" : to);
  });
}

test("target version: without one the plan says which etcd starts, and nothing is removed", () => {
  expect(Object.values(SOURCES).map((source) => planVersions(source, null).oldestEtcd)).toEqual(["3.4", "3.5", "3.6", "3.7"]);
  for (const source of Object.values(SOURCES)) expect(planVersions(source, null).removesStorageVersion).toBe(false);
  expect(planVersions({ storageVersion: null, clusterVersion: null }, null).oldestEtcd).toBeNull();
});

test("target version: the newer of storage and cluster version counts, as in the middle of an upgrade or downgrade", () => {
  expect(planVersions({ storageVersion: "3.6.0", clusterVersion: "3.7.0" }, "3.6").removesStorageVersion).toBe(true);
  expect(planVersions({ storageVersion: "3.7.0", clusterVersion: "3.6.0" }, "3.6").removesStorageVersion).toBe(true);
  expect(planVersions({ storageVersion: "3.6.0", clusterVersion: "3.7.0" }, null).oldestEtcd).toBe("3.7");
});

test("target version: a source of an etcd that is not known is refused for any target, and warned of without one", async () => {
  const source = { storageVersion: "3.8.0", clusterVersion: "3.8.0" };
  for (const target of TARGET_VERSIONS) await expectThrown("VERSION_UNSUPPORTED", () => planVersions(source, target), /written by etcd 3\.8/);
  expect(versionWarnings(planVersions(source, null))).toEqual([expect.stringContaining("may not start")]);
});
