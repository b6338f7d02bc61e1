// `restore --to-snapshot` again and again: nothing but what the former ones left behind shows what was served since.
import { cp, mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../../support/cli.ts";
import { expectExit } from "../../support/saving.ts";
import { writeSnapshot } from "../../support/snapshots.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../support/temporary-directory.ts";

const DISTANCE = 1_000_000_000;

let directory: TemporaryDirectory;
const path = (name: string) => join(directory.path, name);

beforeAll(async () => {
  directory = await temporaryDirectory("to-snapshot");
  writeSnapshot(path("snapshot.db"));
});
afterAll(() => directory.remove());

async function restored(file: string, ...flags: readonly string[]): Promise<number> {
  const { stdout } = await expectExit(0, ["restore", path("snapshot.db"), "--to-snapshot", path(file), ...flags, "-o", "json"]);
  return Number(JSON.parse(stdout).file.revision.after);
}

test("restore --to-snapshot, twice, with a repository: the second is beyond all that the first could serve; a copy counts for nothing", async () => {
  const repository = ["--repository", path("repository")];
  await expectExit(0, ["repo", "init", ...repository]);
  const copy = await restored("copy.db", ...repository, "--copy");
  const first = await restored("first.db", ...repository);
  expect(first).toBe(copy);
  expect(await restored("second.db", ...repository)).toBe(first + DISTANCE);
  const records = await readdir(path("repository/default/restores"));
  expect(records).toEqual([expect.stringMatching(/^snapshot-\d{8}T\d{6}\.\d{3}Z\.json$/), expect.stringMatching(/^snapshot-/)]);
});

test("restore --to-snapshot: one that cannot be put on record is written, and says what the next one has to be told", async () => {
  await mkdir(path("broken"));
  await writeFile(path("broken/etcdsafe-repository.json"), "{");
  const { stderr } = await expectExit(3, ["restore", path("snapshot.db"), "--to-snapshot", path("unrecorded.db"), "--repository", path("broken")]);
  expect(stderr).toMatch(/^warning: the restore could not be recorded .*; the next restore has to be told of this one: --evidence 1000000001$/m);
});

test("restore --to-snapshot --distro k3s: what the host has counts, also once it was put aside, and the printed command has the plan's revision", async () => {
  const [distro, dataDir] = ["k3s", "var/lib/rancher/k3s/server/db/etcd"];
  const root = path(`host-${distro}`);
  const first = await restored(`${distro}-1.db`);
  await mkdir(join(root, dataDir, "member/snap"), { recursive: true });
  await cp(path(`${distro}-1.db`), join(root, dataDir, "member/snap/db"));
  const to = [
    "restore",
    path("snapshot.db"),
    "--to-snapshot",
    path(`${distro}-2.db`),
    "--distro",
    distro,
    "--host-root",
    root,
    "--evidence",
    "4711,snapshot.db",
    "-o",
    "json",
  ];
  const plan = async () => {
    const { exitCode, stdout, stderr } = await runCli([...to, "--plan"], { cwd: directory.path });
    expect(exitCode, stderr).toBe(0);
    return JSON.parse(stdout);
  };
  const planned = await plan();
  expect(planned.plan.revision.evidence).toContainEqual(expect.objectContaining({ kind: "data-directory", where: join(root, dataDir, "member/snap/db") }));
  expect(Number(planned.plan.revision.after)).toBe(first + DISTANCE);
  const commands: string[] = planned.instructions.flatMap(({ steps }: { steps: { commands: string[] }[] }) => steps.flatMap((step) => step.commands));
  const command = commands.find((each) => each.startsWith("etcdsafe restore"))!;
  expect(command).toContain(`--bump-revision ${2 * DISTANCE}`);
  expect(command).toContain(`--evidence 4711,${path("snapshot.db")}`);
  await rename(join(root, dataDir), join(root, `${dataDir}-old-1763000000`));
  expect((await plan()).plan.revision).toMatchObject({ after: planned.plan.revision.after });
});

test("restore --to-snapshot --distro: every command names a repository that is a relative path absolutely", async () => {
  const cwd = path("elsewhere");
  await mkdir(cwd);
  await expectExit(0, ["repo", "init", "--repository", join(cwd, "repo")]);
  for (const distro of ["k3s", "talos", "openshift"]) {
    const { stdout } = await runCli(["restore", path("snapshot.db"), "--repository", "repo", "--to-snapshot", "r.db", "--distro", distro, "--plan"], { cwd });
    const named = [...stdout.matchAll(/^ +etcdsafe .* --repository (\S+)/gm)].map(([, repository]) => repository);
    expect(named).toEqual([join(cwd, "repo"), join(cwd, "repo")]);
  }
});
