import { expect, test } from "vitest";
import type { Invocation } from "../../src/cli/command.ts";
import { restoreCommand } from "../../src/cli/restore-command.ts";
import { type Environment, readConfig } from "../../src/config/config.ts";
import type { OptionName } from "../../src/config/options.ts";
import type { SourceFacts } from "../../src/restore/source.ts";

const CLUSTER = [
  { name: "a", peerUrls: ["http://a:2380"] },
  { name: "b", peerUrls: ["http://b:2380", "http://b:2381"] },
];
const FILE = { backupId: null, location: "/backups/it's.db" } as SourceFacts;
const BACKUP = { backupId: "20261121T093000Z-0000000000000000002-aaaaaa", location: "file:///repository/prod" } as SourceFacts;
const MEMBERS_OF_B = "--initial-advertise-peer-urls http://b:2380,http://b:2381 --initial-cluster a=http://a:2380,b=http://b:2380,b=http://b:2381";
const TAIL = "--bump-revision none --initial-cluster-token t1";

/** For member b, whatever member the run was for. */
async function commandFor(source: SourceFacts, options: Partial<Record<OptionName, string>>, environment: Environment = {}): Promise<string> {
  const flags = new Map(Object.entries({ name: "a", ...options }).map(([name, text]) => [name as OptionName, [text]]));
  const { config, faults } = await readConfig({ command: "restore", flags, environment });
  expect(faults).toEqual([]);
  return restoreCommand({ config } as Invocation, source, CLUSTER, { member: "b", token: "t1", bumpRevision: "none" });
}

test("restore command: of a file, with all that is the member's own, as a shell takes it", async () => {
  expect(await commandFor(FILE, {})).toBe(`etcdsafe restore '/backups/it'\\''s.db' --name b ${MEMBERS_OF_B} ${TAIL}`);
});

test("restore command: of a backup by its id, in the repository and under the name that were meant", async () => {
  const from = `etcdsafe restore ${BACKUP.backupId} --repository`;
  const environment = { ETCDSAFE_REPOSITORY: "/my repository" };
  expect(await commandFor(BACKUP, {}, environment)).toBe(`${from} '/my repository' --cluster default --name b ${MEMBERS_OF_B} ${TAIL}`);
  expect(await commandFor(BACKUP, { repository: "/r", cluster: "prod" }, environment)).toContain(`${from} /r --cluster prod --name b`);
});

test("restore command: a repository that is a relative path is named absolutely, and a URL as it is", async () => {
  expect(await commandFor(BACKUP, { repository: "repo" })).toContain(` --repository ${process.cwd()}/repo --cluster default `);
  expect(await commandFor(BACKUP, { repository: "s3://bucket/repo" })).toContain(" --repository s3://bucket/repo --cluster default ");
});

test("restore command: what was given for all members is given again, wherever it came from, and defaults are not", async () => {
  const given = { "data-dir": "/d", "skip-hash-check": "true" } as const;
  expect(await commandFor(FILE, given, { ETCDSAFE_WAL_DIR: "/w" })).toContain(".db' --data-dir /d --wal-dir /w --skip-hash-check --name b --initial-advertise");
});

test("restore command: a boolean that was turned off takes one word, as the command line demands", async () => {
  expect(await commandFor(FILE, { "skip-hash-check": "false" })).toContain(".db' --skip-hash-check=false --name b");
  expect(await commandFor(FILE, {}, { ETCDSAFE_SKIP_HASH_CHECK: "false" })).toContain(".db' --skip-hash-check=false --name b");
});

test("restore command: a members file says who the others are", async () => {
  expect(await commandFor(FILE, { members: "m.yaml" })).toBe(`etcdsafe restore '/backups/it'\\''s.db' --members m.yaml --name b ${TAIL}`);
});

test("restore command: of a backup, with all that its store has to be told", async () => {
  const store = { "s3-endpoint": "https://s3.example", "s3-path-style": "true", "s3-request-checksums": "false", "as-of": "2026-11-21T08:00:00+01:00" };
  const command = await commandFor(BACKUP, { repository: "s3://b/p", ...store }, { ETCDSAFE_LIMIT_DOWNLOAD: "10M", ETCDSAFE_STORAGE_CA: "/ca.pem" });
  const flags =
    "--as-of 2026-11-21T07:00:00.000Z --limit-download 10MiB --storage-ca /ca.pem --s3-endpoint https://s3.example --s3-path-style --s3-request-checksums=false";
  expect(command).toContain(` --repository s3://b/p --cluster default ${flags} --name b`);
  expect(await commandFor(FILE, store)).not.toContain("s3");
});
