// What goes wrong between the command line and each store, on real servers. Whatever it was: the backup is whole or not there, nothing good is lost,
// the exit code says which, and one garbage collection removes what is left. How single requests are tried again is in test/storage/*-faults.test.ts.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStorage } from "../../src/storage/open.ts";
import { runs, SEED } from "../support/counts.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { expectFailure } from "../support/failures.ts";
import { agedMarkers, clockOff, EXPIRED, FaultyStore, type Harm, isPiece, isRead } from "../support/faulty-store.ts";
import { randomNumbers } from "../support/random-history.ts";
import { report } from "../support/report.ts";
import { quietRuntime } from "../support/saving.ts";
import { REMOTE_KINDS, startStore } from "../support/stores.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** Random, so that it stays as large: three parts for S3, five chunks or blocks for the others. */
const VALUES = 40;
const VALUE_SIZE_BYTES = 450_000;
const DATA_SIZE_BYTES = VALUES * VALUE_SIZE_BYTES;
const CUTS = runs(1, 15);
const CORRUPTIONS = runs(1, 15);
const KILLS = runs(2, 25);
const MINUTE_MS = 60_000;
/** Of the data at hand, where nothing goes wrong. */
const PIECES = { s3: 3, gs: 5, azblob: 5 };

const directory = await temporaryDirectory("store-faults");
let cluster: EtcdCluster;

beforeAll(async () => {
  cluster = await startCluster({ minor: "3.7" });
  const random = randomNumbers(SEED);
  await putMany(
    await cluster.client(),
    Array.from({ length: VALUES }, (_, index) => ({ key: `key-${index}`, value: random.bytes(VALUE_SIZE_BYTES) })),
  );
});
afterAll(async () => {
  await cluster?.stop();
  await directory.remove();
});

