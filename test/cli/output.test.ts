import { expect, test } from "vitest";
import { facts, jsonDocument, makeOutput, table } from "../../src/cli/output.ts";
import { printable, printableLine } from "../../src/cli/printable.ts";

test("output: one JSON document, 64-bit numbers as decimal strings", () => {
  expect(jsonDocument({ revision: 9007199254740993n, none: undefined })).toBe('{\n  "revision": "9007199254740993"\n}\n');
});

test("output: text is only made where it is wanted", () => {
  let written = "";
  const stream = { write: (text: string) => (written += text) };
  makeOutput("json", stream).print({ a: 1 }, () => {
    throw new Error("asked for text");
  });
  makeOutput("text", stream).print({ a: 1 }, () => "a is 1");
  expect(written).toBe('{\n  "a": 1\n}\na is 1\n');
});

test("output: a table lines its columns up and leaves no blanks at the end of lines", () => {
  const columns = [
    { title: "id", of: (row: { id: string; size: number }) => row.id },
    { title: "size", align: "right" as const, of: (row: { id: string; size: number }) => String(row.size) },
    { title: "note", of: () => "" },
  ];
  expect(
    table(
      [
        { id: "a", size: 5 },
        { id: "long", size: 12345 },
      ],
      columns,
    ),
  ).toBe("ID     SIZE  NOTE\na         5\nlong  12345\n");
  expect(table([], columns)).toBe("ID  SIZE  NOTE\n");
});

test("output: facts without a value are left out", () => {
  expect(
    facts([
      ["revision", 7n],
      ["hash", null],
      ["etcd", "3.7.3"],
      ["name", ""],
    ]),
  ).toBe("revision  7\netcd      3.7.3\n");
});

test("output: text from elsewhere cannot move a terminal's cursor", () => {
  expect(printable("a\x1b[2Jb\u009bc\rd\ne")).toBe("a\\x1b[2Jb\\x9bc\\x0dd\ne");
  expect(printableLine("a\nb")).toBe("a\\nb");
  expect(table([{ key: "\x1b]0;x\x07" }], [{ title: "key", of: ({ key }) => key }])).toBe("KEY\n\\x1b]0;x\\x07\n");
});
