import { expect, test } from "vitest";
import { annotations } from "../../src/cli/annotations.ts";
import type { Verified } from "../../src/cli/verified-text.ts";

const failure = { code: "OBJECT_CORRUPT", message: "100% of it,\nor more", hint: "Use another." };
const unread: Verified = { repository: "/b", cluster: "prod", backup: "id", level: "structure", outcome: "not-verified", failure };
const file: Verified = {
  ...{ file: "a:b,c.db", level: "hash", outcome: "passed", startedAt: "", finishedAt: "", readSizeBytes: 1, hashKv: null, failure: null },
  ...{ findings: [{ severity: "warning", object: "a:b,c.db", offset: null, text: "no\u001b[31m SHA-256" }], findingsTotal: 1 },
};

test("annotations: one error for each backup that is not known to be good, escaped as the runner reads it", () => {
  expect(annotations([unread], [])).toBe("::error title=OBJECT_CORRUPT%3A prod/id in /b::100%25 of it,%0Aor more%0AUse another.\n");
});

test("annotations: of what passed the warnings, and what was passed over; nothing of the rest", () => {
  const passedOver = [{ repository: "/b", cluster: "prod", message: "latest is X" }];
  expect(annotations([file], passedOver)).toBe("::warning title=a%3Ab%2Cc.db::a:b,c.db: no\\x1b[31m SHA-256\n::warning title=passed over::latest is X\n");
  expect(annotations([{ ...file, findings: [] }], [])).toBe("");
});

test("annotations: no text of a backup's can begin a command of its own", () => {
  const text = annotations([{ ...unread, failure: { ...failure, message: "a\r\n::set-env name=X::y", hint: "\n::stop-commands::z" } }], []);
  expect(text.split("\n").filter((line) => line.startsWith("::"))).toHaveLength(1);
  expect(text).not.toContain("\r");
});

test("annotations: no more than GitHub shows, and the last one says how many there are", () => {
  const lines = annotations(
    Array.from({ length: 25 }, () => unread),
    [],
  ).split("\n");
  expect(lines).toHaveLength(11);
  expect(lines[9]).toMatch(/^::error title=16 more::/);
});
