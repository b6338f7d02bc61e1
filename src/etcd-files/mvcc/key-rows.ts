// The rows of `key`, leaf by leaf: whether each is a row, what it counts, and the checksums of those that matter to each hash.
// Nothing is allocated per row.
import { ELEMENTS_MAX } from "../bbolt/constants.ts";
import type { Findings } from "../bbolt/finding.ts";
import type { Page } from "../bbolt/page.ts";
import type { LeafVisitor } from "../bbolt/scan.ts";
import type { HashPlan, HashTask } from "./hash-kv.ts";
import { KeyPrefixes } from "./key-prefixes.ts";
import { KeyRowCursor } from "./key-row.ts";
import { KubernetesValues } from "./kubernetes-values.ts";
import { hashLeaf, hashRuns, LeafHashes } from "./leaf-hashes.ts";
import { LineageSampler } from "./lineage-sample.ts";
import { LiveKeys } from "./live-keys.ts";
import { RowBits } from "./row-bits.ts";
import { SupersededKeys } from "./superseded-keys.ts";

/**
 * What a scan is for. `record`: the leaves that may hold rows after the last finished compaction; notes which keys they supersede.
 * `hash`: the others, leaving out what is superseded. `mark`: only notes which rows the part of the keys that is recorded now supersedes.
 * `record` and `hash` count and hash the leaves that they see first.
 */
export type KeyScanMode = "record" | "hash" | "mark";

/** The checksum for one task; while every row so far counts for it, it is that of all rows. */
interface TaskHash {
  readonly task: HashTask;
  hashes: LeafHashes | undefined;
}

export class KeyRows implements LeafVisitor {
  readonly plan: HashPlan;
  readonly superseded: SupersededKeys;
  readonly prefixes: KeyPrefixes = new KeyPrefixes();
  readonly lineage: LineageSampler;
  readonly kubernetes: KubernetesValues = new KubernetesValues();
  readonly live: LiveKeys;
  rows = 0;
  tombstones = 0;
  /** Of each task, how many rows are left out because of its compaction. */
  readonly leftOut: number[];
  readonly #findings: Findings;
  #mode: KeyScanMode = "hash";
  #all = new LeafHashes();
  #tasks: TaskHash[] = [];
  readonly #row = new KeyRowCursor();
  readonly #marks: RowBits;
  /** Number of the next row that `mark` or `hash` looks up. */
  #lookedUp = 0;
  // Of each row of the leaf at hand:
  readonly #mains = new Float64Array(ELEMENTS_MAX);
  readonly #tombstones = new Uint8Array(ELEMENTS_MAX);
  readonly #bits = new Uint32Array(ELEMENTS_MAX);
  readonly #masks = new Uint32Array(ELEMENTS_MAX);

  constructor(plan: HashPlan, findings: Findings, superseded: SupersededKeys = new SupersededKeys(plan.revisions)) {
    this.plan = plan;
    this.superseded = superseded;
    this.lineage = new LineageSampler(plan.fileRevision);
    this.live = new LiveKeys(plan);
    this.leftOut = plan.tasks.map(() => 0);
    this.#findings = findings;
    this.#marks = new RowBits(plan.revisions.length);
  }

  /** Begins a scan, with checksums of its own. */
  start(mode: KeyScanMode): void {
    this.#mode = mode;
    this.#lookedUp = 0;
    this.#all = new LeafHashes();
    this.#tasks = this.plan.tasks.map((task) => ({ task, hashes: undefined }));
  }

