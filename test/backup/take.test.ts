// Whether a member is too far behind, and how that is asked of it: the member is made up, its snapshot is a real one.
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { receive, type TakeOptions } from "../../src/backup/take.ts";
import { openSpool } from "../../src/bytes/spool.ts";
import { ProtoReader, ProtoWriter } from "../../src/proto/wire.ts";
import { plainRows } from "../support/random-history.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const REVISION = 51;
const SNAPSHOT = buildSnapshot({ rows: plainRows(REVISION - 1) });

/** Sends SNAPSHOT although its cluster is at `revision`. */
async function received(revision: number, { quorum = true } = {}) {
  const asked: string[] = [];
  const client = {
    endpoint: "http://m1",
    call: async (method: string, message: Uint8Array) => {
      asked.push(`${method}, ${isSerializable(message) ? "serializable" : "linearizable"}`);
      return new ProtoWriter().bytes(1, new ProtoWriter().varint(3, revision).finish()).finish();
    },
    stream: async (method: string) => {
      asked.push(method);
      const body = Readable.from([SNAPSHOT.subarray(0, -32), SNAPSHOT.subarray(-32)].map(snapshotMessage));
      return { body, finished: new Promise<void>((resolve) => body.once("end", resolve)), cancel: () => body.destroy() };
    },
  };
  const options = {
    clients: { secure: false, at: () => client },
    selection: { quorum },
    serving: { endpoint: client.endpoint },
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

/** rpc.proto, SnapshotResponse, behind the prefix of gRPC. Nothing remains of the database behind the first, and the hash counts as nothing. */
function snapshotMessage(blob: Uint8Array): Buffer {
  const message = new ProtoWriter().bytes(3, blob).finish();
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** rpc.proto, RangeRequest. */
function isSerializable(rangeRequest: Uint8Array): boolean {
  const reader = new ProtoReader(rangeRequest);
  while (reader.next()) {
    if (reader.field === 7) return reader.bool();
    reader.skip();
  }
  return false;
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
