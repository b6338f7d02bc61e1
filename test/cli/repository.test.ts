// What commands say of a repository whose state is in a store of its own, where another one is looked at, or that one is out of reach.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { encodeManifest } from "../../src/repository/manifest.ts";
import { backupObjectKey, manifestKey } from "../../src/repository/names.ts";
import { openOrCreateRepository } from "../../src/repository/repository.ts";
import { openFileStorage } from "../../src/storage/file.ts";
import { stateSplit } from "../../src/storage/state-split.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { sampleManifest } from "../repository/sample-manifest.ts";
import { runCli } from "../support/cli.ts";
import { expectFailure } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const directory = await temporaryDirectory("state");
const at = (name: string) => join(directory.path, name);
const AUTHOR = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
/** Nobody listens there. */
const NO_ENDPOINT = ["--s3-endpoint", "http://127.0.0.1:9", "--storage-tries", "1"];
const env = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" };

const near = ["--repository", at("near")];
const lost = ["--repository", at("lost"), "--state-url", at("lost-state")];
const outOfReach = (name: string) => ["--repository", at(name), "--state-url", "s3://state/etcd", ...NO_ENDPOINT];
const BACKUP = sampleManifest({});

beforeAll(async () => {
  await makeRepository("near", openFileStorage(at("state"), testRuntime()));
  for (const name of ["far", "farther"])
    await makeRepository(name, wrapped(openFileStorage(at(`${name}-state`), testRuntime()), { location: "s3://state/etcd" }));
  await makeRepository("lost", openFileStorage(at("lost-state"), testRuntime()));
  await rm(at("lost-state"), { recursive: true });
  await mkdir(at("empty"));
});
afterAll(() => directory.remove());

async function makeRepository(name: string, state: Storage): Promise<void> {
  const storage = stateSplit(openFileStorage(at(name), testRuntime()), state);
  await openOrCreateRepository(storage, AUTHOR, { signal, runtime: testRuntime() });
  await storage.put(backupObjectKey(BACKUP.cluster, BACKUP.id, "snapshot.db.zst"), streamOf(new Uint8Array(100)), { signal });
  await storage.put(manifestKey(BACKUP.cluster, BACKUP.id), streamOf(encodeManifest(BACKUP)), { signal });
}

const LOOKING = [[["list"]], [["show", BACKUP.id]], [["verify", BACKUP.id, "--level", "stored-bytes"]]];

async function warningsOf(args: readonly string[]): Promise<string[]> {
  const { stderr } = await runCli(args, { env });
  return stderr.split("\n").filter((line) => /its state in|the state of|127\.0\.0\.1/.test(line));
}

test.each(LOOKING)("state: %j says once where it is not the repository's that is looked at", async (command) => {
  const kept = `warning: the repository in ${at("near")} keeps its state in ${at("state")}, and`;
  expect(await warningsOf([...command, ...near])).toEqual([`${kept} no --state-url was given`]);
  expect(await warningsOf([...command, ...near, "--state-url", at("empty")])).toEqual([`${kept} --state-url names ${at("empty")}`]);
  expect(await warningsOf([...command, ...near, "--state-url", `file://${at("state")}/`])).toEqual([]);
  expect(await warningsOf([...command, ...lost])).toEqual([
    `warning: ${at("lost-state")} does not hold the state of the repository in ${at("lost")}: etcdsafe-state.json is missing`,
  ]);
  expect(await warningsOf([...command, ...outOfReach("far")])).toEqual([
    expect.stringMatching(/^warning: the state of the repository, in s3:\/\/state\/etcd \(--state-url\), is not looked at: .*127\.0\.0\.1:9/),
  ]);
});

test("state: a restore says that it is out of reach once, and not that it is missing", async () => {
  const { exitCode, stdout, stderr } = await runCli(["restore", "latest", "--data-dir", at("data"), "--plan", "-o", "json", ...outOfReach("farther")], { env });
  expect(exitCode, stderr).toBe(0);
  expect(stderr.match(/is not looked at/g)).toHaveLength(1);
  const warnings = JSON.parse(stdout).plan.warnings as string[];
  expect(warnings).toContainEqual(expect.stringMatching(/^Which members have joined since .*127\.0\.0\.1:9/));
  expect(warnings.join()).not.toMatch(/is missing/);
});

test.each([[["repo", "check"]], [["repo", "gc", "--plan"]], [["repo", "gc"]]])("state: %j judges by it, and so fails as its store does", async (command) => {
  const result = await runCli([...command, ...outOfReach("far")], { env });
  expectFailure("STORAGE_UNREACHABLE", result, { message: /s3:\/\/state\/etcd.*127\.0\.0\.1:9/ });
  expect(result.stderr).not.toMatch(/missing|not looked at/);
});
