// What only a tree that somebody else began can look like; whole trees are tested with the writer and with edits.
import { expect, test } from "vitest";
import { checkPage, compareKeys, pageOf } from "../../../src/etcd-files/bbolt/page.ts";
import type { Child } from "../../../src/etcd-files/bbolt/page-builder.ts";
import { PageOutput } from "../../../src/etcd-files/bbolt/page-output.ts";
import { TreeWriter } from "../../../src/etcd-files/bbolt/tree-writer.ts";
import { memoryPageFile } from "../../support/memory-page-file.ts";
import { revisionKey, text } from "../../support/rows.ts";

const FIRST_NEW_PAGE_ID = 2_000_000;

/** Children of an old tree: pages 1000 + number, each with a key of `keySizeBytes` that begins with its number. */
function oldChildren(numbers: readonly number[], keySizeBytes: number): Child[] {
  return numbers.map((number) => ({ key: Buffer.concat([revisionKey(number), new Uint8Array(keySizeBytes - 17)]), pageId: 1000 + number }));
}

/** Appends rows to the tree with this right edge. Gives the branches' children that are not branches themselves, in order, and the widest branch. */
function append(levels: readonly (readonly Child[])[], revisions: readonly number[], pageSizeBytes: number): { below: number[]; widest: number } {
  const file = memoryPageFile();
  // Written as if page FIRST_NEW_PAGE_ID were the file's first.
  const sink = { write: (offset: number, bytes: Uint8Array) => file.write(offset - FIRST_NEW_PAGE_ID * pageSizeBytes, bytes) };
  const output = new PageOutput(sink, pageSizeBytes, FIRST_NEW_PAGE_ID);
  const tree = new TreeWriter(output);
  tree.continueFrom({ levels, lastKey: revisionKey((revisions[0] as number) - 1) });
  for (const revision of revisions) tree.add({ key: revisionKey(revision), value: text("value") });
  const root = tree.finish();
  output.flush();
  const below: number[] = [];
  const keys: Uint8Array[] = [];
  let widest = 0;
  const visit = (pageId: number): void => {
    const start = (pageId - FIRST_NEW_PAGE_ID) * pageSizeBytes;
    if (start < 0) return void below.push(pageId);
    const page = pageOf(file.bytes().subarray(start), 0);
    checkPage(page, pageId);
    if (page.isLeaf) return void below.push(pageId);
    widest = Math.max(widest, page.count);
    for (let index = 0; index < page.count; index++) {
      if (page.childId(index) < FIRST_NEW_PAGE_ID) keys.push(page.key(index));
      visit(page.childId(index));
    }
  };
  visit(root);
  expect(keys.every((key, index) => index === 0 || compareKeys(keys[index - 1] as Uint8Array, key) < 0)).toBe(true);
  return { below, widest };
}

test("tree writer: a lowest branch that is over-full, as bbolt leaves those with few long keys, splits behind its old neighbours", () => {
  const levels = [oldChildren([20, 21, 22, 23, 24, 25], 900), oldChildren([10, 11, 12], 30), oldChildren([1, 2], 30)];
  const { below } = append(levels, [50], 1024);
  expect(below.slice(0, -1)).toEqual([1001, 1002, 1010, 1011, 1012, 1020, 1021, 1022, 1023, 1024, 1025]);
  expect(below.at(-1)).toBeGreaterThanOrEqual(FIRST_NEW_PAGE_ID);
});

test("tree writer: a level that was only there for its last child goes away with it", () => {
  expect(append([oldChildren([20, 21], 17), [], []], [50], 1024)).toEqual({ below: [1020, 1021, FIRST_NEW_PAGE_ID], widest: 3 });
});

test("tree writer: no branch has 65535 children, which would mean something else", () => {
  const children = oldChildren(
    Array.from({ length: 65534 }, (_, number) => number),
    17,
  );
  expect(append([children.slice(1)], [70_000], 2 ** 22).widest).toBe(65534);
  const { below, widest } = append([children], [70_000], 2 ** 22);
  expect([below.length, widest]).toEqual([65535, 65533]);
});
