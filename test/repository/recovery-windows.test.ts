import fc from "fast-check";
import { expect, test } from "vitest";
import { parseGapKey, parseSegmentKey } from "../../src/repository/names.ts";
import { type NamedGap, type NamedSegment, recoveryPoints, recoverySpan } from "../../src/repository/recovery-windows.ts";
import { runs, SEED } from "../support/counts.ts";

const T = "aaaabbbbcccc";
const at = (minute: number) => new Date(Date.UTC(2026, 10, 21, 10, minute)).toISOString();

function backup(revision: number, timeline = T) {
  return { id: `b${revision}`, timeline, revision: BigInt(revision), createdAt: at(revision / 10) };
}

/** `last` of folded ones. */
function segment(first: number, last: number | null = null, timeline = T): NamedSegment {
  return { timeline, firstRevision: BigInt(first), lastRevision: last === null ? null : BigInt(last), modifiedAt: new Date(at((last ?? first) / 10)) };
}

const gap = (first: number): NamedGap => ({ timeline: T, firstRevision: BigInt(first) });
const window = (from: number, to: number, isOpen: boolean, timeline = T) => ({
  ...{ timeline, backup: `b${from}`, firstRevision: String(from), lastRevision: String(to), isOpen },
});

test("recovery points: without segments, backups are points by themselves, from the oldest to the newest", () => {
  expect(recoveryPoints([], [], [])).toEqual({ windows: [], gaps: [], single: null });
  expect(recoveryPoints([backup(300), backup(100), backup(200)], [], [])).toEqual({
    windows: [],
    gaps: [],
    single: { count: 3, from: at(10), to: at(30) },
  });
});

test("recovery points: their span is from the first to the last of all, in windows or not", () => {
  expect(recoverySpan(recoveryPoints([], [], []))).toBeNull();
  expect(recoverySpan(recoveryPoints([backup(300), backup(100)], [], []))).toEqual({ from: at(10), to: at(30) });
  expect(recoverySpan(recoveryPoints([backup(100), backup(400)], [segment(401), segment(450)], []))).toEqual({ from: at(10), to: at(45) });
  expect(recoverySpan(recoveryPoints([backup(100), backup(500)], [segment(101), segment(150)], []))).toEqual({ from: at(10), to: at(50) });
});

test("recovery points: segments that follow a backup reach to the first revision of the last one, and beyond", () => {
  expect(recoveryPoints([backup(100)], [segment(101), segment(150), segment(180)], [])).toEqual({
    windows: [{ ...window(100, 180, true), from: at(10), to: at(18) }],
    gaps: [],
    single: null,
  });
});

test.each([
  ["a gap by its name ends a window; the next begins at a backup", [100, 300], [segment(101), segment(301)], [gap(200)], ["100-199", "300-301+"], ["200-299"]],
  ["a gap that nothing follows ends a window for good", [100], [segment(101)], [gap(200)], ["100-199"], []],
  ["folded segments end where their names say", [100, 210], [segment(101, 200), segment(211)], [], ["100-200", "210-211+"], ["201-209"]],
  ["a folded one and the small ones that it replaces are one", [100], [segment(101), segment(101, 200), segment(150), segment(201)], [], ["100-201+"], []],
  ["a small one inside of a folded one opens nothing beyond", [100], [segment(101, 200), segment(150), segment(201, 300)], [], ["100-300"], []],
  ["a backup in the midst of segments begins a window there", [150], [segment(101), segment(200)], [], ["150-200+"], []],
  ["a backup just before the first is a beginning, an older one is not", [99, 100], [segment(101)], [], ["100-101+"], []],
  ["a backup beyond what is known to be reached is not in the window", [100, 500], [segment(101)], [], ["100-101+"], []],
  ["a backup just behind the last revision is no beginning", [201], [segment(101, 200)], [], [], []],
  ["a small one that a folded one has replaced may go on beyond it", [100], [segment(101, 200), segment(150)], [], ["100-200+"], []],
  ["segments without a backup to begin with are none", [400], [segment(101, 200)], [], [], []],
  ["between two windows that touch there is no gap", [100, 200], [segment(101, 199), segment(201, 300)], [], ["100-199", "200-300"], []],
] as const)("recovery points: %s", (_, revisions, segments, gaps, expected, missing) => {
  const points = recoveryPoints(
    revisions.map((revision) => backup(revision)),
    segments,
    gaps,
  );
  const shown = points.windows.map(({ firstRevision, lastRevision, isOpen }) => `${firstRevision}-${lastRevision}${isOpen ? "+" : ""}`);
  expect(shown.toReversed()).toEqual(expected);
  expect(points.gaps.map(({ firstRevision, lastRevision }) => `${firstRevision}-${lastRevision}`)).toEqual(missing);
  const inside = revisions.filter((each) => points.windows.some(({ firstRevision, lastRevision }) => each >= +firstRevision && each <= +lastRevision));
  expect(points.single?.count ?? 0).toBe(revisions.length - inside.length);
});

