// One bucket's tree, written bottom-up from rows in order: leaves as they fill, each branch level as its page fills (etcd-formats §2.10).
// Only one page per level is in memory, whatever the number of rows. A tree can also continue the right edge of one that exists (§2.11).
import { ELEMENT_SIZE_BYTES, ELEMENTS_MAX, PAGE_BRANCH, PAGE_LEAF } from "./constants.ts";
import { type Child, PageBuilder, type Row } from "./page-builder.ts";
import type { PageOutput } from "./page-output.ts";

/** The right edge of an existing tree, as far as appending needs it. */
export interface RightEdge {
  /** The elements that stay, per branch level from the lowest up: all children of the lowest branch, all but the last one above it. */
  readonly levels: readonly (readonly Child[])[];
  readonly lastKey: Uint8Array;
}

export class TreeWriter {
  readonly #output: PageOutput;
  readonly #leaf: PageBuilder;
  /** From the parents of leaves up. */
  readonly #levels: BranchLevel[] = [];

  /** `elementFlags` as in PageBuilder. */
  constructor(output: PageOutput, elementFlags = 0) {
    this.#output = output;
    this.#leaf = new PageBuilder(PAGE_LEAF, elementFlags);
  }

  /** Continues `edge` instead of starting an empty tree. To be called before the first row. */
  continueFrom(edge: RightEdge): void {
    for (const _ of edge.levels) this.#levels.push(new BranchLevel(this.#output));
    // From the top down, because a level that is over-full passes a page up behind the elements that are there already.
    for (let level = edge.levels.length - 1; level >= 0; level--) for (const child of edge.levels[level] ?? []) this.#addChild(child, level);
    this.#leaf.startAfter(edge.lastKey);
  }

  /** Adds the next row. Throws BBOLT_ROW_INVALID when its key is not greater than the one before, or a size is impossible. */
  add(row: Row): void {
    const leaf = this.#leaf;
    // Pages are filled completely: etcd leaves a tenth of `key`'s free, but between two revisions nothing is ever inserted.
    const sizeBytes = leaf.sizeBytes + ELEMENT_SIZE_BYTES + row.key.length + row.value.length;
    if (leaf.count > 0 && (sizeBytes > this.#output.pageSizeBytes || leaf.count === ELEMENTS_MAX - 1)) this.#writeLeaf();
    leaf.addRow(row);
  }

  /** The image of the whole tree as an inline bucket's page, if it is small enough for one; the tree is then done. */
  finishInline(sizeBytesMax: number): Uint8Array | undefined {
    if (this.#levels.length > 0 || this.#leaf.sizeBytes > sizeBytesMax) return undefined;
    const page = new Uint8Array(this.#leaf.sizeBytes);
    this.#leaf.writeTo(page, 0, 0);
    return page;
  }

  /** Writes what is pending, and gives the root's page id. A tree without rows is one empty leaf. */
  finish(): number {
    if (this.#levels.length === 0) return this.#layOutLeaf();
    if (this.#leaf.count > 0) this.#writeLeaf();
    for (let index = 0; ; index++) {
      const level = this.#levels[index] as BranchLevel;
      const only = index === this.#levels.length - 1 ? level.onlyChild() : undefined;
      if (only !== undefined) return only.pageId;
      for (const page of level.finish()) this.#addChild(page, index + 1);
    }
  }

  #writeLeaf(): void {
    const child = { key: this.#leaf.firstKey(), pageId: this.#layOutLeaf() };
    this.#leaf.clear();
    this.#addChild(child, 0);
  }

  #layOutLeaf(): number {
    return this.#output.add(this.#leaf.sizeBytes, (target, id, overflow) => this.#leaf.writeTo(target, id, overflow));
  }

  #addChild(child: Child, index: number): void {
    const level = this.#levels[index] ?? new BranchLevel(this.#output);
    this.#levels[index] = level;
    const full = level.add(child);
    if (full !== undefined) this.#addChild(full, index + 1);
  }
}

/** The branch page under construction at one height. No page it writes has a single child, unless the level has no more. */
class BranchLevel {
  readonly #output: PageOutput;
  readonly #page = new PageBuilder(PAGE_BRANCH);
  /** The child that did not fit: the page is kept back until a second one shows that the next page will not stay alone with it. */
  #next: Child | undefined;

  constructor(output: PageOutput) {
    this.#output = output;
  }

  /** Gives the page it had to write, if any. */
  add(child: Child): Child | undefined {
    const page = this.#page;
    if (this.#next === undefined) {
      const sizeBytes = page.sizeBytes + ELEMENT_SIZE_BYTES + child.key.length;
      // Two children at least, or levels would never get fewer.
      if (page.count >= 2 && (sizeBytes > this.#output.pageSizeBytes || page.count === ELEMENTS_MAX - 1)) this.#next = child;
      else page.addChild(child);
      return undefined;
    }
    const full = this.#write();
    page.addChild(this.#next);
    page.addChild(child);
    this.#next = undefined;
    return full;
  }

  /** The child, when there is just this one on the whole level: then the level is not needed. */
  onlyChild(): Child | undefined {
    // After the first page a level never holds less than two.
    return this.#page.count === 1 ? this.#page.removeLastChild() : undefined;
  }

  /** Writes what is pending. */
  finish(): Child[] {
    const page = this.#page;
    const last = this.#next;
    if (last === undefined) return [this.#write()];
    if (page.count < 3) {
      page.addChild(last);
      return [this.#write()];
    }
    const secondLast = page.removeLastChild();
    const full = this.#write();
    page.addChild(secondLast);
    page.addChild(last);
    return [full, this.#write()];
  }

  #write(): Child {
    const page = this.#page;
    const pageId = this.#output.add(page.sizeBytes, (target, id, overflow) => page.writeTo(target, id, overflow));
    const key = page.firstKey();
    page.clear();
    return { key, pageId };
  }
}
