// The logs in test/golden/wal, and a small log of any content for tests that break it.
import { readFileSync } from "node:fs";
import { zstdDecompressSync } from "node:zlib";
import { crc32c } from "../../../src/bytes/crc32c.ts";
import { encodeFrame } from "../../../src/etcd-files/wal/encode.ts";
import { encodeRecord } from "../../../src/proto/walpb.ts";

export const KILLED_LOG = "0000000000000000-0000000000000000.wal";
export const TWO_SEGMENTS = ["0000000000000000-0000000000000000.wal", "0000000000000001-0000000000000034.wal"] as const;
/** What `etcdctl endpoint status` said of both members. */
export const LIVE_IDS = { memberId: 12516022404284732088n, clusterId: 7162463918354432232n };

export function liveSegment(log: "killed-3.5" | "two-segments-3.7", name: string): Uint8Array {
  return zstdDecompressSync(readFileSync(new URL(`../../golden/wal/${log}/${name}.zst`, import.meta.url)));
}

/** A segment of these records after a record with the checksum so far, as etcd begins each file. */
export function segmentOf(records: readonly { readonly type: number; readonly data: Uint8Array }[], crcBefore = 0): Uint8Array {
  let crc = crcBefore;
  const frames = [encodeFrame(encodeRecord(4, crc, new Uint8Array(0)))];
  for (const { type, data } of records) {
    crc = crc32c(data, crc);
    frames.push(encodeFrame(encodeRecord(type, crc, data)));
  }
  return Buffer.concat(frames);
}
