// Which leftovers of uploads are garbage; over random repositories, that nothing a backup or a living writer needs ever is.
import fc from "fast-check";
import { expect, test } from "vitest";
import { type GarbagePlan, planGarbage, type RepositoryListing } from "../../src/maintenance/garbage.ts";
import type { FoundUpload } from "../../src/repository/upload-marker.ts";
import { SEED } from "../support/counts.ts";

const NOW = new Date("2026-11-21T12:00:00.000Z");
const ID = "20261121T093000Z-0000000000000012345-k3jv2a";
const OTHER = "20261121T093500Z-0000000000000012399-aaaaaa";

function object(key: string) {
  return { key, sizeBytes: 10, modifiedAt: NOW, version: "1" };
}

function marker(id: string, ageSeconds: number, heartbeatSeconds = 60): FoundUpload {
  const startedAt = "2026-11-21T09:30:00.000Z";
  const upload = { action: "save", heartbeatSeconds, startedAt, writer: { host: "h", pid: 7 } } as FoundUpload["upload"];
  return { key: `default/uploads/${id}.json`, upload, version: "1", heartbeatAt: new Date(NOW.getTime() - ageSeconds * 1000) };
}

function plan(listing: Partial<RepositoryListing>): GarbagePlan {
  return planGarbage({ objects: [], unfinished: [], markers: [], ...listing }, NOW);
}

test("garbage: objects without a manifest, when no upload marker stands beside them, or one that is three heartbeats old", () => {
  const objects = [object(`default/backups/${ID}/snapshot.db.zst`), object(`default/backups/${ID}/bundle.tar.zst`)];
  const bare = { cluster: "default", backup: ID, marker: null, unfinished: [], reason: "no manifest: nobody is writing it" };
  expect(plan({ objects })).toEqual({ leave: [], remove: [{ ...bare, objects: objects.map(({ key, sizeBytes }) => ({ key, sizeBytes })) }] });
  expect(plan({ objects, markers: [marker(ID, 181)] }).remove).toMatchObject([
    {
      marker: `default/uploads/${ID}.json`,
      reason: expect.stringMatching(/last heard of at .*11:56:59/),
    },
  ]);
  expect(plan({ objects, markers: [marker(ID, 180)] })).toMatchObject({
    remove: [],
    leave: [{ backup: ID, reason: expect.stringContaining("by save on h (process 7)") }],
  });
  expect(plan({ objects, markers: [marker(ID, 900, 400)] }).remove).toEqual([]);
  expect(plan({ objects, markers: [marker(OTHER, 1)] }).remove).toMatchObject([{ backup: ID }]);
});

test("garbage: what is left alone says since when nothing was heard, when that is enough, and whether the process is still there", () => {
  const listing = { objects: [], unfinished: [], markers: [marker(ID, 100, 90)] };
  const who = ", by save on h (process 7) since 2026-11-21T09:30:00.000Z";
  const heard = "; last heard of at 2026-11-21T11:58:20.000Z, counts as dead after 2026-11-21T12:02:50.000Z";
  const reasons = (isGone: (writer: { host: string; pid: number }) => boolean) => planGarbage(listing, NOW, isGone).leave.map(({ reason }) => reason);
  expect(reasons(() => false)).toEqual([`it is being written${who}${heard}`]);
  expect(reasons(({ host, pid }) => host === "h" && pid === 7)).toEqual([`it was being written${who}, which is no process of this host any more${heard}`]);
});

test("garbage: a marker that cannot be read protects as long as a fresh one would, and one that says it beats faster than any does too", () => {
  const objects = [object(`default/backups/${ID}/snapshot.db.zst`)];
  const unreadable = (ageSeconds: number) => ({ ...marker(ID, ageSeconds), upload: null });
  expect(plan({ objects, markers: [unreadable(180)] }).remove).toEqual([]);
  expect(plan({ objects, markers: [unreadable(181)] }).remove).toHaveLength(1);
  expect(plan({ objects, markers: [marker(ID, 100, 1)] }).remove).toEqual([]);
});

test("garbage: of a backup that exists only what its upload left: the marker, and parts of an upload that was done again", () => {
  const objects = [object(`default/backups/${ID}/manifest.json`), object(`default/backups/${ID}/snapshot.db.zst`)];
  expect(plan({ objects })).toEqual({ remove: [], leave: [] });
  const unfinished = [{ key: `default/backups/${ID}/snapshot.db.zst`, uploadId: "u", startedAt: NOW }];
  expect(plan({ objects, unfinished, markers: [marker(ID, 999)] }).remove).toMatchObject([{ objects: [], unfinished, marker: `default/uploads/${ID}.json` }]);
  expect(plan({ objects, unfinished, markers: [marker(ID, 9)] }).remove).toEqual([]);
});

