// A save to a file or to standard output: which names it writes, and what it leaves when it fails. The members are made up, the snapshot is a real one.
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import { fileTarget, streamTarget } from "../../src/backup/file-target.ts";
import type { Saved } from "../../src/backup/save-target.ts";
import type { TakeOptions } from "../../src/backup/take.ts";
import type { ObservedCluster } from "../../src/repository/cluster-file.ts";
import { madeUpClients } from "../support/made-up-members.ts";
import { plainRows } from "../support/random-history.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const REVISION = 51;
// A Uint8Array, since slicing a Buffer copies nothing.
const SNAPSHOT = new Uint8Array(buildSnapshot({ rows: plainRows(REVISION - 1) }));
const TRAILER = Buffer.from(SNAPSHOT.subarray(-32)).toString("hex");
const OBSERVED: ObservedCluster = { clusterId: "1", members: [], kubeSystemUid: null };
const MEMBERS = [1n, 2n, 3n].map((id) => ({ id, name: `m${id}`, peerUrls: [], clientUrls: [`http://m${id}`], isLearner: false }));

/** Of m1, whose snapshot is `snapshot`; where the others are asked, each holds other data. */
function taking(which: "others" | "none", snapshot: Uint8Array = SNAPSHOT) {
  const phases: string[] = [];
  const { clients, asked } = madeUpClients((endpoint) => ({ id: BigInt(endpoint.at(-1)!), snapshot, revision: REVISION, hash: 1 }));
  const runtime = testRuntime();
  const take = {
    clients,
    selection: { quorum: true, order: [], members: MEMBERS, leader: undefined },
    serving: { endpoint: "http://m1", memberId: 1n, dbSizeBytes: snapshot.length },
    which,
    whyNone: "nobody asked",
    contradictedBy: [],
    givenUp: new Map(),
    stallLimitMs: 10_000,
    onPhase: (phase: string) => void phases.push(phase),
    signal: AbortSignal.timeout(20_000),
    runtime,
  } as unknown as TakeOptions;
  return { take, runtime, asked, phases };
}

/** Into `path`, by way of a spool or without one. */
async function toFile(path: string, { take, runtime }: ReturnType<typeof taking>, way: "spool" | "no spool" = "spool"): Promise<Saved> {
  const target = fileTarget(path, runtime);
  await target.prepare(OBSERVED, take);
  if (way === "no spool") return target.passOn(OBSERVED, take);
  await using spool = await target.openSpool!(SNAPSHOT.length);
  return await target.store(OBSERVED, spool, take);
}

test("save to a file: snapshots that others contradict never replace anything, and each is kept, as far as there are not too many", async () => {
  await using directory = await temporaryDirectory("file-target");
  const path = join(directory.path, "etcd.db");
  await writeFile(path, "the last good one");
  await symlink("nowhere", `${path}.suspect-2`);
  const others = [3, 4, 5, 6, 7, 8, 9].map((number) => `etcd.db.suspect-${number}`);
  for (const name of others) await writeFile(join(directory.path, name), "of another run");
  const [first, second, third] = [taking("others"), taking("others"), taking("others")];
  const members = ["m2", "m3"].map((name) => ({ name, serving: false, outcome: "disagreed" }));
  expect(await toFile(path, first)).toMatchObject({ state: "suspect", file: `${path}.suspect`, members });
  expect(await toFile(path, second)).toMatchObject({ state: "suspect", file: `${path}.suspect-10` });
  expect([...first.runtime.logged, ...second.runtime.logged]).toEqual([]);
  expect(await toFile(path, third)).toMatchObject({ state: "suspect", file: null });
  expect(third.runtime.logged).toEqual([
    {
      level: "warn",
      message: `the suspect snapshot of http://m1 is not kept: 10 of them, ${path}.suspect to ${path}.suspect-10, are there already; look into those, and remove them`,
    },
  ]);
  for (const name of ["etcd.db.suspect", "etcd.db.suspect-10"]) expect((await readFile(join(directory.path, name))).equals(SNAPSHOT), name).toBe(true);
  for (const name of others) expect(await readFile(join(directory.path, name), "utf8"), name).toBe("of another run");
  expect(await readFile(path, "utf8")).toBe("the last good one");
  expect((await readdir(directory.path)).sort()).toEqual([...others, "etcd.db", "etcd.db.suspect", "etcd.db.suspect-10", "etcd.db.suspect-2"].sort());
});

