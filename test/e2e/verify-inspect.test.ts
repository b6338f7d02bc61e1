// What is proven of backups of a real etcd, and what is seen in its files while it runs, after it was killed, and after a restore.
import { cp, open, readdir, readFile, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCli } from "../support/cli.ts";
import { startCluster } from "../support/etcd.ts";
import { currentRevision, deleteMany, putMany } from "../support/etcd-data.ts";
import { MINORS_AT_HAND } from "../support/minors.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

for (const minor of MINORS_AT_HAND) {
  test(`etcd ${minor}: its data directory while it runs, after it was killed and after a restore; its snapshot as a file and as a stream`, async () => {
    await using directory = await temporaryDirectory("inspect");
    await using cluster = await startCluster({ minor, extraArgs: ["--snapshot-count", "60"] });
    const [member] = cluster.members;
    const client = await cluster.client();
    await putMany(
      client,
      Array.from({ length: 200 }, (_, index) => ({ key: `/registry/pods/${index % 50}`, value: `value ${index}` })),
    );
    await deleteMany(client, ["/registry/pods/1", "/registry/pods/2"]);
    await cluster.etcdctl(["compact", "100"]);
    const revision = await currentRevision(client);
    const [{ hash } = { hash: 0 }] = await cluster.hashKv(Number(revision));
    const id = (await cluster.memberId(member!)).padStart(16, "0");

    const running = await json(["inspect", member!.dataDir]);
    expect(running).toMatchObject({
      kind: "data-directory",
      inUse: { locked: true, processId: member!.pid },
      wal: { memberId: id },
      dataDirectory: { memberId: id, memberName: "m0" },
    });

    const file = join(directory.path, "snapshot.db");
    await cluster.etcdctl(["snapshot", "save", file], [member!]);
    const compactRevision = "100";
    const verified = { outcome: "passed", hashKv: { revision: revision.toString(), compactRevision, hash }, findings: [] };
    expect((await json(["verify", file])).verified).toMatchObject([{ file, level: "structure", ...verified }]);
    if (minor === "3.7") {
      const piped = await runCli(["verify", "-", "-o", "json", "--spool-dir", directory.path], { stdin: await readFile(file) });
      expect(JSON.parse(piped.stdout).verified).toMatchObject([{ file: "standard input", ...verified }]);
    }
    const { snapshot } = await json(["inspect", file]);
    expect(snapshot).toMatchObject({
      hash: "matches",
      revision: revision.toString(),
      keys: 48,
      hashKv: verified.hashKv,
    });

    await member!.kill();
    const killed = await json(["inspect", member!.dataDir]);
    expect(killed).toMatchObject({ inUse: { locked: false }, wal: { fault: null }, dataDirectory: { memberId: id, findings: [] } });
    expect(killed.dataDirectory.raftSnapshots.length).toBeGreaterThan(0);
    const { consistentIndex } = killed.snapshot;
    expect(BigInt(killed.dataDirectory.unappliedEntries)).toBe(BigInt(killed.wal.entries.lastIndex) - BigInt(consistentIndex));

    const restored = join(directory.path, "restored");
    await json(["restore", file, "--data-dir", restored, "--bump-revision", "none"]);
    expect(await json(["inspect", restored])).toMatchObject({
      snapshot: { revision: revision.toString(), consistentIndex: "1", alarms: [] },
      wal: { entries: { firstIndex: "1", lastIndex: "1" }, fault: null },
      dataDirectory: { memberName: "default", unappliedEntries: "0", raftSnapshots: [{ index: "1", term: "1", fault: null }], leftovers: [], findings: [] },
    });
  });
}

test("backups in a directory: damage of each kind is found, recorded, and shown; the good ones pass", async () => {
  await using directory = await temporaryDirectory("verify");
  const repository = join(directory.path, "repository");
  {
    await using cluster = await startCluster();
    const client = await cluster.client();
    for (let round = 0; round < 5; round++) {
      await putMany(
        client,
        Array.from({ length: 100 * (round + 1) }, (_, index) => ({ key: `key-${index}`, value: `value ${round} ${index}` })),
      );
      await json(["save", "--endpoints", cluster.endpoints.join(","), "--repository", repository]);
    }
  }
  const backups = join(repository, "default/backups");
  const [flipped = "", short = "", gone = "", swapped = "", good = ""] = (await readdir(backups)).sort();
  const object = (id: string) => join(backups, id, "snapshot.db.zst");
  const { verified: before } = await json(["verify", "--all", "--repository", repository]);
  expect(before.map(({ outcome }: { outcome: string }) => outcome)).toEqual(Array(5).fill("passed"));

  await cp(object(good), object(swapped));
  await flipByte(object(flipped), 1000);
  await truncate(object(short), 2000);
  await rm(object(gone));
  for (const level of ["stored-bytes", "structure"]) {
    const { verified } = await json(["verify", "--all", "--repository", repository, "--level", level], 6);
    const failures = verified.map(({ backup, outcome, failure }: Verified) => [backup, outcome, failure?.code ?? null]);
    expect(failures).toEqual([
      [good, "passed", null],
      [swapped, "failed", "OBJECT_CORRUPT"],
      [gone, "failed", "STORAGE_NOT_FOUND"],
      [short, "failed", "OBJECT_TRUNCATED"],
      [flipped, "failed", "OBJECT_CORRUPT"],
    ]);
  }
  const listed = (await json(["list", "--repository", repository])).backups;
  expect(listed.map(({ state }: { state: string }) => state)).toEqual(["unconfirmed", "damaged", "damaged", "damaged", "damaged"]);
  const text = await runCli(["verify", flipped, "--repository", repository]);
  expect(text).toMatchObject({ exitCode: 6, stdout: expect.stringMatching(/error: snapshot\.db\.zst, byte \d+/) });
  expect(await json(["inspect", repository])).toMatchObject({ kind: "repository", repository: { clusters: [{ name: "default", backups: 5 }] } });

  await rm(object(good));
  expect(await runCli(["verify", "--repository", repository])).toMatchObject({
    exitCode: 6,
    stderr: expect.stringMatching(/no backup in cluster default of .* may be latest: .*; \S+ is verified/),
  });
});

interface Verified {
  readonly backup: string;
  readonly outcome: string;
  readonly failure: { readonly code: string } | null;
}

/** What the command prints with `-o json`. Its exit code has to be the one given. */
// biome-ignore lint/suspicious/noExplicitAny: documents of every command.
async function json(args: readonly string[], exitCode = 0): Promise<any> {
  const result = await runCli([...args, "-o", "json"]);
  expect(result.exitCode, `etcdsafe ${args.join(" ")}\n${result.stderr}`).toBe(exitCode);
  return JSON.parse(result.stdout);
}

async function flipByte(path: string, offset: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, offset);
    await file.write(Buffer.of(buffer[0]! ^ 1), 0, 1, offset);
  } finally {
    await file.close();
  }
}
