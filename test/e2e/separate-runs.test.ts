// Three hosts restore one member each: without a token that is refused, and the refusal's own commands make a cluster.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { NODE, runCli } from "../support/cli.ts";
import { initialCluster, planMembers, startCluster } from "../support/etcd.ts";
import { plainRows } from "../support/random-history.ts";
import { writeSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const LAUNCHER = new URL("../../bin/etcdsafe.js", import.meta.url).pathname;
const run = promisify(execFile);

test("separate runs: without a token they are refused, and the commands that the refusal prints form one cluster", async () => {
  await using directory = await temporaryDirectory("separate");
  const source = join(directory.path, "it's a snapshot.db");
  writeSnapshot(source, { rows: plainRows(50) });
  const members = await planMembers(3, directory.path);
  const [first] = members;
  const flags = ["--name", first!.name, "--initial-cluster", initialCluster(members), "--initial-advertise-peer-urls", first!.peerUrl];
  const refused = await runCli(["restore", source, ...flags, "--data-dir", first!.dataDir]);
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain("TOKEN_REQUIRED");
  const commands = refused.stderr.split("\n").flatMap((line) => /^\s*etcdsafe (restore .*)$/.exec(line)?.[1] ?? []);
  expect(commands).toHaveLength(3);
  for (const [index, command] of commands.entries()) {
    // All run on this host here, so each gets its own member's directory; the shell takes the rest as it stands.
    await run("sh", ["-c", `"${NODE}" "${LAUNCHER}" ${command.replace(first!.dataDir, members[index]!.dataDir)}`]);
  }
  await using cluster = await startCluster({ minor: "3.7", members, directory: directory.path, initialClusterState: "existing" });
  const hashes = await cluster.hashKv(51);
  expect(new Set(hashes.map(({ hash }) => hash)).size).toBe(1);
});
