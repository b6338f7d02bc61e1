import { expect, test } from "vitest";
import { type Verified, verifiedText } from "../../src/cli/verified-text.ts";

const times = { startedAt: "2026-11-21T09:30:00.000Z", finishedAt: "2026-11-21T09:30:02.500Z", readSizeBytes: 20_500_000 };
const passed: Verified = {
  ...{ cluster: "prod", backup: "20261121T093000Z-0000000000000000002-aaaaaa", level: "structure", outcome: "passed", ...times },
  ...{
    hashKv: { revision: "12351", compactRevision: "12000", hash: 1480317217 },
    failure: null,
    findings: [],
    findingsTotal: 0,
    origin: "signed",
    state: "proven",
  },
};
const failure = { code: "OBJECT_CORRUPT", message: "it was changed", hint: "Use another backup." };

function findings(count: number) {
  return Array.from({ length: count }, (_, offset) => ({ severity: "error" as const, object: "snapshot.db.zst", offset, text: "bad\x1b row" }));
}

test("one that passed takes one line", () => {
  expect(verifiedText([passed])).toBe(`prod/${passed.backup}  passed  structure, 20.5 MB read in 2.5 s, HashKV 1480317217 at revision 12351\n`);
});

test.each(["suspect", "partial"] as const)("of a %s one that passed, its state is said beside", (state) => {
  expect(verifiedText([{ ...passed, state }])).toContain(`at revision 12351; its state is ${state}: see \`show\`
`);
});

test("of what passed and was signed by nobody who is trusted, the origin is not proven", () => {
  expect(verifiedText([{ ...passed, origin: "not-proven" }])).toMatch(/\nIntegrity only, origin not proven \(no --trusted-key\): .*\n$/);
});

test("a failure shows its findings with their places, then what to do; many are cut short", () => {
  const file: Verified = { file: "a.db", level: "hash", outcome: "failed", ...times, hashKv: null, failure, findings: findings(22), findingsTotal: 22 };
  const lines = verifiedText([file]).split("\n");
  expect(lines.slice(0, 2)).toEqual(["a.db  FAILED  hash, 20.5 MB read in 2.5 s", "  error: byte 0: bad\\x1b row"]);
  expect(lines.slice(20)).toEqual(["  error: byte 19: bad\\x1b row", "  … and 2 more", "  hint: Use another backup.", "  code: OBJECT_CORRUPT", ""]);
});

test("a finding is told with its place where it has one, and of a backup with its object", () => {
  const about = { level: "hash", outcome: "failed", ...times, hashKv: null, failure, findingsTotal: 1 } as const;
  const finding = { severity: "error", object: "a.db", offset: null, text: "it is a gzip file" } as const;
  const shown = (...verified: Verified[]) => verifiedText(verified).split("\n")[1];
  expect(shown({ ...about, file: "a.db", findings: [finding] })).toBe("  error: it is a gzip file");
  const backup = { ...about, cluster: "p", backup: "b", origin: "signed", state: "proven" } as const;
  expect(shown({ ...backup, findings: [{ ...finding, object: "manifest.json", text: "bad" }] })).toBe("  error: manifest.json: bad");
  expect(shown({ ...backup, findings: [{ ...finding, object: "snapshot.db.zst", offset: 7, text: "bad" }] })).toBe("  error: snapshot.db.zst, byte 7: bad");
});

const unreachable = { code: "STORAGE_UNREACHABLE", message: "the store does not answer", hint: "Check the network." };

test("several: names of one width, one that could not be read, and a count of each at the end", () => {
  const unread: Verified = { cluster: "p", backup: "b", level: "structure", outcome: "not-verified", failure: unreachable };
  const lines = verifiedText([passed, unread, { ...passed, outcome: "failed", failure }]).split("\n");
  expect(lines[1]).toMatch(/^p\/b {40,} {2}NOT READ$/);
  expect(lines[2]).toBe("  STORAGE_UNREACHABLE: the store does not answer");
  expect(lines.at(-2)).toBe("3 backups: 1 passed, 1 failed, 1 could not be read");
});

test("a place in which nothing can be read because it is damaged is said to be that", () => {
  const invalid = { code: "REPOSITORY_INVALID", message: "its own file is damaged", hint: "" };
  const unread: Verified = { repository: "/b", cluster: "p", backup: null, level: "structure", outcome: "not-verified", failure: invalid };
  expect(verifiedText([unread])).toMatch(/^p {2}DAMAGED\n {2}REPOSITORY_INVALID: its own file is damaged\n/);
});
