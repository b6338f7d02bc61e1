// `repo check` and `repo gc` as an operator sees them: texts, documents and exit codes. What they find is in test/maintenance and test/faults/save-kills.
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCli, startCli } from "../support/cli.ts";
import { expectFailure } from "../support/failures.ts";
import { expectExit } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const ID = "20261121T093000Z-0000000000000012345-k3jv2a";

test("repo check and gc: leftovers are warned of, planned, removed and gone; damage is exit code 6", async () => {
  await using directory = await temporaryDirectory("upkeep");
  const repository = join(directory.path, "repository");
  const at = ["--repository", repository];
  expectFailure("REPOSITORY_NOT_FOUND", await runCli(["repo", "gc", ...at]), { message: /there is no repository/ });
  await expectExit(0, ["repo", "init", ...at]);
  expect((await expectExit(0, ["repo", "gc", ...at])).stdout).toBe("There is no garbage.\n");
  await mkdir(join(repository, "default/backups", ID), { recursive: true });
  await writeFile(join(repository, "default/backups", ID, "snapshot.db.zst"), "half");

  const checked = (await expectExit(0, ["repo", "check", ...at])).stdout;
  expect(checked).toMatch(
    /^warning {2}default\/backups\/.*: no manifest: nobody is writing it; `etcdsafe repo gc` removes it\n2 objects .*, 0 backups of 1 cluster: 0 errors, 1 warning\./,
  );
  const plan = JSON.parse((await expectExit(0, ["repo", "gc", "--plan", ...at, "-o", "json"])).stdout).plan;
  expect(plan.remove).toMatchObject([{ cluster: "default", backup: ID, objects: [{ sizeBytes: 4 }] }]);
  expect((await expectExit(0, ["repo", "gc", "--plan", ...at])).stdout).toContain("would be removed (1 object, 4 B)");

  const lease = {
    format: 1,
    requires: [],
    tool: { name: "etcdsafe", version: "9" },
    cluster: "default",
    epoch: "1",
    releasedAt: null,
    expiresAfterSeconds: 30,
  };
  const time = "2026-11-21T09:00:00.000Z";
  const holder = { id: "aaaaaaaaaaaa", host: "cp-1", pid: 1, purpose: "prune" };
  const renewed = async () =>
    writeFile(join(repository, "default/writer.json"), JSON.stringify({ ...lease, holder, acquiredAt: time, heartbeatAt: new Date().toISOString() }));
  await renewed();
  const beating = setInterval(renewed, 500);
  expectFailure("WRITER_LOCKED", await runCli(["repo", "gc", ...at]), {
    message: /^prune on cp-1 \(process 1\) is writing to default of .* since 2026-11-21T09:00:00.000Z$/,
  });
  clearInterval(beating);
  await rm(join(repository, "default/writer.json"));

  expect((await expectExit(0, ["repo", "gc", ...at])).stdout).toMatch(/ removed \(1 object, 4 B\): no manifest/);
  expect(JSON.parse((await expectExit(0, ["repo", "check", ...at, "-o", "json"])).stdout)).toMatchObject({ backups: 0, findings: [] });
  await writeFile(join(repository, "default/writer.json"), "{");
  const damaged = await runCli(["repo", "check", ...at]);
  expect(damaged.exitCode).toBe(6);
  expect(damaged.stdout).toMatch(/^ERROR {4}default\/writer\.json: .*not JSON/);
});

test("repo gc: a collector that was suspended until another took its lease over finds out before it removes anything more", async () => {
  await using directory = await temporaryDirectory("upkeep");
  const repository = join(directory.path, "repository");
  const at = ["--repository", repository];
  const lease = join(repository, "default/writer.json");
  await expectExit(0, ["repo", "init", ...at]);
  const ids = Array.from({ length: 400 }, (_, index) => ID.replace("12345", String(10_000 + index)));
  for (const id of ids) {
    await mkdir(join(repository, "default/backups", id), { recursive: true });
    await writeFile(join(repository, "default/backups", id, "snapshot.db.zst"), "half");
  }
  const collecting = startCli(["repo", "gc", ...at]);
  await expect.poll(() => existsSync(lease), { interval: 5, timeout: 60_000 }).toBe(true);
  collecting.signal("SIGSTOP");
  const before = JSON.parse(await readFile(lease, "utf8"));
  expect(before.holder.purpose).toBe("gc");
  // As another would that has waited until it expired.
  await writeFile(lease, JSON.stringify({ ...before, epoch: "2", holder: { ...before.holder, id: "aaaaaaaaaaaa", host: "cp-2", purpose: "prune" } }));
  collecting.signal("SIGCONT");
  expectFailure("WRITER_LEASE_LOST", await collecting.finished, { message: /^the writer lease default\/writer\.json was lost: prune on cp-2 .* has it now$/ });
  expect((await readdir(join(repository, "default/backups"))).length).toBeGreaterThan(0);
  expect(JSON.parse(await readFile(lease, "utf8"))).toMatchObject({ epoch: "2", releasedAt: null });
});
