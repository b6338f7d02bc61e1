import { expect, test } from "vitest";
import { asEtcdsafeError, errorJson, errorText } from "../../src/cli/report-error.ts";
import { EtcdsafeError, FormatError } from "../../src/errors.ts";

test("errors: message, hint, code and exit code, and no stack", () => {
  const error = new EtcdsafeError("ETCD_UNREACHABLE", "no answer from\x1b[2J h:1", { hint: "Look\nagain." });
  expect(errorText(error, 4)).toBe("error: no answer from\\x1b[2J h:1\nhint: Look\nagain.\ncode: ETCD_UNREACHABLE (exit code 4, trying again may help)\n");
});

test("errors: the same as one line of JSON", () => {
  const error = new FormatError("BBOLT_PAGE_INVALID", "page 3 is no leaf", 4096);
  expect(errorJson(error, 6, new Date(0)).trimEnd().split("\n")).toHaveLength(1);
  expect(JSON.parse(errorJson(error, 6, new Date(0)))).toEqual({
    time: "1970-01-01T00:00:00.000Z",
    level: "error",
    message: "page 3 is no leaf at byte 4096",
    hint: error.hint,
    code: "BBOLT_PAGE_INVALID",
    exitCode: 6,
    retryable: false,
    offset: 4096,
  });
});

test("errors: what the operating system refused is about a file, anything else is a fault of ours and says where", () => {
  const system = Object.assign(new Error("EACCES: permission denied, open '/x'"), { syscall: "open", code: "EACCES" });
  expect(asEtcdsafeError(system)).toMatchObject({ code: "FILE_FAILED", message: system.message });
  const bug = asEtcdsafeError(new TypeError("x is undefined"));
  expect(bug.code).toBe("INTERNAL");
  expect(errorText(bug, 1)).toContain("report-error.test.ts");
  expect(JSON.parse(errorJson(bug, 1, new Date(0))).stack).toContain("report-error.test.ts");
  expect(asEtcdsafeError("text").message).toBe("text");
});