test("recovery points: timelines do not mix", () => {
  const other = "ddddeeeeffff";
  const points = recoveryPoints([backup(100), backup(300, other)], [segment(101, 200), segment(201, 300, other)], []);
  expect(points.windows.map(({ timeline, firstRevision }) => `${timeline} ${firstRevision}`)).toEqual([`${other} 300`, `${T} 100`]);
  expect(recoveryPoints([backup(100, other)], [segment(101)], [])).toMatchObject({ windows: [], single: { count: 1 } });
  expect(recoveryPoints([backup(100), backup(150, other)], [segment(101, 200)], [])).toMatchObject({
    windows: [window(100, 200, false)],
    single: { count: 1 },
  });
});

test("recovery points: a window is of exactly the revisions that a backup and all segments after it hold", () => {
  // A history that is recorded with pauses: what is known to be held, revision by revision, is compared with what the names give.
  const pieces = fc.array(fc.record({ length: fc.integer({ min: 1, max: 6 }), pause: fc.integer({ min: 0, max: 3 }), isFolded: fc.boolean() }), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(pieces, fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 5 }), (recorded, revisions) => {
      const segments: NamedSegment[] = [];
      const gaps: NamedGap[] = [];
      const held = new Set<number>();
      let next = 1;
      for (const [index, { length, pause, isFolded }] of recorded.entries()) {
        const isLast = index === recorded.length - 1;
        segments.push(segment(next, isFolded ? next + length - 1 : null));
        // Of the last small one, only its first revision is known.
        for (let each = 0; each < (isLast && !isFolded && pause === 0 ? 1 : length); each++) held.add(next + each);
        next += length;
        if (pause > 0) gaps.push(gap(next));
        next += pause;
      }
      const { windows } = recoveryPoints(
        revisions.map((revision) => backup(revision)),
        segments,
        gaps,
      );
      const isInWindow = (each: number) => windows.some(({ firstRevision, lastRevision }) => each > +firstRevision && each <= +lastRevision);
      for (let each = 1; each < next + 2; each++) {
        let start = each;
        while (held.has(start) && !revisions.some((revision) => revision === start - 1)) start--;
        expect(isInWindow(each), `revision ${each}`).toBe(held.has(start) && held.has(each));
      }
    }),
    { seed: SEED, numRuns: runs(300, 5_000) },
  );
});

test("recovery points: names of segments and gaps are read, and what is none is passed over", () => {
  const first = "0000000000000000101";
  const name = { timeline: T, firstRevision: 101n };
  for (const end of [".seg.zst", ".seg.zst.age"])
    expect(parseSegmentKey("default", `default/segments/${T}/${first}${end}`)).toEqual({ ...name, lastRevision: null });
  expect(parseSegmentKey("default", `default/segments/${T}/${first}-0000000000000000200.seg.zst`)).toEqual({ ...name, lastRevision: 200n });
  expect(parseGapKey("default", `default/gaps/${T}/${first}.json`)).toEqual(name);
  for (const key of [`default/segments/${T}/${first}.seg.zst.sig`, `default/segments/${T}/1.seg.zst`, `other/segments/${T}/${first}.seg.zst`])
    expect(parseSegmentKey("default", key)).toBeUndefined();
  for (const key of [`default/gaps/${T}/${first}.txt`, `defaul/gaps/x/${T}/${first}.json`]) expect(parseGapKey("default", key)).toBeUndefined();
});
