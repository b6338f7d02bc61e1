// The right edge of a bucket's tree: all that appending rows behind its last key has to read (etcd-formats §2.11).
import { FormatError } from "../../errors.ts";
import type { BucketRef } from "./buckets.ts";
import type { Database } from "./database.ts";
import type { Page } from "./page.ts";
import type { Child } from "./page-builder.ts";
import type { RightEdge } from "./tree-writer.ts";
import { DEPTH_MAX, runWalk, walkPage } from "./walk.ts";

/**
 * Reads one page per level: the last of each. Gives undefined for an empty tree. Throws FormatError BBOLT_PAGE_INVALID for a page that
 * cannot be right; what lies left of the edge is not looked at.
 */
export function readRightEdge(database: Database, bucket: Pick<BucketRef, "rootPageId" | "fileOffset">): RightEdge | undefined {
  const branches: Child[][] = [];
  let page = readPage(database, bucket.rootPageId, bucket.fileOffset);
  while (page.isBranch) {
    if (branches.length === DEPTH_MAX) throw new FormatError("BBOLT_PAGE_INVALID", `a tree with more than ${DEPTH_MAX} levels`, page.fileOffset);
    branches.unshift(childrenOf(page));
    page = readPage(database, page.childId(page.count - 1), page.offsetOf(page.elementStart(page.count - 1)));
  }
  if (page.count === 0) {
    if (branches.length === 0) return undefined;
    throw new FormatError("BBOLT_PAGE_INVALID", `leaf page ${page.id} is empty and not a root`, page.fileOffset);
  }
  const lastKey = page.key(page.count - 1).slice();
  const lowest = branches[0] ?? [{ key: page.key(0).slice(), pageId: page.id }];
  // The last leaf stays as it is, so the lowest branch keeps all its children; above it the last child is the page that is written anew.
  return { lastKey, levels: [lowest, ...branches.slice(1).map((children) => children.slice(0, -1))] };
}

function readPage(database: Database, id: number, namedAt: number): Page {
  return runWalk(walkPage({ pageSizeBytes: database.pageSizeBytes, highWaterMark: database.meta.highWaterMark }, id, namedAt), database.source);
}

function childrenOf(page: Page): Child[] {
  return Array.from({ length: page.count }, (_, index) => ({ key: page.key(index).slice(), pageId: page.childId(index) }));
}
