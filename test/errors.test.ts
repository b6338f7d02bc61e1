// That no error of the table is only claimed: each is raised somewhere, and some test causes it for real. A new code without such a test fails here.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ERRORS, type ErrorCode } from "../src/errors.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Codes that no command ends with, and what becomes of them; for all others the command line has to be run. */
const NEVER_THE_END: Partial<Record<ErrorCode, string>> = {
  STORAGE_NOT_FOUND: "where an object of a backup is missing, `restore` says damaged, and `verify` gives it as its result",
  REPORT_FAILED: "reporting never fails a run: what cannot be told is a warning",
  STORAGE_CONFLICT: "what lost against another writer is done again, or has another name",
  STORAGE_READ_ONLY: "no command that only reads tries to write",
  BBOLT_META_INVALID: "a file without one valid meta page is no database",
  BBOLT_PAGE_INVALID: "a finding of the check, which ends with SNAPSHOT_DAMAGED",
  BBOLT_ROW_INVALID: "a finding of the check, which ends with SNAPSHOT_DAMAGED",
  PROTO_INVALID: "a finding of the check, or ETCD_REQUEST_FAILED where a member sent it",
  WAL_TORN: "what `inspect` tells of a log",
  WAL_CORRUPT: "what `inspect` tells of a log",
  WAL_RECORD_TOO_LONG: "what `inspect` tells of a log",
  RAFT_SNAPSHOT_INVALID: "what `inspect` tells of a .snap file",
};

/** test/support/failures.ts: what demands an error, and of what. */
const DEMAND = /\b(expectFailure|expectVerdict|expectThrown)\(\s*"(\w+)"/g;
const LEFT_OUT = /\b(test|describe)(\.\w+)*\.(skip|skipIf|runIf|todo|only|fails)\b/;

const tests = sources("test", ".test.ts");
const demands = tests.flatMap(({ text }) => [...text.matchAll(DEMAND)].map(([, by, code]) => ({ by, code })));
const raised = sources("src", ".ts")
  .filter(({ path }) => path !== "src/errors.ts")
  .flatMap(({ text }) => [...text.replaceAll(/[!=]== "\w+"/g, "").matchAll(/"([A-Z][A-Z_]+)"/g)].map(([, code]) => code));

test.each(Object.keys(ERRORS) as ErrorCode[])("error table: %s is raised, and a test causes it", (code) => {
  expect(raised).toContain(code);
  const ways = demands.filter((demand) => demand.code === code).map(({ by }) => by);
  if (code in NEVER_THE_END) expect(ways).not.toEqual([]);
  else expect(ways).toContain("expectFailure");
});

test("error table: what is said to be never the end of a command is not", () => {
  const ends = demands.filter(({ by }) => by === "expectFailure").map(({ code }) => code);
  expect(Object.keys(NEVER_THE_END).filter((code) => ends.includes(code))).toEqual([]);
});

test("error table: no test that causes an error is left out", () => {
  const demanding = tests.filter(({ text }) => text.match(DEMAND) !== null);
  expect(demanding.filter(({ text }) => LEFT_OUT.test(text)).map(({ path }) => path)).toEqual([]);
});

/** All files below a folder whose names end so. */
function sources(folder: string, ending: string): { readonly path: string; readonly text: string }[] {
  const found = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  const paths = found.filter((entry) => entry.isFile() && entry.name.endsWith(ending)).map(({ parentPath, name }) => join(parentPath, name));
  return paths.map((path) => ({ path: path.slice(root.length + 1), text: readFileSync(path, "utf8") }));
}
