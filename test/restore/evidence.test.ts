import { expect, test } from "vitest";
import { type Evidence, highest } from "../../src/restore/evidence.ts";

const shown = (where: string, revision: string, isUpperBound = false): Evidence => ({ kind: "given", where, revision, isUpperBound, at: null });

test("evidence: the highest is that of the highest revision, as a number", () => {
  expect(highest([shown("a", "9"), shown("b", "10"), shown("c", "8")])?.where).toBe("b");
  expect(highest([shown("certain", "9"), shown("bound", "10", true)])?.where).toBe("bound");
  expect(highest([])).toBeUndefined();
});

test("evidence: of equal ones the first, and one that is certain before an upper bound, wherever it stands", () => {
  expect(highest([shown("a", "9"), shown("b", "9")])?.where).toBe("a");
  expect(highest([shown("a", "9", true), shown("b", "9", true)])?.where).toBe("a");
  expect(highest([shown("bound", "9", true), shown("certain", "9"), shown("another", "9")])?.where).toBe("certain");
  expect(highest([shown("certain", "9"), shown("bound", "9", true)])?.where).toBe("certain");
});
