import { readFileSync } from "node:fs";
import { zstdDecompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { FINDINGS_MAX } from "../../../src/etcd-files/bbolt/finding.ts";
import type { PageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import { checkSnapshot } from "../../../src/etcd-files/check/check-snapshot.ts";
import { runs, SEED } from "../../support/counts.ts";
import { type RandomNumbers, randomHistory, randomNumbers } from "../../support/random-history.ts";
import { buildSnapshot } from "../../support/snapshots.ts";

const golden = (path: string): Uint8Array => zstdDecompressSync(readFileSync(new URL(`../../golden/${path}`, import.meta.url)));

/** Several levels of branches, on small pages, so that every kind of reference gets its share of the mutations. */
const deep = (): Uint8Array => buildSnapshot({ pageSizeBytes: 1024, ...randomHistory(8, { revisions: 3000, keys: 200, compaction: "interrupted" }) });

const images: [string, () => Uint8Array][] = [
  ["a small snapshot of etcd 3.5", () => golden("snapshots/3.5/tiny.db.zst")],
  ["a compacted snapshot of etcd 3.7", () => golden("snapshots/3.7/compacted.db.zst")],
  ["a Kubernetes snapshot", () => golden("kubernetes-1.36/snapshot.db.zst")],
  ["a tree of several levels", deep],
];

/** Structure is where damage is dangerous: half of the mutations hit the first bytes of a page, and many write extreme numbers. */
function mutate(bytes: Uint8Array, random: RandomNumbers): void {
  for (let count = random.integer(1, 4); count > 0; count--) {
    const page = random.integer(0, Math.floor(bytes.length / 1024) - 1) * 1024;
    const place = random.chance(0.5) ? page + random.integer(0, 63) : random.integer(0, bytes.length - 8);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const kind = random.integer(0, 4);
    if (kind === 0) bytes[place] = random.integer(0, 255);
    else if (kind === 1) view.setUint32(place, random.pick([0, 1, 2, 0xffff, 0xffff_ffff, 0x7fff_ffff]), true);
    else if (kind === 2) view.setBigUint64(place, random.pick([0n, 2n, 3n, 1n << 40n, (1n << 64n) - 1n, BigInt(random.integer(0, 200))]), true);
    else if (kind === 3) bytes.copyWithin(place, random.integer(0, bytes.length - 1024), random.integer(0, bytes.length));
    else bytes.fill(0, place, Math.min(bytes.length, place + random.integer(1, 5000)));
  }
}

test.each(images)("mutations of %s: no crash, no endless walk, no large allocation", (_, image) => {
  const pristine = image();
  const random = randomNumbers(SEED);
  const found = { errors: 0, none: 0 };
  for (let run = 0; run < runs(250, 20_000); run++) {
    const bytes = pristine.slice();
    mutate(bytes, random);
    let readBytes = 0;
    const source: PageSource = {
      sizeBytes: bytes.length,
      read(offset, sizeBytes) {
        expect(offset + sizeBytes).toBeLessThanOrEqual(Math.max(bytes.length, 2 ** 24 + 4096));
        readBytes += sizeBytes;
        // Each page is read a bounded number of times: for its kind, as a branch or leaf, in a window, and again for hashes.
        expect(readBytes).toBeLessThan(100 * bytes.length + 2 ** 20);
        return bytes.subarray(offset, offset + sizeBytes);
      },
    };
    const { findings, facts } = checkSnapshot(source, { hashes: [{ revision: 0n }, { revision: 0n, compactRevision: 20n }] });
    expect(findings.length).toBeLessThanOrEqual(FINDINGS_MAX + 1);
    for (const { offset } of findings) expect(Number.isSafeInteger(offset)).toBe(true);
    if (findings.some(({ severity }) => severity === "error")) found.errors += 1;
    else found.none += 1;
    expect(facts === undefined).toBe(findings.some(({ severity }) => severity === "error"));
  }
  // Both happen: what hits free space or a value's bytes is for the SHA-256 to find.
  expect(found.errors).toBeGreaterThan(0);
});
