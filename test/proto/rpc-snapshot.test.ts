import fc from "fast-check";
import { expect, test } from "vitest";
import { FormatError } from "../../src/errors.ts";
import { SnapshotReader } from "../../src/proto/rpc-snapshot.ts";
import { ProtoWriter } from "../../src/proto/wire.ts";
import { runs, SEED } from "../support/counts.ts";

interface Message {
  readonly remaining: number;
  readonly blob: Uint8Array;
  readonly version?: string;
  /** A header and a field of the future, which readers skip. */
  readonly more?: boolean;
}

function frame(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** As Go writes it: fields in order, zeros left out. */
function encode({ remaining, blob, version, more }: Message): Buffer {
  const writer = new ProtoWriter();
  if (more) writer.bytes(1, new ProtoWriter().varint(1, 2n ** 64n - 1n).finish());
  if (remaining > 0) writer.varint(2, remaining);
  if (blob.length > 0) writer.bytes(3, blob);
  if (version !== undefined) writer.string(4, version);
  if (more) writer.bytes(900, new Uint8Array(300)).varint(901, 7);
  return frame(writer.finish());
}

function read(bytes: Uint8Array, cuts: readonly number[] = []) {
  const slices: Uint8Array[] = [];
  const reader = new SnapshotReader((slice) => slices.push(slice));
  const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (const [index, edge] of edges.slice(1).entries()) reader.push(bytes.subarray(edges[index], edge));
  return { reader, slices, blob: Buffer.concat(slices) };
}

const anyBlob = fc.uint8Array({ maxLength: 400 });
const anyMessages = fc.array(
  fc.record({ blob: anyBlob, version: fc.option(fc.constantFrom("3.6.0", "3.7.0", "v".repeat(64)), { nil: undefined }), more: fc.boolean() }),
  { minLength: 1, maxLength: 6 },
);

test("snapshot messages: whatever the cuts, the blobs, sizes and version are the same", () => {
  fc.assert(
    fc.property(anyMessages, fc.array(fc.nat(), { maxLength: 12 }), (messages, cuts) => {
      const blobs = messages.map(({ blob }) => blob);
      const total = blobs.reduce((sum, blob) => sum + blob.length, 0);
      let left = total;
      const bytes = Buffer.concat(
        messages.map(({ version, ...rest }) => {
          left -= rest.blob.length;
          return encode({ ...rest, remaining: left, ...(version === undefined ? {} : { version }) });
        }),
      );
      const { reader, blob } = read(bytes, cuts);
      expect(blob).toEqual(Buffer.concat(blobs));
      expect(reader.blobBytes).toBe(total);
      expect(reader.databaseSizeBytes).toBe(total);
      expect(reader.whole).toBe(true);
      expect(reader.storageVersion).toBe(messages.findLast(({ version }) => version !== undefined)?.version);
    }),
    { seed: SEED, numRuns: runs(300, 20_000) },
  );
});

test("snapshot messages: blobs are views into what arrived", () => {
  const bytes = encode({ remaining: 9, blob: Uint8Array.of(1, 2, 3) });
  const { slices } = read(bytes);
  expect(slices).toHaveLength(1);
  expect(slices[0]?.buffer).toBe(bytes.buffer);
});

test("snapshot messages: a stream that stops inside a message is not whole, and its size is known from the first message on", () => {
  const first = encode({ remaining: 40, blob: new Uint8Array(60) });
  const second = encode({ remaining: 0, blob: new Uint8Array(40) });
  for (let cut = 1; cut < first.length; cut++) {
    const { reader } = read(first.subarray(0, cut));
    expect([reader.whole, reader.databaseSizeBytes]).toEqual([false, undefined]);
  }
  expect(read(first).reader).toMatchObject({ whole: true, databaseSizeBytes: 100, blobBytes: 60 });
  expect(read(Buffer.concat([first, second.subarray(0, 20)])).reader).toMatchObject({ whole: false, databaseSizeBytes: 100 });
});

test.each([
  ["a compressed message", Buffer.of(1, 0, 0, 0, 0), "compressed"],
  ["a field beyond its message", frame(Uint8Array.of(0x1a, 9, 1)), "longer than its message"],
  ["a message that ends inside a number", frame(Uint8Array.of(0x10, 0x80)), "ends inside a number"],
  ["a number beyond 2^53", frame(Uint8Array.of(0x10, ...Array(9).fill(0xff), 1)), "beyond 2^53"],
  ["a number without an end", frame(Uint8Array.of(0x10, ...Array(40).fill(0x80))), "beyond 2^53"],
  ["a group", frame(Uint8Array.of(0x0b)), "wire type 3"],
])("snapshot messages: %s is a FormatError", (_, bytes, text) => {
  // What follows a message is the next one's prefix.
  const following = Buffer.concat([bytes, encode({ remaining: 0, blob: new Uint8Array(1) })]);
  expect(() => read(following)).toThrow(FormatError);
  expect(() => read(following)).toThrow(text);
});

test("snapshot messages: bytes of any kind give a FormatError or a result, and never another error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (bytes, at) => {
      const mutated = encode({ remaining: 3, blob: bytes, version: "3.6.0", more: true });
      mutated[at % mutated.length]! ^= 1 << (at % 8);
      for (const input of [bytes, mutated]) {
        try {
          read(input);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }
    }),
    { seed: SEED, numRuns: runs(500, 50_000) },
  );
});
