// What a power failure could take back of a save: nothing of what gets its name, and once the save has ended, nothing at all.
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../support/cli.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { saveArguments } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import type { RecordedEffect } from "./kit/crash-effects.ts";
import { unsyncedAfter } from "./kit/durability.ts";
import { recordEffects } from "./kit/for-each-crash-point.ts";

const directory = await temporaryDirectory("save-syncs");
let cluster: EtcdCluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => {
  await cluster?.stop();
  await directory.remove();
});

/** What a save did to files, as far as they are below the test's directory. */
async function saved(args: readonly string[]): Promise<RecordedEffect[]> {
  const { effects } = await recordEffects((run) => runCli(args, run));
  return effects.filter(({ path }) => path.startsWith(directory.path));
}

/** What got its name, by which old one, and where among the effects that began. */
function arrivalsOf(effects: readonly RecordedEffect[]): { readonly path: string; readonly from: string; readonly index: number }[] {
  return effects.flatMap(({ kind, path, from, ended }, index) => ((kind === "rename" || kind === "link") && !ended ? [{ path, from: from!, index }] : []));
}

test.each([[[]], [["--no-spool"]]])("save --output with %j: the file is on the disk before it gets its name, and the name when it ends", async (flags) => {
  const output = join(directory.path, `out${flags.join("")}`, "etcd.db");
  await mkdir(dirname(output));
  const effects = await saved(["save", "--endpoints", cluster.members[0]!.clientUrl, "--output", output, ...flags]);
  const arrivals = arrivalsOf(effects);
  expect(arrivals.map(({ path }) => path)).toEqual([output]);
  expect(unsyncedAfter(effects, arrivals[0]!.index)).toEqual([dirname(output)]);
  expect(effects.some(({ kind, path }) => kind === "write" && path.startsWith(`${output}.`) && path.endsWith(".part"))).toBe(true);
  expect(unsyncedAfter(effects)).toEqual([]);
});

test("save into a repository: an object is on the disk before it gets its name, the manifest after all that it speaks of, and all when the save ends", async () => {
  const repository = join(directory.path, "repository");
  const lasting = (unsynced: readonly string[]) => unsynced.filter((path) => !path.includes("/.etcdsafe/"));
  const effects = await saved(saveArguments(cluster.members[0]!.clientUrl, repository, "--cluster", "prod"));
  const objects = arrivalsOf(effects).filter(({ path }) => !path.includes("/.etcdsafe/"));
  expect(objects.map(({ path }) => path.replace(/^.*\//, ""))).toEqual([
    "etcdsafe-repository.json",
    "etcdsafe-repository.json", // A second time, to prove that this is refused.
    "etcdsafe-repository.json", // Replaced, to prove that who knows the version before is refused.
    "etcdsafe-repository.json", // With what was found.
    expect.stringMatching(/^\d{8}T\d{6}Z-0{19}-\w+\.json$/), // By which it is tried beforehand whether anything can be written.
    expect.stringMatching(/^\d{8}T\d{6}Z-\d+-\w+\.json$/), // What says that an upload is going on.
    "snapshot.db.zst",
    "cluster.json",
    expect.stringMatching(/^\d{8}T\d{6}Z-\d+-\w+\.json$/), // Renewed: it is still ours when the manifest is written.
    "manifest.json",
  ]);
  for (const { path, from, index } of objects) {
    const unsynced = unsyncedAfter(effects, index);
    expect(unsynced, `what ${path} is to name`).not.toContain(from);
    expect(lasting(unsynced), `when ${path} appears`).toEqual([]);
  }
  expect(lasting(unsyncedAfter(effects))).toEqual([]);
});
