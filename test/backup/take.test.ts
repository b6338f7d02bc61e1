// Whether a member is too far behind, and how that is asked of it: the member is made up, its snapshot is a real one.
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { check, type ReceivedSnapshot, receive, type TakeOptions } from "../../src/backup/take.ts";
import { openSpool } from "../../src/bytes/spool.ts";
import { madeUpClients } from "../support/made-up-members.ts";
import { plainRows } from "../support/random-history.ts";
import { buildSnapshot, withTrailer } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const REVISION = 51;
const SNAPSHOT = buildSnapshot({ rows: plainRows(REVISION - 1) });

/** Sends SNAPSHOT although its cluster is at `revision`. */
async function received(revision: number, { quorum = true, snapshot = SNAPSHOT } = {}) {
  const endpoint = "http://m1";
  const { clients, asked } = madeUpClients(() => ({ id: 1n, snapshot, revision }));
  const options = {
    clients,
    selection: { quorum },
    serving: { endpoint },
    which: "none",
    stallLimitMs: 10_000,
    onPhase: () => undefined,
    signal: AbortSignal.timeout(20_000),
    runtime: testRuntime(),
  };
  await using directory = await temporaryDirectory("take");
  await using spool = await openSpool(directory.path, snapshot.length);
  const { peek, revisionBefore, rawSizeBytes } = await receive(spool, options as unknown as TakeOptions);
  return { asked, revisions: [revisionBefore, peek.revision], rawSizeBytes };
}

test("taking a snapshot: the revision it must reach is read through the member first, linearizably where there is a quorum", async () => {
  const { asked, revisions, rawSizeBytes } = await received(REVISION);
  expect(asked).toEqual(["KV/Range, linearizable", "Maintenance/Snapshot"]);
  expect(revisions).toEqual([51n, 51n]);
  expect(rawSizeBytes).toBe(SNAPSHOT.length);
  // Without a quorum a linearizable read would wait for one.
  expect((await received(REVISION, { quorum: false })).asked).toEqual(["KV/Range, serializable", "Maintenance/Snapshot"]);
});

test("taking a snapshot: one that lacks the last revision of before is refused, one that has more is not", async () => {
  await expect(received(REVISION + 1)).rejects.toMatchObject({
    code: "ETCD_MEMBER_STALE",
    message: "http://m1 sent a snapshot at revision 51, though its cluster was at 52 before",
  });
  expect((await received(REVISION - 1)).revisions).toEqual([50n, 51n]);
});

test("taking a snapshot: what is no database is the member's fault only where the hash is right, and so is one that seems to lag behind", async () => {
  const broken = Uint8Array.from(SNAPSHOT).fill(0xff, 0, 2 * 4096); // Both meta pages.
  await expect(received(REVISION, { snapshot: broken })).rejects.toMatchObject({ code: "SNAPSHOT_HASH_MISMATCH" });
  await expect(received(REVISION, { snapshot: withTrailer(broken.subarray(0, -32)) })).rejects.toMatchObject({ code: "SNAPSHOT_NOT_A_DATABASE" });
  const changed = Uint8Array.from(SNAPSHOT);
  changed[changed.length - 1]! ^= 1;
  await expect(received(REVISION + 1, { snapshot: changed })).rejects.toMatchObject({ code: "SNAPSHOT_HASH_MISMATCH" });
});

test("taking a snapshot: pages that are broken are the member's fault only where the hash is right", async () => {
  const broken = Uint8Array.from(SNAPSHOT);
  const leafAt = lastLeafOffset(broken);
  broken[leafAt + 8] = 0x80; // No kind of page.
  const checked = async (file: Uint8Array) => {
    await using directory = await temporaryDirectory("take");
    await using spool = await openSpool(directory.path, file.length);
    await spool.append([file]);
    await spool.flush();
    const options = {
      serving: { endpoint: "http://m1" },
      which: "none",
      onPhase: () => undefined,
      signal: AbortSignal.timeout(20_000),
      runtime: testRuntime(),
    };
    const received = { spool, rawSizeBytes: file.length } as unknown as ReceivedSnapshot;
    return await check(received, options as unknown as TakeOptions); // Or the spool would be closed first.
  };
  await expect(checked(broken)).rejects.toMatchObject({ code: "SNAPSHOT_HASH_MISMATCH" });
  const asSent = Buffer.concat([broken.subarray(0, -32), createHash("sha256").update(broken.subarray(0, -32)).digest()]);
  await expect(checked(asSent)).rejects.toMatchObject({ code: "SNAPSHOT_DAMAGED", message: expect.stringMatching(/^http:\/\/m1 sent a damaged database: /) });
});

/** bbolt page.go: the flags are the u16 at byte 8 of a page; 2 is a leaf. */
function lastLeafOffset(file: Uint8Array): number {
  const view = new DataView(file.buffer, file.byteOffset);
  const offsets = Array.from({ length: Math.floor(file.length / 4096) }, (_, page) => page * 4096);
  return offsets.findLast((offset) => view.getUint16(offset + 8, true) === 2)!;
}