test("garbage: documents whose upload began an hour ago and never ended; so too a marker, unless one that is dead stands there", () => {
  const started = (key: string, minutesAgo: number) => ({ key, uploadId: key, startedAt: new Date(NOW.getTime() - minutesAgo * 60_000) });
  const old = started("default/cluster.json", 61);
  expect(plan({ unfinished: [old, started("default/writer.json", 59), started("etcdsafe-repository.json", 999)] }).remove).toEqual([
    { cluster: "default", backup: null, reason: expect.stringContaining("cluster.json never arrived"), objects: [], unfinished: [old], marker: null },
  ]);
  const placed = (minutesAgo: number) => [started(`default/uploads/${ID}.json`, minutesAgo)];
  // A save may be placing it at this moment.
  expect(plan({ unfinished: placed(59) }).remove).toEqual([]);
  expect(plan({ unfinished: placed(61) }).remove).toMatchObject([{ backup: ID, unfinished: placed(61) }]);
  expect(plan({ unfinished: placed(0), markers: [marker(ID, 0)] }).remove).toEqual([]);
  expect(plan({ unfinished: placed(0), markers: [marker(ID, 181)] }).remove).toMatchObject([{ backup: ID, unfinished: placed(0) }]);
});

test("garbage: what is being deleted is left to whoever prunes, and what is not recognised to its owner", () => {
  const objects = [object(`default/backups/${ID}/snapshot.db.zst`), object(`default/deleting/${ID}.json`)];
  expect(plan({ objects })).toMatchObject({ remove: [], leave: [{ backup: ID, reason: expect.stringContaining("deletion has begun") }] });
  for (const key of [
    "default/backups/mine/data",
    `backups/${ID}/x`,
    `UPPER/backups/${ID}/x`,
    `default/backups/${ID}/.hidden`,
    `default/backups/${ID}/a/b`,
    "x",
  ]) {
    expect(plan({ objects: [object(key)], unfinished: [{ key, uploadId: "u", startedAt: NOW }] }), key).toEqual({ remove: [], leave: [] });
  }
});

test("garbage: whatever there is, nothing of a backup with a manifest, of a living upload, or of somebody else's is in the plan, and all the rest is", () => {
  const id = fc.integer({ min: 0, max: 5 }).map((n) => `20261121T09300${n}Z-0000000000000012345-aaaaaa`);
  const key = fc.oneof(
    fc
      .tuple(fc.constantFrom("default", "b", "NO"), id, fc.constantFrom("manifest.json", "snapshot.db.zst", "bundle.tar.zst.age", "A"))
      .map(([c, i, n]) => `${c}/backups/${i}/${n}`),
    fc.constantFrom("default/cluster.json", "default/writer.json", "etcdsafe-repository.json", "stray", "default/backups/x/y"),
  );
  const aged = fc.tuple(id, fc.constantFrom(0, 100, 180, 181, 9999));
  fc.assert(
    fc.property(fc.uniqueArray(key), fc.array(key, { maxLength: 3 }), fc.uniqueArray(aged, { selector: ([i]) => i }), (keys, parts, marks) => {
      const unfinished = parts.map((part, index) => ({ key: part, uploadId: String(index), startedAt: NOW }));
      const { remove } = plan({ objects: keys.map(object), unfinished, markers: marks.map(([i, age]) => marker(i, age)) });
      const planned = new Set([...remove.flatMap((each) => each.objects.map((info) => info.key))]);
      const aborted = new Set(remove.flatMap((each) => each.unfinished.map(({ uploadId }) => uploadId)));
      const live = new Set(marks.filter(([, age]) => age <= 180).map(([i]) => `default/backups/${i}/`));
      const prefixOf = (text: string) => /^(default|b)\/backups\/\d{8}T\d{6}Z-\d{19}-[a-z2-7]{6}\/(?=[a-z])/.exec(text)?.[0];
      for (const each of keys) {
        const prefix = prefixOf(each);
        const isGarbage = prefix !== undefined && !live.has(prefix) && !keys.includes(`${prefix}manifest.json`);
        expect(planned.has(each), each).toBe(isGarbage);
      }
      for (const { key: part, uploadId } of unfinished) expect(aborted.has(uploadId), part).toBe(prefixOf(part) !== undefined && !live.has(prefixOf(part)!));
    }),
    { seed: SEED },
  );
});
