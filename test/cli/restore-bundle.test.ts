// Where --bundle-dir may be: nothing is restored, and nothing is left, where the bundle could not get its name after that.
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Invocation } from "../../src/cli/command.ts";
import { withBundle } from "../../src/cli/restore-bundle.ts";
import { directoriesOf, type WrittenPlace } from "../../src/cli/restore-bundle-place.ts";
import { readConfig } from "../../src/config/config.ts";
import type { OptionName } from "../../src/config/options.ts";
import type { SnapshotSource } from "../../src/restore/source.ts";
import { expectThrown } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const directory = await temporaryDirectory("restore-bundle");
const path = (...names: readonly string[]) => join(directory.path, ...names);
afterAll(() => directory.remove());

const BUNDLE = { indexBytes: Buffer.from("{}"), entries: [] };
const source = { facts: { location: "b" }, bundle: { read: async () => BUNDLE } } as unknown as SnapshotSource;

/** Which of both was done, and what was said. */
async function restored(bundleDir: string, written: readonly WrittenPlace[]) {
  return run({ "bundle-dir": bundleDir }, written);
}

async function run(options: Partial<Record<OptionName, string>>, written: readonly WrittenPlace[], from = source) {
  const flags = new Map(Object.entries(options).map(([name, text]) => [name as OptionName, [text]]));
  const { config } = await readConfig({ command: "restore", flags, environment: {} });
  const runtime = testRuntime();
  const invocation = { config, runtime, signal: AbortSignal.timeout(60_000) } as unknown as Invocation;
  const exitCode = await withBundle(invocation, from, written, async () => {
    for (const { path: place } of written) await mkdir(place, { recursive: true });
    return 0;
  });
  return { exitCode, messages: runtime.logged.map(({ message }) => message) };
}

function member(dataDir: string | null, walDir: string | null = null): WrittenPlace[] {
  const common = { name: "m", id: "1", peerUrls: [], clientUrls: [], clientUrlsAssumed: false, replaces: null, access: null };
  return directoriesOf({ members: [{ ...common, dataDir, walDir }] });
}

test.each([
  ["data", "is the data directory of this restore, ", ["data"]],
  ["data/member/snap/files", "lies in the data directory of this restore, ", ["data"]],
  [".", "is around the data directory of this restore, ", ["data"]],
  ["wal/files", "lies in the WAL directory of this restore, ", ["elsewhere/data", "wal"]],
  ["link/data", "is the data directory of this restore, ", ["real/data"]],
  ["real/data", "is the data directory of this restore, ", ["link/data"]],
  ["link", "is around the data directory of this restore, ", ["real/none/data"]],
])("restore --bundle-dir %s: %s%j is refused, and nothing is written", async (bundleDir, text, [dataDir, walDir]) => {
  await using place = await temporaryDirectory("restore-bundle-place");
  await mkdir(join(place.path, "real"));
  await symlink("real", join(place.path, "link"));
  const written = member(join(place.path, dataDir!), walDir === undefined ? null : join(place.path, walDir));
  const asked = join(place.path, bundleDir);
  const error = await expectThrown("USAGE", () => restored(asked, written), new RegExp(`^--bundle-dir: ${asked} ${text}`));
  expect(error.hint).toMatch(/Nothing was written/);
  expect(await readdir(place.path, { recursive: true })).toEqual(["link", "real"]);
});

test("restore --bundle-dir: a link that leads nowhere, a file, or what lies below one, is refused before anything is written", async () => {
  await symlink("nowhere", path("dangling"));
  await writeFile(path("file"), "theirs");
  const written = member(path("beside"));
  await expectThrown("TARGET_NOT_EMPTY", () => restored(path("dangling"), written), /dangling, where the bundle is to go, is a link that leads nowhere$/);
  await expectThrown("TARGET_NOT_EMPTY", () => restored(path("dangling/a/b"), written), /b, where .* go, lies below .*dangling, a link that leads nowhere$/);
  await expectThrown("TARGET_NOT_EMPTY", () => restored(path("file"), written), /file, where the bundle is to go, is no directory/);
  await expectThrown(
    "TARGET_NOT_EMPTY",
    () => restored(path("file/below"), written),
    /below, where the bundle is to go, is no directory, or lies below a file/,
  );
  expect((await readdir(directory.path)).sort()).toEqual(["dangling", "file"]);
});

test("restore --bundle-dir: beside the data directory, also under a name that begins alike, and into the empty directory that a link leads to", async () => {
  expect(await restored(path("data-files"), member(path("data"), path("..data")))).toMatchObject({ exitCode: 0 });
  expect(await readFile(path("data-files/etcdsafe-bundle.json"), "utf8")).toBe("{}");
  await mkdir(path("empty"));
  await symlink("empty", path("to-empty"));
  // Of a member on another host nothing is written here.
  const done = await restored(path("to-empty"), member(null));
  expect(done).toEqual({ exitCode: 0, messages: [expect.stringMatching(/are in .*to-empty$/)] });
  expect(await readFile(path("empty/etcdsafe-bundle.json"), "utf8")).toBe("{}");
});

test("restore --from-plan: without --bundle-dir it says that nothing is unpacked, where there is something", async () => {
  const byPlan = { "from-plan": "plan.json" };
  const message = expect.stringMatching(/ saved beside the snapshot are not unpacked: .*--bundle-dir DIR$/);
  expect(await run(byPlan, [])).toEqual({ exitCode: 0, messages: [message] });
  expect(await run(byPlan, [], { ...source, bundle: undefined } as unknown as SnapshotSource)).toEqual({ exitCode: 0, messages: [] });
  expect(await run({}, [])).toEqual({ exitCode: 0, messages: [] });
  expect((await run({ ...byPlan, "bundle-dir": path("by-plan") }, [])).messages).toEqual([expect.stringMatching(/are in .*by-plan$/)]);
});
