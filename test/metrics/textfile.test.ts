import { execFile } from "node:child_process";
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createMetrics } from "../../src/metrics/metrics.ts";
import type { RunFacts } from "../../src/metrics/run-facts.ts";
import { writeTextfile } from "../../src/metrics/textfile.ts";
import { expectThrown } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { failedRun, minute, minuteSeconds, type RunChanges, savedFacts, saveRun, verifiedFacts, verifyRun } from "./run-facts.ts";
import { seriesOf } from "./series.ts";

const LIMIT_MS = 30_000;

/** As a run that ends does: it knows nothing of those before it. */
async function report(path: string, facts: RunFacts, version = "1.2.3") {
  return await write(path, await textOf(facts, version));
}

async function textOf(facts: RunFacts, version = "1.2.3"): Promise<string> {
  const metrics = createMetrics(version);
  metrics.record(facts);
  return await metrics.text();
}

function write(path: string, text: string) {
  return writeTextfile(path, text, { signal: AbortSignal.timeout(LIMIT_MS), runtime: testRuntime() });
}

async function seriesIn(path: string): Promise<Record<string, string>> {
  return seriesOf(await readFile(path, "utf8"));
}

const stage: RunChanges = { clusters: ["stage"], saved: savedFacts({ cluster: "stage", createdAt: minute(31) }), repositories: [] };

test("textfile: the runs of two clusters and two actions do not erase what the others said", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "etcdsafe.prom");
  const all = [saveRun(), verifyRun(), saveRun(stage)];
  for (const facts of all) await report(path, facts);
  const expected = Object.assign({}, ...(await Promise.all(all.map(async (facts) => seriesOf(await textOf(facts))))));
  expect(await seriesIn(path)).toEqual(expected);
  expect(expected).toHaveProperty(['etcdsafe_recovery_point_timestamp_seconds{cluster="prod"}'], minuteSeconds(1));
  expect(expected).toHaveProperty(['etcdsafe_recovery_point_timestamp_seconds{cluster="stage"}'], minuteSeconds(31));
  await report(path, saveRun(stage));
  expect(await seriesIn(path)).toEqual(expected);
});

test("textfile: holds after run upon run what a process that records them all says", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "etcdsafe.prom");
  const metrics = createMetrics("1.2.3");
  const levels = (["stored-bytes", "hash"] as const).map((level) => verifiedFacts({ level, finishedAt: minute(90) }));
  const all = [
    saveRun(),
    verifyRun(),
    failedRun(),
    saveRun(stage),
    verifyRun(levels, { phases: new Map([["upload", 1]]) }),
    failedRun({ failure: "refused" }),
    saveRun({ phases: new Map([["stream", 9]]), moved: [], saved: savedFacts({ state: "suspect", createdAt: minute(95) }) }),
    verifyRun([verifiedFacts({ outcome: "failed" })], { failure: "corrupt" }),
  ];
  for (const facts of all) {
    metrics.record(facts);
    await report(path, facts);
    expect(await seriesIn(path)).toEqual(seriesOf(await metrics.text()));
  }
});

test("textfile: a failed save keeps the last success", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "etcdsafe.prom");
  await report(path, saveRun());
  const before = await seriesIn(path);
  await report(path, failedRun());
  expect(await seriesIn(path)).toEqual({
    ...before,
    'etcdsafe_last_attempt_timestamp_seconds{action="save",cluster="prod"}': minuteSeconds(60),
    'etcdsafe_last_failure_timestamp_seconds{action="save",cluster="prod",reason="etcd-unreachable"}': minuteSeconds(61),
  });
});

test("textfile: after an update only the new version is told", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "etcdsafe.prom");
  await report(path, saveRun());
  await report(path, saveRun(), "1.3.0");
  const versions = Object.keys(await seriesIn(path)).filter((key) => key.startsWith("etcdsafe_build_info"));
  expect(versions).toEqual(['etcdsafe_build_info{action="save",cluster="prod",version="1.3.0"}']);
});

test("textfile: everybody may read it, whatever the umask is and its mode was, and nothing else is left there", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "etcdsafe.prom");
  const umask = process.umask(0o077);
  try {
    await report(path, saveRun());
    expect((await stat(path)).mode & 0o777).toBe(0o644);
    await chmod(path, 0o600);
    await report(path, saveRun());
  } finally {
    process.umask(umask);
  }
  expect((await stat(path)).mode & 0o777).toBe(0o644);
  expect(await readdir(directory.path)).toEqual(["etcdsafe.prom"]);
});

test("textfile: a file of others is refused and stays as it is", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "etcdsafe.prom");
  const of = (text: string) => expectRefused(path, text);
  await of("# HELP node_disk_ok Whether the disks are well.\n# TYPE node_disk_ok gauge\nnode_disk_ok 1\n");
  await of("root:x:0:0:root:/root:/bin/bash\n");
  await of(await textOf(saveRun())); // Not by the file's first line.
  await report(join(directory.path, "ours.prom"), saveRun());
  await of(`${await readFile(join(directory.path, "ours.prom"), "utf8")}# TYPE backup_job_ok gauge\nbackup_job_ok 1\n`);
});

async function expectRefused(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  await expectThrown(
    "CONFIG_INVALID",
    () => report(path, saveRun()),
    /etcdsafe\.prom: it (was not written by etcdsafe|also holds metrics of others \(backup_job_ok\))/,
  );
  expect(await readFile(path, "utf8")).toBe(text);
}

