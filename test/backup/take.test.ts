// Whether a member is too far behind, and how that is asked of it: the member is made up, its snapshot is a real one.
import { expect, test } from "vitest";
import { receive, type TakeOptions } from "../../src/backup/take.ts";
import { openSpool } from "../../src/bytes/spool.ts";
import { madeUpClients } from "../support/made-up-members.ts";
import { plainRows } from "../support/random-history.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const REVISION = 51;
const SNAPSHOT = buildSnapshot({ rows: plainRows(REVISION - 1) });

/** Sends SNAPSHOT although its cluster is at `revision`. */
async function received(revision: number, { quorum = true } = {}) {
  const endpoint = "http://m1";
  const { clients, asked } = madeUpClients(() => ({ id: 1n, snapshot: SNAPSHOT, revision }));
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
  await using spool = await openSpool(directory.path, SNAPSHOT.length);
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