test.each(["spool", "no spool"] as const)(
  "save to a file: with %s, the whole snapshot takes the place of what was there, and the file is named as it was given",
  async (way) => {
    await using directory = await temporaryDirectory("file-target");
    const path = relative(process.cwd(), join(directory.path, "etcd.db"));
    await writeFile(path, "an older one");
    const one = taking("none");
    const saved = await toFile(path, one, way);
    const known = { manifest: null, file: path, members: [], rawSizeBytes: SNAPSHOT.length, databaseSha256: TRAILER, warnings: [] };
    expect(saved).toEqual(
      way === "spool"
        ? { ...known, state: "unconfirmed", stateWhy: "the members were not compared: nobody asked", revision: "51" }
        : { ...known, state: "partial", stateWhy: "passed on without a local copy, so its structure was not checked", revision: null },
    );
    expect((await readFile(path)).equals(SNAPSHOT)).toBe(true);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory.path)).toEqual(["etcd.db"]);
    // That the member is up to date is made sure of, whoever looks into the snapshot.
    expect(one.asked).toEqual(["KV/Range, linearizable", "Maintenance/Snapshot"]);
    expect(one.phases).toEqual(way === "spool" ? ["connect", "stream", "check"] : ["connect", "stream"]);
    const totalBytes = SNAPSHOT.length;
    expect(one.runtime.reported.filter(({ step }) => step === "stream").at(-1)).toEqual({ step: "stream", doneBytes: totalBytes, totalBytes, done: true });
  },
);

test.each(["spool", "no spool"] as const)("save to a file: with %s, bytes that changed on the way leave what was there, and nothing else", async (way) => {
  await using directory = await temporaryDirectory("file-target");
  const path = join(directory.path, "etcd.db");
  await writeFile(path, "the last good one");
  const changed = SNAPSHOT.slice();
  changed[changed.length - 40]! ^= 1;
  await expect(toFile(path, taking("none", changed), way)).rejects.toMatchObject({ code: "SNAPSHOT_HASH_MISMATCH" });
  expect(await readdir(directory.path)).toEqual(["etcd.db"]);
  expect(await readFile(path, "utf8")).toBe("the last good one");
});

test("save to a file: what is no regular file is refused before etcd is asked for anything", async () => {
  await using directory = await temporaryDirectory("file-target");
  const refusal = async (path: string) => {
    const { take, runtime } = taking("none");
    return await fileTarget(path, runtime)
      .prepare(OBSERVED, take)
      .then(
        () => undefined,
        ({ code, message }) => `${code} ${message}`,
      );
  };
  const [path, link, nowhere] = [join(directory.path, "directory"), join(directory.path, "link"), join(directory.path, "nowhere")];
  await mkdir(path);
  await symlink(path, link);
  expect(await refusal(path)).toBe(`FILE_FAILED ${path} is a directory`);
  expect(await refusal(link)).toBe(`FILE_FAILED ${link} is a directory`);
  expect(await refusal("/dev/null")).toBe("FILE_FAILED /dev/null is no regular file, and would be replaced by one");
  expect(await refusal(join(directory.path, "absent"))).toBeUndefined();
  await symlink("/mnt/absent/etcd.db", nowhere);
  expect(await refusal(nowhere)).toBe(`FILE_FAILED ${nowhere} is a symbolic link to /mnt/absent/etcd.db, where nothing is, and would be replaced by a file`);
  const missing = join(directory.path, "no/such");
  expect(await refusal(join(missing, "x.db"))).toBe(`FILE_FAILED ${missing}/x.db cannot be written: there is no directory ${missing}`);
  const file = join(directory.path, "file");
  await writeFile(file, "");
  expect(await refusal(join(file, "x.db"))).toBe(`FILE_FAILED ${file}/x.db cannot be written: ${file} is no directory`);
  expect((await readdir(directory.path)).sort()).toEqual(["directory", "file", "link", "nowhere"]);
});

test("save to a stream: every byte is passed on as it comes, no faster than it is taken", async () => {
  const { take, runtime, asked } = taking("none");
  const pieces: Uint8Array[] = [];
  let writing = 0;
  const target = streamTarget(async (chunks) => {
    expect(++writing).toBe(1);
    await runtime.sleep(5, take.signal);
    pieces.push(...chunks.map((chunk) => chunk.slice()));
    writing--;
  });
  const saved = await target.passOn(OBSERVED, take);
  expect(Buffer.concat(pieces).equals(SNAPSHOT)).toBe(true);
  expect(writing).toBe(0);
  expect(saved).toMatchObject({ state: "partial", file: null, revision: null, rawSizeBytes: SNAPSHOT.length, databaseSha256: TRAILER });
  expect(asked).toEqual(["KV/Range, linearizable", "Maintenance/Snapshot"]);
});

test("save to a stream: one that nobody takes any more, and bytes that changed on the way, fail it", async () => {
  const gone = streamTarget(() => Promise.reject(new Error("nobody reads")));
  await expect(gone.passOn(OBSERVED, taking("none").take)).rejects.toThrow("nobody reads");
  const changed = SNAPSHOT.slice();
  changed[changed.length - 1]! ^= 1;
  await expect(streamTarget(async () => undefined).passOn(OBSERVED, taking("none", changed).take)).rejects.toMatchObject({
    code: "SNAPSHOT_HASH_MISMATCH",
    hint: expect.stringContaining("what was passed on is no snapshot"),
  });
});