test("textfile: what is no regular file is refused", async () => {
  await using directory = await temporaryDirectory();
  const [pipe, inside] = [join(directory.path, "pipe"), join(directory.path, "directory")];
  await promisify(execFile)("mkfifo", [pipe]);
  await mkdir(inside);
  for (const path of [pipe, inside]) await expectThrown("CONFIG_INVALID", () => report(path, saveRun()), /it is no regular file/);
  expect((await readdir(directory.path)).sort()).toEqual(["directory", "pipe"]);
});

test("textfile: of a damaged file what can be read stays, and what cannot is counted", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "etcdsafe.prom");
  await report(path, saveRun(stage));
  const whole = await readFile(path, "utf8");
  const before = await seriesIn(path);
  const lines = whole.split("\n");
  const hit = lines.findIndex((line) => line.startsWith("etcdsafe_last_backup_raw_size_bytes{"));
  lines[hit] = lines[hit]!.replace("}", "\0");
  await writeFile(path, lines.join("\n"));
  expect(await report(path, saveRun())).toEqual({ unreadableLines: 1 });
  const { 'etcdsafe_last_backup_raw_size_bytes{cluster="stage"}': _, ...readable } = before;
  expect(await seriesIn(path)).toEqual({ ...readable, ...seriesOf(await textOf(saveRun())) });

  await writeFile(path, whole.slice(0, -3)); // A time that was cut would be another time.
  expect(await report(path, saveRun())).toEqual({ unreadableLines: 1 });
  const { 'etcdsafe_recovery_point_timestamp_seconds{cluster="stage"}': cut, ...uncut } = before;
  expect(whole.endsWith(`${cut}\n`)).toBe(true);
  expect(await seriesIn(path)).toEqual({ ...uncut, ...seriesOf(await textOf(saveRun())) });
  expect(await report(path, saveRun())).toEqual({ unreadableLines: 0 });

  await writeFile(path, `${whole}${whole.slice(whole.indexOf("\netcdsafe_") + 1, whole.indexOf("\n", whole.indexOf("\netcdsafe_") + 1) + 1)}`);
  await report(path, saveRun());
  await seriesIn(path); // Throws for what is there twice, as node_exporter refuses it.
});

test("textfile: a file that is empty, or all zeros after a power failure, is written anew", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "etcdsafe.prom");
  for (const content of ["", "\n", "\0".repeat(4096)]) {
    await writeFile(path, content);
    await report(path, saveRun());
    expect(await seriesIn(path)).toEqual(seriesOf(await textOf(saveRun())));
  }
});

test("textfile: a file that holds more than ours ever does is not read", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "etcdsafe.prom");
  await writeFile(path, Buffer.alloc(16 * 1024 * 1024 + 1));
  await expectThrown("CONFIG_INVALID", () => report(path, saveRun()), /holds 16777217 bytes/);
});

test("textfile: a link is followed, not replaced", async () => {
  await using directory = await temporaryDirectory();
  const [path, link] = [join(directory.path, "etcdsafe.prom"), join(directory.path, "link.prom")];
  await report(path, saveRun());
  await symlink(path, link);
  await report(link, verifyRun());
  expect(Object.keys(await seriesIn(path))).toEqual(expect.arrayContaining(Object.keys(seriesOf(await textOf(verifyRun())))));
});

test("textfile: a directory that is missing is not made, and the error says whose it is", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "no", "etcdsafe.prom");
  const error = await expectThrown("FILE_FAILED", () => report(path, saveRun()), /cannot write the metrics to .*ENOENT/);
  expect(error.hint).toMatch(/--collector\.textfile\.directory/);
  expect(await readdir(directory.path)).toEqual([]);
});

test("textfile: of writers at the same moment each finds its series, and a reader never half a file", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "etcdsafe.prom");
  const clusters = Array.from({ length: 12 }, (_, index) => `cluster-${index}`);
  await report(path, saveRun());
  let isOver = false;
  const reading = (async () => {
    for (let reads = 0; ; reads++) {
      const series = await seriesIn(path);
      expect(series).toHaveProperty(['etcdsafe_last_backup_timestamp_seconds{cluster="prod"}']);
      if (isOver) return reads;
    }
  })();
  await Promise.all(clusters.map((cluster) => report(path, saveRun({ clusters: [cluster], saved: savedFacts({ cluster }), repositories: [] }))));
  isOver = true;
  expect(await reading).toBeGreaterThan(0);
  const told = Object.keys(await seriesIn(path)).filter((key) => key.startsWith("etcdsafe_last_success_timestamp_seconds"));
  expect(told).toHaveLength(clusters.length + 1);
  expect(await readdir(directory.path)).toEqual(["etcdsafe.prom"]);
});

test("textfile: the lock of a writer that died is passed over", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "etcdsafe.prom");
  await writeFile(`${path}.lock`, "");
  let waitedMs = 0;
  const sleep = async (delayMs: number) => {
    waitedMs += delayMs;
  };
  await writeTextfile(path, await textOf(saveRun()), { signal: AbortSignal.timeout(LIMIT_MS), runtime: { ...testRuntime(), sleep } });
  expect(waitedMs).toBe(5_000);
  expect(await seriesIn(path)).toEqual(seriesOf(await textOf(saveRun())));
  expect(await readdir(directory.path)).toEqual(["etcdsafe.prom"]);
});

test("textfile: whoever waits for another writer stops when told to", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "etcdsafe.prom");
  await writeFile(`${path}.lock`, "");
  const reason = new Error("told to");
  const stop = new AbortController();
  const writing = writeTextfile(path, await textOf(saveRun()), { signal: stop.signal, runtime: testRuntime() });
  setTimeout(() => stop.abort(reason), 100);
  await expect(writing).rejects.toBe(reason);
  expect(await readdir(directory.path)).toEqual(["etcdsafe.prom.lock"]);
});