  leaf(page: Page, slot: number, packed: boolean, first: boolean): void {
    if (this.#mode === "mark") this.#markLeaf(page);
    else if (first) this.#countLeaf(page, slot, packed);
    else if (this.#mode === "record") this.#recordLeaf(page);
  }

  batchEnd(slots: number): void {
    this.#all.fold(slots);
    for (const { hashes } of this.#tasks) hashes?.fold(slots);
  }

  /** Checksums of the leaves that this scan saw first: of all rows, and of each task's. */
  hashes(): { readonly all: LeafHashes; readonly tasks: readonly LeafHashes[] } {
    return { all: this.#all, tasks: this.#tasks.map(({ hashes }) => hashes ?? this.#all) };
  }

  #countLeaf(page: Page, slot: number, packed: boolean): void {
    let lowest = Number.POSITIVE_INFINITY;
    let highest = 0;
    for (let index = 0; index < page.count; index++) {
      this.#countRow(page, index);
      const main = this.#mains[index] as number;
      if (main < lowest) lowest = main;
      if (main > highest) highest = main;
    }
    this.rows += page.count;
    this.#hashLeaf(page, slot, packed, lowest, highest);
  }

  /** `lowest` and `highest` are the least and greatest main revision of the leaf. */
  #hashLeaf(page: Page, slot: number, packed: boolean, lowest: number, highest: number): void {
    const tasks = this.#tasks;
    let whole = true;
    for (const { task } of tasks) if (lowest <= task.compactRevision || highest > task.revision) whole = false;
    if (!whole) whole = this.#choose(page.count);
    if (whole) {
      hashLeaf(this.#all, page, slot, packed);
      for (const { hashes } of tasks) hashes?.set(slot, this.#all.crc(slot), this.#all.lengthBytes(slot));
      return;
    }
    hashRuns([this.#all, ...tasks.map((each) => (each.hashes ??= this.#all.copy()))], page, slot, this.#masks);
  }

  #countRow(page: Page, index: number): void {
    const row = this.#row;
    const fault = row.read(page, index);
    if (fault !== undefined) {
      this.#findings.error(page.offsetOf(row.start), fault);
      this.#mains[index] = 0;
      this.#tombstones[index] = 0;
      this.#bits[index] = 0;
      return;
    }
    const { bytes, view } = page;
    const { main, tombstone, keyValue } = row;
    if (tombstone) this.tombstones += 1;
    this.lineage.offer(bytes, row.start, row.end, main, row.sub, tombstone);
    this.kubernetes.add(bytes, keyValue);
    let bits = 0;
    if (this.#mode === "record") {
      this.#recordRow(page);
    } else if (main <= this.plan.filtered) {
      bits = this.superseded.supersededBits(view, bytes, keyValue.keyStart, keyValue.keyEnd, main);
      if (this.superseded.parts > 1) bits |= this.#marks.get(this.#lookedUp);
      this.#lookedUp += 1;
    }
    this.#mains[index] = main;
    this.#tombstones[index] = tombstone ? 1 : 0;
    this.#bits[index] = bits;
    const change = this.live.add(row, bits);
    if (change !== 0) this.prefixes.add(bytes, keyValue.keyStart, keyValue.keyEnd, change);
  }

  /** Sets `#masks`: bit 0 for all rows, bit i + 1 for those that count for task i. True when all rows count for all tasks. */
  #choose(count: number): boolean {
    const all = 2 ** (this.#tasks.length + 1) - 1;
    let whole = true;
    for (let row = 0; row < count; row++) {
      const main = this.#mains[row] as number;
      let mask = all;
      for (let index = 0; index < this.#tasks.length; index++) {
        const { revision, compactRevision, bit } = (this.#tasks[index] as TaskHash).task;
        const leftOut = main <= compactRevision && (this.#tombstones[row] === 1 || ((this.#bits[row] as number) & (1 << bit)) !== 0);
        if (leftOut) this.leftOut[index] = (this.leftOut[index] as number) + 1;
        if (leftOut || main > revision) mask &= ~(2 << index);
      }
      this.#masks[row] = mask;
      if (mask !== all) whole = false;
    }
    return whole;
  }

  /** A leaf that another scan counts. Its damaged rows are that one's findings. */
  #recordLeaf(page: Page): void {
    for (let index = 0; index < page.count; index++) if (this.#row.read(page, index) === undefined) this.#recordRow(page);
  }

  /** See hash-kv.ts: the row before such a one, of the same key, is superseded by it. */
  #recordRow(page: Page): void {
    const { main, tombstone, keyValue } = this.#row;
    if (main <= this.plan.unique || !(tombstone || keyValue.version !== 1)) return;
    this.superseded.record(page.view, page.bytes, keyValue.keyStart, keyValue.keyEnd, main);
  }

  #markLeaf(page: Page): void {
    const { keyValue } = this.#row;
    for (let index = 0; index < page.count; index++) {
      if (this.#row.read(page, index) !== undefined || this.#row.main > this.plan.filtered) continue;
      this.#marks.set(this.#lookedUp, this.superseded.supersededBits(page.view, page.bytes, keyValue.keyStart, keyValue.keyEnd, this.#row.main));
      this.#lookedUp += 1;
    }
  }
}
