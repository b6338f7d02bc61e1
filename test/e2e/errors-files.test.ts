// What is wrong with a snapshot file, caused for real: restore refuses it and leaves nothing, verify says so as its result.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync, zstdDecompressSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../support/cli.ts";
import type { CommandResult } from "../support/command.ts";
import { expectFailure, expectVerdict } from "../support/failures.ts";
import { withTrailer } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const PAGE_SIZE_BYTES = 4096;
const HASH_SIZE_BYTES = 32;
const directory = await temporaryDirectory("errors-files");
/** What `etcdctl snapshot save` of 3.6 wrote: test/golden/snapshots/README.md. */
let snapshot: Buffer;
/** Without the hash at its end. */
let database: Buffer;

beforeAll(async () => {
  snapshot = zstdDecompressSync(await readFile(new URL("../golden/snapshots/3.6/uncompacted.db.zst", import.meta.url)));
  database = snapshot.subarray(0, -HASH_SIZE_BYTES);
});
afterAll(() => directory.remove());

/** Writes the file, and gives what restoring it ended with: nothing may be there then. */
async function restored(name: string, content: string | Uint8Array, ...flags: readonly string[]): Promise<CommandResult> {
  await writeFile(join(directory.path, name), content);
  const result = await runCli(["restore", name, "--data-dir", "data", ...flags], { cwd: directory.path });
  expect(existsSync(join(directory.path, "data"))).toBe(false);
  return result;
}

function verified(name: string, ...flags: readonly string[]): Promise<CommandResult> {
  return runCli(["verify", name, "-o", "json", ...flags], { cwd: directory.path });
}

test("an empty file", async () => {
  expectFailure("SNAPSHOT_EMPTY", await restored("empty.db", ""), { message: /^empty\.db is an empty file$/ });
  expectVerdict("SNAPSHOT_EMPTY", await verified("empty.db"), { message: /^empty\.db is an empty file$/ });
});

test("a packed file, and how to unpack it", async () => {
  expectFailure("SNAPSHOT_PACKED", await restored("a.db.gz", gzipSync(snapshot)), { message: /^a\.db\.gz is a gzip file$/, hint: /`gunzip`/ });
  // PKWARE APPNOTE 4.3.7: a local file header; stored, no name.
  const zip = Buffer.concat([Buffer.from("504b030414000000000000000000", "hex"), Buffer.alloc(16), snapshot]);
  expectFailure("SNAPSHOT_PACKED", await restored("a.zip", zip), { message: /^a\.zip is a zip archive$/, hint: /`unzip`/ });
  expectVerdict("SNAPSHOT_PACKED", await verified("a.zip", "--level", "hash"), { message: /^a\.zip is a zip archive$/, hint: /`unzip`/ });
});

test("an answer that was stored instead of the file, and a file whose first pages are gone", async () => {
  const page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body></body></html>\n";
  const answered = { message: /^page\.db is an HTML page titled “Sign in”$/, hint: /^Whatever fetched it stored an answer/ };
  expectFailure("SNAPSHOT_NOT_A_DATABASE", await restored("page.db", page), answered);
  expectVerdict("SNAPSHOT_NOT_A_DATABASE", await verified("page.db"), answered);
  const headless = Buffer.from(database).fill("\x01\x02", 0, 2 * PAGE_SIZE_BYTES);
  expectFailure("SNAPSHOT_NOT_A_DATABASE", await restored("headless.db", withTrailer(headless)), {
    message: /^headless\.db is no etcd database: neither meta page is valid: both have no bbolt magic$/,
  });
  const told = JSON.parse((await runCli(["inspect", "headless.db", "-o", "json"], { cwd: directory.path })).stdout);
  expect(told).toMatchObject({ kind: "other", hint: expect.stringContaining("As a database it fails: neither meta page is valid: both have no bbolt magic.") });
});

test("a file that is cut short, and one that never became whole", async () => {
  const missing = snapshot.subarray(0, -5000);
  const sizes = `it ends after ${missing.length} of ${database.length} bytes`;
  const short = { message: /^short\.db is cut short: it ends after \d+ of \d+ bytes$/ };
  const result = await restored("short.db", missing);
  expect(result.stderr).toContain(sizes);
  expectFailure("SNAPSHOT_TRUNCATED", result, short);
  expectVerdict("SNAPSHOT_TRUNCATED", await verified("short.db"), short);
  expectFailure("SNAPSHOT_TRUNCATED", await restored("etcd.db.part", missing), {
    message: /^etcd\.db\.part is the \.part file of an unfinished download: it ends after \d+ of \d+ bytes$/,
    hint: /^etcdctl renames it when the download is complete\./,
  });
  expectFailure("SNAPSHOT_TRUNCATED", await restored("hash.db", snapshot.subarray(0, -10)), { message: /^hash\.db is cut short/ });
});

