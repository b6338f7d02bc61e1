// The files in test/golden/restore with what they were made from.
import { readFileSync } from "node:fs";
import { parseAdvertisedPeerUrls, parseInitialCluster } from "../../src/etcd-files/membership/initial-cluster.ts";
import { memberNamed, type PlannedCluster, type PlannedMember, planCluster } from "../../src/etcd-files/membership/plan-cluster.ts";
import type { RaftDialect } from "../../src/proto/raftpb.ts";

export interface RestoreGolden {
  readonly minor: "3.5" | "3.6" | "3.7";
  readonly name: string;
  readonly cluster: PlannedCluster;
  readonly member: PlannedMember;
  readonly advertised: readonly string[];
  readonly dialect: RaftDialect;
  readonly wal: Uint8Array;
  readonly snap: Uint8Array;
}

interface GoldenCase {
  readonly name: string;
  readonly token: string;
  readonly initialCluster: string;
  readonly member: string;
  readonly advertised: string;
}

export function restoreGoldens(): RestoreGolden[] {
  const cases: readonly GoldenCase[] = JSON.parse(readFileSync(golden("cases.json"), "utf8"));
  return (["3.5", "3.6", "3.7"] as const).flatMap((minor) => cases.map((each) => restoreGolden(minor, each)));
}

function restoreGolden(minor: RestoreGolden["minor"], { name, token, initialCluster, member, advertised }: GoldenCase): RestoreGolden {
  const cluster = planCluster(parseInitialCluster(initialCluster), token);
  return {
    minor,
    name,
    cluster,
    member: memberNamed(cluster, member),
    advertised: parseAdvertisedPeerUrls(advertised),
    dialect: minor === "3.7" ? "3.7" : "3.6",
    wal: readFileSync(golden(`${minor}/${name}.wal`)),
    snap: readFileSync(golden(`${minor}/${name}.snap`)),
  };
}

function golden(path: string): URL {
  return new URL(`../golden/restore/${path}`, import.meta.url);
}
