import { expect, test } from "vitest";
import { decodeSnapMessage, encodeSnapMessage } from "../../src/proto/snappb.ts";

test("snappb: checksum and data are read back as written, with the place of the data in the file", () => {
  const bytes = encodeSnapMessage(0xffff_fffe, Uint8Array.of(1, 2, 3));
  expect(decodeSnapMessage(bytes)).toEqual({ crc: 0xffff_fffe, data: Uint8Array.of(1, 2, 3), dataOffset: bytes.length - 3 });
});

test("snappb: what is left out reads as zero and empty", () => {
  expect(decodeSnapMessage(new Uint8Array(0))).toEqual({ crc: 0, data: new Uint8Array(0), dataOffset: 0 });
});
