// The same database with its pages in another order, and free pages in between, as it comes to be by years of writes and compactions.
import { LEAF_ELEMENT_BUCKET, PAGE_BRANCH, PAGE_LEAF } from "../../src/etcd-files/bbolt/constants.ts";
import { openDatabase } from "../../src/etcd-files/bbolt/database.ts";
import { encodeMetaPage } from "../../src/etcd-files/bbolt/meta.ts";
import { type Page, pageOf } from "../../src/etcd-files/bbolt/page.ts";
import { bufferPageSource } from "../../src/etcd-files/bbolt/page-source.ts";
import type { RandomNumbers } from "./random-history.ts";

/** `image` has no free pages and no trailer, as buildSnapshot writes it. `gapChance`: how often free pages with rubbish in them follow a page. */
export function shufflePages(image: Uint8Array, random: RandomNumbers, gapChance = 0.2): Uint8Array {
  const { meta, pageSizeBytes } = openDatabase(bufferPageSource(image));
  const runs: { readonly from: number; readonly pages: number }[] = [];
  for (let id = 2; id < meta.highWaterMark; id += runs.at(-1)?.pages ?? 1) {
    runs.push({ from: id, pages: 1 + pageOf(image.subarray(id * pageSizeBytes, (id + 1) * pageSizeBytes), 0).overflow });
  }
  for (let last = runs.length - 1; last > 0; last--) {
    const other = random.integer(0, last);
    [runs[last], runs[other]] = [runs[other] as (typeof runs)[number], runs[last] as (typeof runs)[number]];
  }
  const places = new Map<number, number>();
  let next = 2;
  for (const { from, pages } of runs) {
    places.set(from, next);
    next += pages + (random.chance(gapChance) ? random.integer(1, 12) : 0);
  }
  const shuffled = random.bytes(next * pageSizeBytes);
  for (const { from, pages } of runs) {
    const to = places.get(from) as number;
    shuffled.set(image.subarray(from * pageSizeBytes, (from + pages) * pageSizeBytes), to * pageSizeBytes);
    movePage(pageOf(shuffled.subarray(to * pageSizeBytes, (to + pages) * pageSizeBytes), 0), to, places);
  }
  const moved = { ...meta, rootPageId: places.get(meta.rootPageId) as number, highWaterMark: next };
  shuffled.set(encodeMetaPage(moved, 0));
  shuffled.set(encodeMetaPage({ ...moved, txid: moved.txid - 1n }, 1), pageSizeBytes);
  return shuffled;
}

/** Gives a page its new id, and what it refers to theirs. */
function movePage(page: Page, id: number, places: ReadonlyMap<number, number>): void {
  const { view } = page;
  view.setBigUint64(0, BigInt(id), true);
  for (let index = 0; index < page.count; index++) {
    if (page.flags === PAGE_BRANCH) view.setBigUint64(page.elementStart(index) + 8, BigInt(places.get(page.childId(index)) as number), true);
    if (page.flags !== PAGE_LEAF || (page.elementFlags(index) & LEAF_ELEMENT_BUCKET) === 0) continue;
    const root = Number(view.getBigUint64(page.valueStart(index), true));
    if (root !== 0) view.setBigUint64(page.valueStart(index), BigInt(places.get(root) as number), true);
  }
}
