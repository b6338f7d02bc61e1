// Step “Compare the members” of distributions that write to etcd meanwhile, as it is printed, on a real cluster.
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { provisionEtcd } from "../../../scripts/provision.ts";
import { snapshotInstructions } from "../../../src/restore/instructions/instructions.ts";
import { runCommand } from "../../support/command.ts";
import { startCluster } from "../../support/etcd.ts";

/** Runs what follows `rsh -n NAMESPACE -c CONTAINER POD`. */
const OC = `#!/bin/sh
[ "$1" = rsh ] || { echo pod/etcd-1; exit 0; }
shift 6
exec "$@"
`;

test.each(["k3s", "openshift"] as const)("instructions for %s: members that are written to while they are compared show one hash", async (distro) => {
  const cluster = await startCluster({ size: 3 });
  onTestFinished(() => cluster.stop());
  const restore = { file: "/x/y.db", restoreCommand: "true", adoptCommand: null, quotaBackendBytes: 1, time: "t" };
  const steps = snapshotInstructions(distro, restore).flatMap((host) => host.steps);
  const { commands } = steps.find(({ title }) => title === "Compare the members")!;
  const [endpoint] = cluster.endpoints;
  const script = commands
    .filter((command) => command.includes("etcdctl"))
    .join("\n")
    .replaceAll(/--endpoints \S+ --cacert \S+ --cert \S+ --key \S+/g, `--endpoints ${endpoint}`);
  await writeFile(join(cluster.directory, "oc"), OC, { mode: 0o755 });
  const { etcdctl } = await provisionEtcd("3.7");
  const env = { PATH: `${cluster.directory}:${dirname(etcdctl)}:${process.env["PATH"]}`, ...(distro === "k3s" ? {} : { ETCDCTL_ENDPOINTS: endpoint }) };

  const client = await cluster.client();
  const stopped = new AbortController();
  const writing = (async () => {
    for (let count = 0; !stopped.signal.aborted; count++) await client.put(`key-${count % 50}`).value(String(count));
  })();
  try {
    for (let run = 0; run < 5; run++) {
      const { stdout, stderr, exitCode } = await runCommand("sh", ["-c", script], { env });
      expect(exitCode, stderr).toBe(0);
      const hashes = stdout.trim().split("\n");
      expect(hashes).toHaveLength(3);
      expect(new Set(hashes.map((line) => line.replace(/^\S+, /, ""))).size, stdout).toBe(1);
    }
  } finally {
    stopped.abort();
    await writing;
  }
});
