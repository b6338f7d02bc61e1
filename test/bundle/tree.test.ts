import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { followLink, linksOf, type TreeEntry, treeFault } from "../../src/bundle/tree.ts";
import { runs, SEED } from "../support/counts.ts";

const file = (name: string): TreeEntry => ({ name, type: "file", linkTarget: null });
const directory = (name: string): TreeEntry => ({ name, type: "directory", linkTarget: null });
const link = (name: string, linkTarget: string): TreeEntry => ({ name, type: "symlink", linkTarget });

test.each([
  "files",
  "files/",
  "/files/a",
  "file/a",
  "a",
  "",
  "../files/a",
  "files/../a",
  "files/a/..",
  "files/./a",
  "files//a",
  "files/a/",
  "files/a\0b",
  "files/\ud800",
  `files/${"a".repeat(256)}`,
  `files/${"a/".repeat(600)}a`,
  "etcdsafe-bundle.json",
])("bundle tree: %j is no name in it", (name) => {
  expect(treeFault([file(name)])).toBeDefined();
});

test.each(["files/a", "files/..a", "files/a..", "files/...", "files/a b\n", "files/ä/é", `files/${"a".repeat(255)}`, "files/\\..\\a"])(
  "bundle tree: %j is a name in it",
  (name) => expect(treeFault([file(name)])).toBeUndefined(),
);

test("bundle tree: nothing is in it twice, or below what is no directory, whatever the order", () => {
  expect(treeFault([file("files/a"), directory("files/a")])).toMatch(/"files\/a" is in it twice/);
  expect(treeFault([link("files/a", "b"), file("files/a/c")])).toMatch(/"files\/a\/c" lies below a symlink/);
  expect(treeFault([file("files/a/c/d"), file("files/a")])).toMatch(/lies below a file/);
  expect(treeFault([directory("files/a"), file("files/a/c")])).toBeUndefined();
  expect(treeFault(Array.from({ length: 4001 }, (_, index) => file(`files/${index}`)))).toMatch(/4001 entries/);
});

test.each([
  [[link("files/a", "/etc/passwd")], /absolute path/],
  [[link("files/a", "../a")], /out of files/],
  [[link("files/a/b", "../../b")], /out of files/],
  [[link("files/a", "")], /no path/],
  [[link("files/a", "b\0c")], /no path/],
  [[link("files/a", "a")], /circles/],
  [[link("files/a", "b"), link("files/b", "a")], /circles/],
  [[link("files/a", `${"b/".repeat(600)}b`)], /longer than/],
  // By its letters alone it would stay inside: files/a/b/c/up/../.. is files/a/b; but `up` leads to files.
  [[link("files/a/b/c/up", "../../.."), link("files/out", "a/b/c/up/../..")], /out of files/],
] as const)("bundle tree: the links %j lead nowhere", (entries, why) => {
  expect(treeFault(entries)).toMatch(why);
});

test("bundle tree: links may lead to each other, to nothing, and to its root", () => {
  expect(treeFault([link("files/a/b", ".."), link("files/c", "a/b/d"), link("files/e", "nothing/./there//")])).toBeUndefined();
  const links = linksOf([link("files/a/b", ".."), link("files/c", "a/b/d")]);
  expect(followLink("files/c", "a/b/d", links)).toEqual({ path: "files/d" });
});

const part = fc.constantFrom("a", "b", "c");
const entryName = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => ["files", ...parts].join("/"));
const target = fc.array(fc.constantFrom("a", "b", "c", "..", ".", "", "/"), { minLength: 1, maxLength: 6 }).map((parts) => parts.join("/"));
const entry = fc.oneof(
  entryName.map(file),
  entryName.map(directory),
  fc.tuple(entryName, target).map(([name, to]) => link(name, to)),
);

test("bundle tree: a kernel that follows the links of a tree that passes never leaves it", () => {
  const root = mkdtempSync(join(tmpdir(), "etcdsafe-tree-"));
  let passed = 0;
  try {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 8 }), (entries) => {
        if (treeFault(entries) !== undefined) return;
        passed++;
        const top = mkdtempSync(join(root, "t-"));
        const files = join(top, "files");
        mkdirSync(files);
        for (const { name, type } of entries) {
          mkdirSync(type === "directory" ? join(top, name) : dirname(join(top, name)), { recursive: true });
        }
        for (const { name, type, linkTarget } of entries) {
          if (type === "file") writeFileSync(join(top, name), "");
          else if (type === "symlink") symlinkSync(linkTarget!, join(top, name));
        }
        for (const { name, type } of entries) {
          if (type !== "symlink") continue;
          let real: string;
          try {
            real = realpathSync(join(top, name));
          } catch {
            continue; // Leads to nothing.
          }
          expect(real === files || real.startsWith(`${files}/`), `${name} leads to ${real}`).toBe(true);
        }
      }),
      { seed: SEED, numRuns: runs(250, 20_000) },
    );
  } finally {
    rmSync(root, { recursive: true });
  }
  expect(passed).toBeGreaterThan(20);
});
