// A plan used a second time: the directories are gone, but the repository shows how far the cluster got since.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { encodeManifest } from "../../../src/repository/manifest.ts";
import { manifestKey } from "../../../src/repository/names.ts";
import { sampleManifest } from "../../repository/sample-manifest.ts";
import { runCli } from "../../support/cli.ts";
import { expectFailure } from "../../support/failures.ts";
import { claimPorts, releasePorts } from "../../support/ports.ts";
import { expectExit } from "../../support/saving.ts";
import { writeSnapshot } from "../../support/snapshots.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

test("restore --from-plan again: of what it wrote and is gone, nobody here knows what it has served, unless the repository does", async () => {
  await using directory = await temporaryDirectory("from-plan-again");
  const path = (name: string) => join(directory.path, name);
  const repository = ["--repository", path("repository")];
  writeSnapshot(path("snapshot.db"));
  await expectExit(0, ["repo", "init", ...repository]);
  const [port] = (await claimPorts(1)) as [number];
  const member = ["--initial-cluster", `default=http://127.0.0.1:${port}`, "--data-dir", path("data")];
  const url = member[1]!.slice("default=".length);
  const { stdout } = await expectExit(0, [
    ...["restore", path("snapshot.db"), ...repository, ...member, "--initial-advertise-peer-urls", url, "--plan", "-o", "json"],
  ]);
  await writeFile(path("plan.json"), stdout);
  const byPlan = ["restore", "--from-plan", path("plan.json"), ...repository];
  await expectExit(0, byPlan);
  await expectExit(0, byPlan); // All is in place.
  await rm(path("data"), { recursive: true });
  expectFailure("TOKEN_USED", await runCli(byPlan), { message: /^this plan was carried out at /, hint: /^Make a new plan/ });
  await expectExit(0, ["restore", "--from-plan", path("plan.json")]);

  await rm(path("data"), { recursive: true });
  const { plan } = JSON.parse(stdout);
  const served = (BigInt(plan.revision.after) + 5n).toString();
  const manifest = sampleManifest({ revision: served, clusterId: plan.clusterId });
  const file = join(path("repository"), manifestKey("default", manifest.id));
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, encodeManifest(manifest));
  expectFailure("PLAN_MISMATCH", await runCli(byPlan), {
    message: new RegExp(`${manifest.id} is a backup of cluster ${plan.clusterId}, which this very plan restores: .* gone on to revision ${served}$`),
    hint: /^Where its member is there, start it\. Where its data are lost, restore this backup/,
  });
  expect(await runCli(["inspect", path("data")])).toMatchObject({ exitCode: 8 });
  await releasePorts([port]);
});
