// What a page must satisfy as part of a tree: its keys in order and within the bounds its parent gives it (bbolt `tx_check.go` verifyKeyOrder).
import { LEAF_ELEMENT_BUCKET } from "./constants.ts";
import type { Findings } from "./finding.ts";
import { compareRanges, type Page } from "./page.ts";
import type { PageList } from "./page-list.ts";

/** Keys grow within the page, and stay within the bounds the level above gives it. */
export function checkKeyOrder(page: Page, list: PageList, slot: number, findings: Findings): void {
  const { bytes, count } = page;
  if (count === 0) return;
  let previousStart = page.keyStart(0);
  let previousEnd = previousStart + page.keySize(0);
  if (list.compareKey(slot, bytes, previousStart, previousEnd) > 0) {
    findings.error(page.offsetOf(previousStart), `the first key of page ${page.id} is below the one its parent has for it`);
  }
  for (let index = 1; index < count; index++) {
    const start = page.keyStart(index);
    const end = start + page.keySize(index);
    if (compareRanges(bytes, previousStart, previousEnd, bytes, start, end) >= 0) {
      findings.error(page.offsetOf(start), `key ${index} of page ${page.id} is not above the key before it`);
    }
    previousStart = start;
    previousEnd = end;
  }
  if (list.hasKey(slot + 1) && list.compareKey(slot + 1, bytes, previousStart, previousEnd) <= 0) {
    findings.error(page.offsetOf(previousStart), `the last key of page ${page.id} is not below the next key of its parent`);
  }
}

/** etcd never nests buckets. */
export function checkNoBuckets(page: Page, findings: Findings): void {
  for (let index = 0; index < page.count; index++) {
    if ((page.elementFlags(index) & LEAF_ELEMENT_BUCKET) !== 0) {
      findings.error(page.offsetOf(page.elementStart(index)), `a bucket inside a bucket, in page ${page.id}, which etcd never writes`);
    }
  }
}
