import { expect, test } from "vitest";
import { databaseFacts } from "../../src/cli/database-text.ts";
import type { PlannedKeyspace } from "../../src/restore/keyspace.ts";
import { planVersions } from "../../src/restore/target-version.ts";

const PLAIN: PlannedKeyspace = {
  alarms: { count: 0, policy: "drop" },
  auth: { before: "off", after: "off" },
  leases: { count: 0, policy: "restart", boundKeys: null, addedBytes: 0 },
};
const VERSIONS = planVersions({ storageVersion: "3.7.0", clusterVersion: "3.7.0" }, null);

function shown(keyspace: Partial<PlannedKeyspace>, versions = VERSIONS): Record<string, string | undefined> {
  return Object.fromEntries(databaseFacts({ keyspace: { ...PLAIN, ...keyspace }, versions }));
}

test("a plan's database: what is not there is not shown", () => {
  expect(shown({})).toEqual({
    versions: "storage 3.7.0, cluster 3.7.0",
    "to be run by": "etcd 3.7 or newer",
    authentication: "off",
    alarms: undefined,
    leases: undefined,
  });
  expect(shown({}, planVersions({ storageVersion: null, clusterVersion: null }, null))).toMatchObject({ versions: undefined, "to be run by": undefined });
});

test("a plan's database: for an older etcd the versions that are left out, and which etcd it is for", () => {
  const versions = planVersions({ storageVersion: "3.7.0", clusterVersion: "3.7.0" }, "3.6");
  expect(shown({}, versions)).toMatchObject({ versions: "storage 3.7.0, cluster 3.7.0; both are left out", "to be run by": "etcd 3.6" });
});

test("a plan's database: what each policy does", () => {
  expect(shown({ auth: { before: "on", after: "on" } })["authentication"]).toBe("on, with the users of the source");
  expect(shown({ auth: { before: "on", after: "off" } })["authentication"]).toBe("switched off; users and roles are kept");
  expect(shown({ alarms: { count: 2, policy: "drop" } })["alarms"]).toBe("2, dropped");
  expect(shown({ alarms: { count: 1, policy: "keep" } })["alarms"]).toBe("1, kept");
  const leases = (policy: PlannedKeyspace["leases"]["policy"], boundKeys: number | null) =>
    shown({ leases: { count: 4, policy, boundKeys, addedBytes: 0 } })["leases"];
  expect(leases("restart", null)).toBe("4, with their full time to live again");
  expect(leases("expire", 1)).toBe("4, ended; 1 key bound to them deleted");
  expect(leases("detach", 30)).toBe("4, ended; 30 keys bound to them kept without a lease");
});