test("bytes that were changed", async () => {
  const changed = Buffer.from(snapshot);
  changed[changed.indexOf("/registry") + 3]! ^= 1;
  const message = /^changed\.db: the SHA-256 at its end is [0-9a-f]{64}, but its bytes give [0-9a-f]{64}$/;
  expectFailure("SNAPSHOT_HASH_MISMATCH", await restored("changed.db", changed), { message });
  expectFailure("SNAPSHOT_HASH_MISMATCH", await restored("changed.db", changed, "--skip-hash-check"), {
    message,
    hint: /^--skip-hash-check is for a file without a hash/,
  });
  expectVerdict("SNAPSHOT_HASH_MISMATCH", await verified("changed.db", "--level", "hash"), { message });
  expectVerdict("SNAPSHOT_HASH_MISMATCH", await verified("changed.db"), { message: /^changed\.db: the SHA-256 at its end is not that of the bytes before it/ });
});

test("a copy of a member's database, which has no hash", async () => {
  const result = await restored("copied.db", database);
  expectFailure("SNAPSHOT_HASH_MISSING", result, { message: /^copied\.db has no SHA-256 at its end, as every snapshot has/ });
  expectVerdict("SNAPSHOT_HASH_MISSING", await verified("copied.db", "--level", "hash"), { message: /^copied\.db has no SHA-256 at its end/ });
});

test("a damaged page under a hash that is right: restore names the first damage, verify lists it all", async () => {
  const damaged = Buffer.from(database);
  const leaf = damaged.lastIndexOf("/registry");
  const page = leaf - (leaf % PAGE_SIZE_BYTES);
  damaged.fill(0, page, page + PAGE_SIZE_BYTES);
  const message = /^page\.db is damaged: page \d+ [^,]*, at byte \d+( \(and \d+ more (findings|errors)\))?$/;
  expectFailure("SNAPSHOT_DAMAGED", await restored("page.db", withTrailer(damaged)), { message });
  expectFailure("SNAPSHOT_DAMAGED", await restored("page.db", damaged, "--skip-hash-check"), { message });
  const verdict = await verified("page.db");
  expectVerdict("SNAPSHOT_DAMAGED", verdict, { message, hint: /^Use another backup\.$/ }); // To verify it is what was just done.
  expect(JSON.parse(verdict.stdout).verified[0].findings).toContainEqual(expect.objectContaining({ offset: page, severity: "error" }));
});

test("no file, a directory, and the same as a JSON document", async () => {
  await mkdir(join(directory.path, "d"));
  const run = (...args: readonly string[]) => runCli(args, { cwd: directory.path });
  for (const args of [
    ["restore", "none.db"],
    ["verify", "none.db"],
  ])
    expectFailure("FILE_NOT_FOUND", await run(...args), { message: /^there is no file none\.db$/, hint: /^A file is named by its path, a backup by its id/ });
  expectFailure("FILE_NOT_FOUND", await run("verify", "d/none.db/x", "--level", "hash"), { message: /^there is no file d\/none\.db\/x$/, hint: /^A file/ });
  for (const args of [
    ["verify", "d"],
    ["restore", "d"],
    ["verify", "d", "--level", "hash"],
  ])
    expectFailure("FILE_FAILED", await run(...args), { message: /^d is a directory$/, hint: /^`etcdsafe inspect d` tells.* --repository/ });
  execFileSync("mkfifo", [join(directory.path, "pipe")]);
  for (const args of [
    ["verify", "pipe"],
    ["restore", "pipe"],
  ])
    expectFailure("FILE_FAILED", await run(...args), {
      message: /^pipe is no regular file$/,
      hint: /^Write what it carries to a file, .*`etcdsafe verify -` alone/,
    });
  expectFailure("FILE_NOT_FOUND", await run("inspect", "none.db", "-o", "json"), { message: /^there is no file or directory none\.db$/ });
  expectFailure("USAGE", await run("inspect", ""), { message: /^the argument is empty$/, hint: /variable/ });
  expectFailure("FILE_FAILED", await run("restore", "changed.db", "--to-snapshot", "none/new.db"), {
    message: /^none\/new\.db cannot be written: there is no directory none$/,
    hint: /^Create it \(`mkdir -p none`\), or/,
  });
  expectFailure("FILE_FAILED", await run("restore", "changed.db", "--to-snapshot", "changed.db/new.db"), {
    message: /^changed\.db\/new\.db cannot be written: changed\.db is no directory$/,
    hint: /^Name a file in a directory that exists\.$/,
  });
  expectFailure("SNAPSHOT_EMPTY", await run("restore", "empty.db", "-o", "json"), { message: /^empty\.db is an empty file$/ });
});
