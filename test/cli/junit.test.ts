import fc from "fast-check";
import { expect, test } from "vitest";
import { junitXml } from "../../src/cli/junit.ts";
import type { Verified } from "../../src/cli/verified-text.ts";
import { runs, SEED } from "../support/counts.ts";
import { readJunit } from "../support/junit-report.ts";

const repository = "s3://backups/etcd/";
const times = { startedAt: "2026-11-21T09:30:00.250Z", finishedAt: "2026-11-21T09:30:02.500Z", readSizeBytes: 20_500_000 };
const id = "20261121T093000Z-0000000000000012351-aaaaaa";
const about = { repository, cluster: "prod", level: "structure", ...times, origin: "not-proven", state: "proven" } as const;
const passed: Verified = {
  ...{ ...about, backup: id, outcome: "passed", hashKv: { revision: "12351", compactRevision: "12000", hash: 1480317217 } },
  ...{ failure: null, findings: [], findingsTotal: 0 },
};
const failure = { code: "OBJECT_CORRUPT", message: "snapshot.db.zst: frame 3 was changed at byte 4096", hint: "Use another backup." };
const finding = { severity: "error" as const, object: "snapshot.db.zst", offset: 4096, text: "frame 3 was changed" };
const failed = { ...about, backup: id, outcome: "failed" as const, hashKv: null, failure, findings: [finding], findingsTotal: 1 } satisfies Verified;
const unreachable = { code: "STORAGE_UNREACHABLE", message: "the store does not answer", hint: "Check the network." };

test("junit: a backup that passed is a test case with its time and its facts", () => {
  expect(readJunit(junitXml([passed], []))).toEqual([
    {
      ...{ suite: "s3://backups/etcd/prod", classname: "s3://backups/etcd/prod", name: id, status: "success", output: null, seconds: 2.25 },
      properties: { level: "structure", readSizeBytes: "20500000", revision: "12351", state: "proven" },
    },
  ]);
});

test("junit: what is bad is a failure, what could not be read an error, what was passed over skipped, and each says why", () => {
  const unread: Verified = { repository, cluster: "test", backup: id, level: "structure", outcome: "not-verified", failure: unreachable };
  const nothing: Verified = { repository: "/mnt/backup", cluster: null, backup: null, level: "structure", outcome: "not-verified", failure: unreachable };
  const noneSince = { code: "BACKUP_NOT_FOUND", message: "there is no backup since yesterday", hint: "Does save run?" };
  const none: Verified = { repository, cluster: "prod", backup: null, level: "structure", outcome: "not-verified", failure: noneSince };
  const message = "latest is X; a newer backup is passed over: Y (damaged)";
  const cases = readJunit(junitXml([failed, unread, nothing, none], [{ repository, cluster: "prod", message }]));
  expect(cases.map(({ classname, name, status }) => [classname, name, status])).toEqual([
    ["s3://backups/etcd/prod", id, "failed"],
    ["s3://backups/etcd/prod", "can be verified", "failed"],
    ["s3://backups/etcd/prod", "passed over", "skipped"],
    ["s3://backups/etcd/test", id, "error"],
    ["/mnt/backup", "can be verified", "error"],
  ]);
  const [first, second, third, fourth] = cases.map(({ output }) => output);
  expect(first).toMatch(
    /^snapshot\.db\.zst: frame 3 was .*\n {2}error: snapshot\.db\.zst, byte 4096: .*\n {2}hint: Use another backup\.\n {2}code: OBJECT_CORRUPT\n$/,
  );
  expect(second).toMatch(/there is no backup since yesterday\n {2}hint: Does save run\?/);
  expect(third).toBe(message);
  expect(fourth).toMatch(/STORAGE_UNREACHABLE: the store does not answer/);
  expect(cases[0]!.properties).toMatchObject({ revision: "12351" }); // By its id, where nothing could be computed.
});

test("junit: a repository that is damaged itself is a failure, although nothing in it could be read", () => {
  const invalid = { code: "REPOSITORY_INVALID", message: "etcdsafe-repository.json is damaged", hint: "" };
  const damaged: Verified = { repository, cluster: "prod", backup: null, level: "structure", outcome: "not-verified", failure: invalid };
  expect(readJunit(junitXml([damaged], []))).toMatchObject([{ status: "failed", output: expect.stringMatching(/REPOSITORY_INVALID: etcdsafe-/) }]);
});

test("junit: the same backup in several repositories, and files, are test cases of their own", () => {
  const file: Verified = {
    ...{ file: "./snapshot.db", level: "hash", outcome: "passed", ...times },
    ...{ hashKv: null, failure: null, findings: [{ severity: "warning", object: "snapshot.db", offset: null, text: "no SHA-256" }], findingsTotal: 1 },
  };
  const xml = junitXml([passed, { ...passed, repository: "/mnt/backup" }, file], []);
  expect(readJunit(xml).map(({ classname, name, status }) => [classname, name, status])).toEqual([
    ["s3://backups/etcd/prod", id, "success"],
    ["/mnt/backup/prod", id, "success"],
    ["snapshot files", "./snapshot.db", "success"],
  ]);
  expect(xml).toMatch(/<system-out> {2}warning: no SHA-256\n<\/system-out>/);
});

test("junit: times of a clock that was set back are none", () => {
  expect(readJunit(junitXml([{ ...passed, finishedAt: "2026-11-21T09:29:00.000Z" }], []))[0]).toMatchObject({ seconds: 0 });
});

test.each([
  ["a<b>&\"'", "a<b>&\"'"],
  ["]]>", "]]>"],
  ["a\u0000b\u001bc\u0085d", "a\\x00b\\x1bc\\x85d"],
  ["a\ufffeb\uffffc", "a\\ufffeb\\uffffc"],
  ["half \ud83d", "half \ufffd"],
  ["whole \u{1f600}", "whole \u{1f600}"],
  ["a\r\tb", "a\\x0d\\x09b"],
])("junit: %j is written so that every parser reads it", (text, read) => {
  const message = { ...failed, repository: text, failure: { ...failure, message: text } };
  const [only] = readJunit(junitXml([message], []));
  expect(only!.output!.split("\n")[0]).toBe(read);
  expect(only!.classname).toBe(`${read}/prod`);
});

test("junit: whatever texts come from elsewhere, the document is well formed and follows the schema", () => {
  const texts = fc.string({ unit: "binary", minLength: 1, maxLength: 40 }).filter((text) => text.trim() !== "");
  const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 20 }).map((codes) => `x${String.fromCharCode(...codes)}`);
  fc.assert(
    fc.property(fc.oneof(texts, units), fc.oneof(texts, units), (one, other) => {
      const bad: Verified = { ...failed, cluster: one, repository: other, failure: { code: "OBJECT_CORRUPT", message: one, hint: other } };
      readJunit(junitXml([bad, { ...bad, backup: other, findings: [{ ...finding, text: one, object: other }] }], []));
    }),
    { numRuns: runs(200, 5000), seed: SEED },
  );
});