describe.each(REMOTE_KINDS)("%s", (kind) => {
  const random = randomNumbers(SEED);
  const hit: Record<string, number> = {};
  let faulty: FaultyStore;
  /** fake-gcs-server takes the question how much of an upload it has kept for the upload's end: what the real one does is in gs-faults.test.ts. */
  const survives = kind === "gs" ? [0, 5] : [0];

  const count = (what: string) => {
    hit[what] = (hit[what] ?? 0) + 1;
  };
  const saved = async (what: string, harm: Harm, more: readonly string[] = []) => {
    const result = await faulty.save(harm, more);
    count(`${what}: ${result.isStored ? "whole" : "absent"}`);
    return result;
  };
  /** Somewhere in the bytes of the object. */
  const anywhere = () => random.integer(5_000, DATA_SIZE_BYTES / 2);

  beforeAll(async () => {
    faulty = await FaultyStore.start(await startStore(kind), cluster.endpoints[0]!);
    expect((await faulty.save()).exitCode).toBe(0);
  });
  afterAll(async () => {
    report(`${kind}: what was hit, and what became of it`, hit);
    await faulty?.[Symbol.asyncDispose]();
  });

  test("connections cut at random bytes, on the way up and on the way down", async () => {
    for (let index = 0; index < CUTS; index++) {
      // Each of the first connections, somewhere else in each direction.
      const at = Array.from({ length: 8 }, () => ({ toServer: { cutAfterBytes: anywhere() }, toClient: { cutAfterBytes: random.integer(0, 2_000) } }));
      const { exitCode, stderr } = await saved("cut on the way up", { tcp: (connection) => at[connection] ?? {} });
      expect(survives, stderr).toContain(exitCode);
      const down = Array.from({ length: 5 }, () => ({ toClient: { cutAfterBytes: anywhere() } }));
      await readsAll("cut on the way down", { tcp: (connection) => down[connection] ?? {} });
    }
  });

  test("bursts of 500, 503 and 429 in each kind of request are waited out", async () => {
    const seen = new Map<string, number>();
    const http: Harm["http"] = (request) => {
      const { method, path } = request;
      const times = seen.get(`${method} ${path}`) ?? 0;
      seen.set(`${method} ${path}`, times + 1);
      if (times > 0 || (kind === "gs" && isPiece(request))) return undefined;
      count("status 500, 503 or 429");
      return { status: [503, 429, 500][seen.size % 3]!, headers: { "retry-after": seen.size === 2 ? "1" : "0" } };
    };
    expect((await saved("bursts", { http })).exitCode).toBe(0);
    seen.clear();
    await readsAll("bursts while reading", { http });
  });

  test.each([500, 503])("a store that answers %i from the second piece on is given up", async (status) => {
    let pieces = 0;
    const http: Harm["http"] = (request) => ((isPiece(request) && ++pieces > 1) || pieces > 1 ? { status } : undefined);
    const failed = await saved(`${status} from then on`, { http }, ["--storage-tries", "2"]);
    const expected = { message: /snapshot\.db\.zst in / };
    // Of the three, only S3 says with a bare 503 that it is asked for too much.
    if (status === 503 && kind === "s3") expectFailure("STORAGE_THROTTLED", failed, expected);
    else expectFailure("STORAGE_UNREACHABLE", failed, expected);
  });

  test("sockets that say nothing more are given up for others", async () => {
    const tcp: Harm["tcp"] = (connection) => {
      const number = connection;
      if (number === 1) return { toServer: { stallAfterBytes: anywhere() } };
      return number === 2 ? { toClient: { stallAfterBytes: 0 } } : {};
    };
    const { exitCode, stderr } = await saved("stalled sockets", { tcp }, ["--storage-idle-limit", "2s"]);
    expect(survives, stderr).toContain(exitCode);
    const down: Harm["tcp"] = (connection) => (connection < 2 ? { toClient: { stallAfterBytes: anywhere() } } : {});
    await readsAll("stalled while reading", { tcp: down }, ["--storage-idle-limit", "2s"]);
  });

  test.each([false, true])("answers that end too early with the right status are asked for again (with a length that agrees: %s)", async (honest) => {
    let left = 4;
    const http: Harm["http"] = (request) => (isRead(request) && left-- > 0 ? { bodyBytes: 1_000_001, honest } : undefined);
    await readsAll("truncated", { http });
    expect(left).toBeLessThanOrEqual(0);
  });

  test("bytes that change on the way up never become a backup", async () => {
    for (let index = 0; index < CORRUPTIONS; index++) {
      const at = anywhere();
      const tcp: Harm["tcp"] = (connection) => (connection < 4 ? { toServer: { corruptByte: at } } : {});
      let pieces = 0;
      const http: Harm["http"] = (request) => {
        if (isPiece(request)) pieces++;
        return undefined;
      };
      const { exitCode, stderr } = await saved("changed on the way up", { tcp, http });
      expect([0, 5, 6], stderr).toContain(exitCode); // A header may be what was hit.
      if (exitCode === 0 && pieces > PIECES[kind]) count("changed on the way up: a piece was sent again");
    }
  });

  test("bytes that change on the way down are never restored", async () => {
    for (let index = 0; index < CORRUPTIONS; index++) {
      const data = join(directory.path, `${kind}-corrupt-${index}`);
      const at = anywhere();
      const tcp: Harm["tcp"] = (connection) => (connection < 4 ? { toClient: { corruptByte: at } } : {});
      const { exitCode, stderr } = await faulty.run({ tcp }, ["restore", "latest", "--copy", "--data-dir", data, "--bump-revision", "none"]);
      count(`changed on the way down: restore ends with ${exitCode}`);
      expect([0, 5, 6], stderr).toContain(exitCode);
      expect(existsSync(data)).toBe(exitCode === 0);
    }
    await readsAll("afterwards", {});
  });

  test("credentials that run out in the middle of an upload end it, with nothing in the repository and no secret told", async () => {
    let pieces = 0;
    const http: Harm["http"] = (request) => {
      if (isPiece(request)) pieces++;
      return pieces > 1 ? EXPIRED[kind] : undefined;
    };
    const failed = await saved("credentials ran out", { http });
    expectFailure("STORAGE_DENIED", failed, { message: /snapshot\.db\.zst in /, hint: /credentials|key or SAS/ });
    for (const secret of faulty.store.secrets) expect(failed.stderr).not.toContain(secret);
  });

  test("a host whose clock is an hour off saves, or is told so", async () => {
    const result = await faulty.save({}, [], { nodeArguments: clockOff(60 * MINUTE_MS) });
    count(`a clock that is off: ${result.isStored ? "whole" : "absent"}`);
    if (!result.isStored) expectFailure("STORAGE_DENIED", result, { message: /this host's clock: it is 60 minutes off/, hint: /clock/ });
  });

  test("killed at random bytes of an upload; then one garbage collection leaves nothing of it", async () => {
    for (let index = 0; index < KILLS; index++) {
      const from = faulty.tcp.passedBytes.toServer;
      const at = from + random.integer(0, DATA_SIZE_BYTES * 1.02);
      const saving = faulty.startSave();
      let over = false;
      void saving.finished.finally(() => {
        over = true;
      });
      while (!over && faulty.tcp.passedBytes.toServer < at) await sleep(2);
      saving.signal("SIGKILL");
      const { signal } = await saving.finished;
      const before = faulty.good.size;
      await faulty.nothingIsHalf();
      count(`killed: ${signal === null ? "it was over" : faulty.good.size > before ? "whole" : "absent"}`);
    }
    const gc = ["repo", "gc", "-o", "json"];
    // A host whose clock runs ahead does not take them for old.
    const early = JSON.parse((await faulty.run({}, gc, { nodeArguments: clockOff(10 * MINUTE_MS) })).stdout);
    expect(early.leave.length).toBeGreaterThan(0);
    const collected = await faulty.run({ http: agedMarkers(90 * MINUTE_MS) }, gc);
    expect(collected.exitCode, collected.stderr).toBe(0);
    const { removed, leave, failed } = JSON.parse(collected.stdout);
    expect({ leave, failed }).toEqual({ leave: [], failed: [] });
    hit["removed by one garbage collection"] = early.removed.length + removed.length;
    const { signal } = new AbortController();
    const storage = await openStorage(faulty.repository, faulty.store.settings(), quietRuntime);
    const keys = await Array.fromAsync(storage.list("", { signal }), ({ key }) => key);
    const backups = keys.flatMap((key) => /\/backups\/([^/]+)\//.exec(key)?.[1] ?? []);
    expect([...new Set(backups)].sort()).toEqual([...faulty.good].sort());
    expect(keys.filter((key) => /\/uploads\//.test(key))).toEqual([]);
    expect(await Array.fromAsync(storage.unfinished?.list("", { signal }) ?? [])).toEqual([]);
    const checked = await faulty.run({}, ["repo", "check", "-o", "json"]);
    expect(JSON.parse(checked.stdout)).toMatchObject({ backups: faulty.good.size, findings: [] });
  });

  test("afterwards every backup verifies, and saving goes on", async () => {
    expect((await faulty.save()).exitCode).toBe(0);
    const { exitCode, stdout } = await faulty.run({}, ["verify", "--all", "--level", "stored-bytes", "-o", "json"]);
    expect(exitCode).toBe(0);
    hit["backups that verify in the end"] = JSON.parse(stdout).verified.length;
    expect(hit["backups that verify in the end"]).toBe(faulty.good.size);
  });

  /** All of the last backup is fetched, and found good. */
  async function readsAll(what: string, harm: Harm, more: readonly string[] = []): Promise<void> {
    const { exitCode, stderr, stdout } = await faulty.run(harm, ["verify", "latest", "--level", "structure", "-o", "json", ...more]);
    expect(exitCode, stderr + stdout).toBe(0);
    count(`${what}: read whole`);
  }
});
