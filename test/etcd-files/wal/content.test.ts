import { expect, test } from "vitest";
import { recordContent } from "../../../src/etcd-files/wal/content.ts";
import { bufferSegment, readWal } from "../../../src/etcd-files/wal/read.ts";
import { KILLED_LOG, LIVE_IDS, liveSegment, segmentOf } from "./live-log.ts";

test("record content: a real log says whose it is, which entries it holds and what is committed", () => {
  const contents = [...readWal([bufferSegment("wal", liveSegment("killed-3.5", KILLED_LOG).slice())])].map(recordContent);
  expect(contents.slice(0, 3)).toEqual([{ kind: "crc" }, { kind: "metadata", metadata: LIVE_IDS }, { kind: "snapshot", snapshot: { index: 0n, term: 0n } }]);
  const entries = contents.flatMap((content) => (content.kind === "entry" ? [content.entry] : []));
  expect(entries.map(({ index }) => index)).toEqual(Array.from({ length: 51 }, (_, position) => BigInt(position + 1)));
  expect(entries[0]).toMatchObject({ type: 1, term: 1n });
  const puts = entries.map(({ data }) => Buffer.from(data).toString("latin1")).filter((data) => /key-\d+.*value-\d+/s.test(data));
  expect(puts.length).toBeGreaterThanOrEqual(40);
  const states = contents.flatMap((content) => (content.kind === "state" ? [content.hardState] : []));
  expect(states.at(-1)).toEqual({ term: 2n, vote: LIVE_IDS.memberId, commit: 51n });
  const snapshots = contents.flatMap((content) => (content.kind === "snapshot" ? [content.snapshot] : []));
  expect(snapshots.map(({ index }) => index)).toEqual([0n, 21n, 42n]);
  expect(snapshots[1]?.confState?.voters).toEqual([LIVE_IDS.memberId]);
});

test("record content: a type that no etcd writes is corrupt, and content that cannot be decoded has its place in the file", () => {
  const content = (type: number, data: Uint8Array) => [...readWal([bufferSegment("w", segmentOf([{ type, data }]))])].map(recordContent);
  expect(() => content(6, Uint8Array.of(1))).toThrow(expect.objectContaining({ code: "WAL_CORRUPT", message: "a record has the unknown type 6 at byte 16" }));
  for (const type of [1, 2, 3, 5])
    expect(() => content(type, Uint8Array.of(0x0f))).toThrow(expect.objectContaining({ name: "FormatError", code: "PROTO_INVALID" }));
});
