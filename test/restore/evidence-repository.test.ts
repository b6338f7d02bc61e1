import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { encodeManifest, type Manifest } from "../../src/repository/manifest.ts";
import { backupObjectKey, manifestKey } from "../../src/repository/names.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { writeRestoreRecord } from "../../src/repository/sidecars.ts";
import { claimState } from "../../src/repository/state-store.ts";
import { repositoryEvidence } from "../../src/restore/evidence-repository.ts";
import { stateSplit } from "../../src/storage/state-split.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { sampleManifest } from "../repository/sample-manifest.ts";
import { MemoryStorage } from "../support/memory-storage.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const author = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
const ID = "cdf818194e3a8c32";

async function stored(storage: MemoryStorage, ...manifests: readonly Manifest[]): Promise<void> {
  for (const manifest of manifests) await put(storage, manifestKey("default", manifest.id), encodeManifest(manifest));
}

function put(storage: MemoryStorage, key: string, bytes: Uint8Array) {
  return storage.put(key, streamOf(bytes), { signal });
}

async function restored(
  storage: MemoryStorage,
  clusterId: string,
  parent: string,
  revisionAfter: string,
  purpose: "cluster" | "drill" = "cluster",
): Promise<string> {
  const facts = {
    clusterId,
    purpose,
    restoredAt: "2026-11-21T12:00:00.000Z",
    source: { backup: null, rawSha256: null, location: "/r" },
    parent: { clusterId: null, timeline: null, revision: parent },
    revisionAfter,
    markCompacted: true,
    members: [{ id: ID, name: "m", peerUrls: ["http://127.0.0.1:2380"] }],
  };
  return writeRestoreRecord(storage, "default", author, facts, { signal });
}

const repositoryIn = (storage: Storage, file: Partial<Repository["file"]> = {}): Repository => ({ storage, file: file as Repository["file"] });

function evidence(storage: MemoryStorage, sourceId: string | null = null) {
  return repositoryEvidence(repositoryIn(storage), "default", { sourceId, clusterIds: [] }, { signal });
}

test("evidence of a repository: that its state is not looked at is said", async () => {
  const storage = new MemoryStorage();
  const known = { sourceId: null, clusterIds: [] };
  const warnings = async (given: Storage) =>
    (await repositoryEvidence(repositoryIn(given, { id: "aaaaaaaaaaaa", stateStore: { location: "memory:state" } }), "default", known, { signal })).warnings;
  const unknown =
    "Which members have joined since the backup was taken is not known, so that nobody asks whether they live, nor which cluster bears the name now: ";
  expect(await warnings(storage)).toEqual([`${unknown}the repository in memory: keeps its state in memory:state, and no --state-url was given.`]);
  const split = stateSplit(storage, wrapped(new MemoryStorage(), { location: "memory:state" }));
  expect(await warnings(split)).toEqual([expect.stringMatching(/memory:state does not hold the state of the repository .* is missing\.$/)]);
  await claimState(split, author, "aaaaaaaaaaaa", { signal });
  expect(await warnings(split)).toEqual([]);
});

test("evidence of a repository: the backup with the highest revision, whatever its state and timeline, and the highest restore of any cluster", async () => {
  const storage = new MemoryStorage();
  const highest = sampleManifest({ revision: "900", state: "suspect", timeline: "bbbbbbbbbbbb", createdAt: "2026-11-20T09:30:00.000Z" });
  const source = sampleManifest({ revision: "5000", createdAt: "2026-11-22T09:30:00.000Z" });
  await stored(storage, sampleManifest({ revision: "800" }), highest, source);
  await restored(storage, ID, "300", "1000000700");
  const record = await restored(storage, "0000000000000001", "400", "2000000700");
  expect(await evidence(storage, source.id)).toEqual({
    found: [
      { kind: "backup", where: `memory:: ${highest.id}`, revision: "900", isUpperBound: false, at: "2026-11-20T09:30:00.000Z" },
      { kind: "restore-record", where: `memory:: ${record}`, revision: "2000000700", isUpperBound: false, at: "2026-11-21T12:00:00.000Z" },
    ],
    jumps: [
      { from: 400n, to: 2_000_000_700n },
      { from: 300n, to: 1_000_000_700n },
    ],
    warnings: [],
    ofKnown: null,
  });
  expect((await evidence(storage)).found[0]).toMatchObject({ revision: "5000" });
});

test("evidence of a repository: a backup that was never finished, or whose manifest cannot be read, shows what its id says; the latter is told", async () => {
  const storage = new MemoryStorage();
  const [unfinished, broken] = [sampleManifest({ revision: "700" }), sampleManifest({ revision: "600", createdAt: "2026-11-23T09:30:00.000Z" })];
  await put(storage, backupObjectKey("default", unfinished.id, "snapshot.db.zst"), Buffer.from("half"));
  await put(storage, manifestKey("default", broken.id), Buffer.from("{"));
  const { found, warnings } = await evidence(storage);
  expect(found).toMatchObject([{ where: expect.stringContaining(unfinished.id), revision: "700", at: "2026-11-21T09:30:00.000Z" }]);
  expect(warnings).toEqual([expect.stringMatching(new RegExp(`^The manifest of ${broken.id} cannot be read .* beyond revision 600, .* is not counted`))]);
});

test("evidence of a repository: a restore record that cannot be read is told, and hides no other", async () => {
  const storage = new MemoryStorage();
  await restored(storage, ID, "300", "1300");
  await put(storage, "default/restores/0000000000000009.json", Buffer.from("{"));
  const { found, warnings } = await evidence(storage);
  expect(found).toMatchObject([{ kind: "restore-record", revision: "1300" }]);
  expect(warnings).toEqual([expect.stringMatching(/0000000000000009\.json is not a valid restore record: .* is not counted/)]);
});

test("evidence of a repository: other clusters' backups show nothing, and neither do drills", async () => {
  const storage = new MemoryStorage();
  await restored(storage, ID, "300", "1300", "drill");
  const other = sampleManifest({ cluster: "other", revision: "900" });
  await put(storage, manifestKey("other", other.id), encodeManifest(other));
  expect(await evidence(storage)).toEqual({ found: [], jumps: [], warnings: [], ofKnown: null });
});

test("evidence of a repository: what another run of the same plan has put on record is none, but what its cluster has saved since is", async () => {
  const storage = new MemoryStorage();
  await restored(storage, ID, "300", "1000000700");
  const again = () => repositoryEvidence(repositoryIn(storage), "default", { sourceId: null, clusterIds: [ID] }, { signal });
  expect((await again()).found).toEqual([]);
  await stored(storage, sampleManifest({ revision: "1000000705", clusterId: ID }));
  const { found, ofKnown } = await again();
  expect(found).toMatchObject([{ kind: "backup", revision: "1000000705" }]);
  expect(ofKnown).toBe(found[0]);
  await stored(storage, sampleManifest({ revision: "2000000000", clusterId: "0000000000000001", createdAt: "2026-11-23T09:30:00.000Z" }));
  expect(await again()).toMatchObject({ found: [{ revision: "2000000000" }], ofKnown: null });
});
