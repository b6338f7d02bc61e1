import { sep } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { nameOfPart, partOfName, pathOfKey } from "../../src/storage/file-paths.ts";
import { runs, SEED } from "../support/counts.ts";

const parameters = { seed: SEED, numRuns: runs(500, 20_000) };
const keyPart = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.constantFrom("", ".", "..", "%", "%2E", "a%2fb", ".etcdsafe", "~", "C:", "con", "\0", "\\"),
);

test("paths: keep what reads well as it is", () => {
  expect(pathOfKey("/r", "default/backups/20261121T093000Z-0000000000000012345-k3jv2a/manifest.json.sig")).toBe(
    "/r/default/backups/20261121T093000Z-0000000000000012345-k3jv2a/manifest.json.sig",
  );
});

test.each([
  ["", "%"],
  [".", "%2E"],
  ["..", "%2E."],
  [".hidden", "%2Ehidden"],
  ["a/b", "a%2Fb"],
  ["100%", "100%25"],
  ["lost+found", "lost%2Bfound"],
  ["ä", "%C3%A4"],
  ["𐀀", "%F0%90%80%80"],
])("paths: the part %j is stored as %s", (part, name) => {
  expect(nameOfPart(part)).toBe(name);
  expect(partOfName(name)).toBe(part);
});

test("paths: never leave the root, and two keys never share one", () => {
  fc.assert(
    fc.property(fc.array(keyPart, { minLength: 1, maxLength: 5 }), (parts) => {
      const path = pathOfKey("/root/repository", parts.join("/"));
      expect(path.startsWith("/root/repository/")).toBe(true);
      const names = path.slice("/root/repository/".length).split(sep);
      expect(names.map(partOfName).join("/")).toBe(parts.join("/"));
      for (const name of names) expect(name).toMatch(/^(%|[A-Za-z0-9_=@,%-][A-Za-z0-9._=@,%-]*)$/);
    }),
    parameters,
  );
});

test("paths: a name stands for a part only if that part gives the name", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary-ascii", maxLength: 12 }), (name) => {
      const part = partOfName(name);
      if (part !== undefined) expect(nameOfPart(part)).toBe(name);
    }),
    parameters,
  );
});
