import { expect, test } from "vitest";
import { readOperand } from "../../src/cli/operand.ts";

test.each([
  ["latest", { kind: "backup", reference: "latest" }],
  ["oldest", { kind: "backup", reference: "oldest" }],
  ["20261121T093000Z-0000000000000012345-k3jv2a", { kind: "backup", reference: "20261121T093000Z-0000000000000012345-k3jv2a" }],
  ["2026", { kind: "backup", reference: "2026" }],
  ["-", { kind: "stdin" }],
  ["snapshot.db", { kind: "file", path: "snapshot.db" }],
  ["2026.db", { kind: "file", path: "2026.db" }],
  ["./latest", { kind: "file", path: "./latest" }],
  ["/backup/20261121", { kind: "file", path: "/backup/20261121" }],
  ["db", { kind: "file", path: "db" }],
  ["20261121T093000Z-0000000000000012345-K3JV2A", { kind: "backup", reference: "20261121T093000Z-0000000000000012345-K3JV2A" }],
])("operand: %s", (text, expected) => {
  expect(readOperand(text)).toEqual(expected);
});

test("operand: an empty one names nothing", () => {
  expect(() => readOperand("")).toThrow(expect.objectContaining({ code: "USAGE", message: "the argument is empty" }));
});
