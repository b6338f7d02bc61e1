import { expect, test } from "vitest";
import { EtcdsafeError } from "../../src/errors.ts";
import { fileError } from "../../src/restore/file-error.ts";

test.each([
  ["ENOSPC", "TARGET_NO_SPACE", "the target's file system filled up: ENOSPC: x"],
  ["EDQUOT", "TARGET_NO_SPACE", "the target's file system filled up: EDQUOT: x"],
  ["EEXIST", "TARGET_NOT_EMPTY", "something has appeared meanwhile where the restore writes: EEXIST: x"],
  ["ENOTEMPTY", "TARGET_NOT_EMPTY", "something has appeared meanwhile where the restore writes: ENOTEMPTY: x"],
  ["EIO", "FILE_FAILED", "the restore cannot read or write its files: EIO: x"],
])("restore: %s of the file system is %s", (code, expected, message) => {
  expect(fileError(Object.assign(new Error(`${code}: x`), { code }))).toMatchObject({ code: expected, message });
});

test("restore: a file that may not become that large is no matter of permissions", () => {
  expect(fileError(Object.assign(new Error("EFBIG: x"), { code: "EFBIG" }))).toMatchObject({ code: "FILE_FAILED", hint: expect.stringContaining("ulimit -f") });
});

test("restore: what is no error of the file system stays as it is", () => {
  for (const error of [new EtcdsafeError("SNAPSHOT_DAMAGED", "x"), new RangeError("x")]) expect(fileError(error)).toBe(error);
});
