// A quorum that is lost, and one data directory that is left of it: docs/disaster.md, “One directory is left”, done to the letter.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ETCD_MINORS, provisionEtcd } from "../../scripts/provision.ts";
import { NODE, runCli } from "../support/cli.ts";
import { runCommand } from "../support/command.ts";
import { runs } from "../support/counts.ts";
import { planMembers, startCluster } from "../support/etcd.ts";
import { comparable, readAll } from "../support/etcd-data.ts";
import type { PlannedMember } from "../support/etcd-member.ts";
import { expectFailure } from "../support/failures.ts";
import { claimPorts, releasePorts } from "../support/ports.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/etcdsafe.js", import.meta.url));
const PUTS = 40;

/** As docs/disaster.md has them below “One directory is left”, with these in place of what stands there. */
async function documentedCommands(replaced: Readonly<Record<string, string>>): Promise<string> {
  const doc = await readFile(new URL("../../docs/disaster.md", import.meta.url), "utf8");
  let commands = /^## One directory is left$.*?^```sh$(.*?)^```$/ms.exec(doc)![1]!;
  for (const [what, by] of Object.entries(replaced)) {
    expect(commands).toContain(what);
    commands = commands.replaceAll(what, by);
  }
  return commands;
}

test.each(ETCD_MINORS.toReversed().slice(0, runs(1, ETCD_MINORS.length)))(
  "etcd %s: of three members that were killed one directory is left, and what docs/disaster.md says brings back all but the last write",
  async (minor) => {
    await using cluster = await startCluster({ minor, size: 3, extraArgs: ["--backend-batch-interval", "1h"] });
    const here = cluster.directory;
    const survivor = await cluster.leader();
    const keys = Array.from({ length: PUTS }, (_, index) => `key-${String(index).padStart(3, "0")}`);
    const client = await cluster.client();
    for (const key of keys) await client.put(key).value("v");
    const repository = join(here, "backup");
    const save = (endpoints: string) => runCli(["save", "--endpoints", endpoints, "--repository", repository], { cwd: here });
    const before = await save(survivor.clientUrl);
    expect(before.exitCode, before.stderr).toBe(0);
    for (const key of keys) await client.put(key).value("w");
    await Promise.all(cluster.members.map((member) => member.kill()));
    for (const { dataDir } of cluster.members) if (dataDir !== survivor.dataDir) await rm(dataDir, { recursive: true });
    const [first, ...others] = await planMembers(3, join(here, "restored"));
    const restored = [{ ...first!, dataDir: survivor.dataDir }, ...others];
    const line = ({ name, peerUrl, clientUrl, dataDir }: PlannedMember) =>
      `  - ${JSON.stringify({ name, peerUrls: [peerUrl], clientUrls: [clientUrl], dataDir })}\n`;
    await writeFile(join(here, "members.yaml"), `token: alone\nmembers:\n${restored.map(line).join("")}`);
    const database = join(survivor.dataDir, "member/snap/db");
    const refused = await runCli(["restore", database, "--skip-hash-check", "--members", "members.yaml", "--plan"], { cwd: here });
    expectFailure("WAL_NOT_APPLIED", refused, {
      message: /goes on to entry \d+: \d+ entries would be lost$/,
      hint: /docs\/disaster\.md, “One directory is left”/,
    });

    const [clientPort, peerPort] = await claimPorts(2);
    const { etcd } = await provisionEtcd(minor);
    const bin = join(here, "bin");
    await mkdir(bin);
    await writeFile(join(bin, "etcdsafe"), `#!/bin/sh\nexec ${NODE} ${LAUNCHER} "$@"\n`, { mode: 0o755 });
    const commands = await documentedCommands({
      "/var/lib/etcd": survivor.dataDir,
      "/root": here,
      "/backup": repository,
      ":12379": `:${clientPort}`,
      ":12380": `:${peerPort}`,
    });
    const broken = join(here, "broken");
    await mkdir(broken);
    await writeFile(join(broken, "etcd"), "#!/bin/sh\necho cannot start\nexit 1\n", { mode: 0o755 });
    const run = (...first: string[]) =>
      runCommand("sh", ["-ec", `trap 'kill $! 2>/dev/null || true' EXIT\n${commands}`], {
        cwd: here,
        env: { ...process.env, PATH: [...first, bin, dirname(etcd), process.env["PATH"]].join(":") },
      });
    try {
      const failed = await run(broken);
      expect(failed).toMatchObject({ exitCode: 1, stdout: "cannot start\n" });
      const done = await run();
      expect(done.exitCode, done.stderr + done.stdout).toBe(0);
      const [, upTo] = /^lost +at most \d+ revisions?, up to (\d+) \(/m.exec(done.stdout) ?? [];
      expect(Number(upTo), done.stdout).toBeGreaterThanOrEqual(1 + 2 * PUTS);
    } finally {
      await releasePorts([clientPort!, peerPort!]);
    }

    const [, restore] = /^etcdsafe (restore .*) --plan$/m.exec(commands)!;
    const written = await runCli([...restore!.split(" "), "--all-members"], { cwd: here });
    expect(written.exitCode, written.stderr).toBe(0);
    await using again = await startCluster({ minor, members: restored, directory: join(here, "again"), token: "alone", initialClusterState: "existing" });
    const survived = await readAll(await again.client());
    const having = (value: string) => survived.filter((each) => each.value === comparable(Buffer.from(value))).length;
    expect(survived.map(({ key }) => key)).toEqual(keys.map((key) => comparable(Buffer.from(key))));
    expect([PUTS - 1, PUTS]).toContain(having("w"));
    expect(having("v") + having("w")).toBe(PUTS);
    expect(new Set((await again.hashKv()).map(({ hash }) => hash)).size).toBe(1);
    const next = await save(again.members[0]!.clientUrl);
    expect(next.exitCode, next.stderr).toBe(0);
  },
);
