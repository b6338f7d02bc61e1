// docs/external-etcd.md, done to the letter: its commands and units are taken from the page, and tried on a real etcd of three members.
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../support/cli.ts";
import { runCommand } from "../support/command.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { expectEnd, type GuardedEtcd, prepareGuardedEtcd } from "../support/guarded-etcd.ts";
import { blocksOf, sectionOf, withInstead } from "../support/markdown.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const PAGE = "external-etcd.md";
const directory = await temporaryDirectory("external-etcd");
const path = (name: string) => join(directory.path, name);
const documented = (heading: string) => blocksOf(sectionOf(PAGE, heading), "sh");
let etcd: GuardedEtcd;
let cluster: EtcdCluster;

beforeAll(async () => {
  etcd = await prepareGuardedEtcd(directory.path);
  cluster = await etcd.start({ size: 3 });
});
afterAll(async () => {
  await cluster?.stop();
  await directory.remove();
});

const files = () => ({
  "/etc/etcdsafe/etcd/ca.crt": etcd.authority.path,
  "/etc/etcdsafe/etcd/client.crt": etcd.certificate("etcdsafe").cert,
  "/etc/etcdsafe/etcd/client.key": etcd.certificate("etcdsafe").key,
});
const ENDPOINTS = "https://etcd-1:2379,https://etcd-2:2379,https://etcd-3:2379";

test("the first save is proven, also where one member alone is named", async () => {
  const commands = documented("A first save")[0]!;
  const done = await etcd.shell(
    withInstead(commands, { ...files(), [ENDPOINTS]: cluster.endpoints.join(","), "/var/backups/etcd": path("external") }),
    cluster,
    "3.7",
  );
  expectEnd(done, 0);
  expect(done.stdout).toMatch(/^state +proven/m);
  const save = (endpoints: string) =>
    runCli(["save", "--output", path("external.db"), "--endpoints", endpoints, "--cacert", etcd.authority.path, ...etcd.presenting("etcdsafe")]);
  expect((await save(cluster.endpoints[0]!)).stdout).toMatch(/^state +proven/m);
  const srv = await runCli(["save", "--output", path("external.db")], { env: { ETCDCTL_DISCOVERY_SRV: "example.org" } });
  expect(srv).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("ETCDCTL_DISCOVERY_SRV") });
});

test("a host that is not in the certificate, and a key that another user may not read, end a save before it begins", async () => {
  const elsewhere = await etcd.authority.issue({ name: "elsewhere", hosts: ["etcd-1"] });
  await using one = await startCluster({ tls: { caPath: etcd.authority.path, server: elsewhere }, extraArgs: ["--trusted-ca-file", ""], waitFor: "serving" });
  const save = ["save", "--output", path("named.db"), "--cacert", etcd.authority.path, "--endpoints"];
  expect(await runCli([...save, one.endpoints[0]!])).toMatchObject({ exitCode: 4, stderr: expect.stringMatching(/ETCD_TLS_FAILED/) });

  await chmod(directory.path, 0o755);
  const [install] = documented("Certificates");
  const isRoot = process.getuid?.() === 0;
  const startedBy = isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
  const key = path("root-only.key");
  await writeFile(key, await readFile(etcd.certificate("etcdsafe").key), { mode: isRoot ? 0o400 : 0 });
  const { cert } = etcd.certificate("etcdsafe");
  const output = ["--cacert", etcd.authority.path, "--cert", cert, "--endpoints", cluster.endpoints.join(","), "--output"];
  const unreadable = await runCli(["save", "--key", key, ...output, path("unreadable.db")], { startedBy });
  expect(unreadable).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/cannot be read: permission denied/) });
  if (!isRoot) return;
  const own = path("own");
  const given = {
    "-o etcdsafe -g etcdsafe": "-o 65534 -g 65534",
    "/etc/etcdsafe/etcd": own,
    "ca.crt": etcd.authority.path,
    "client.crt": cert,
    "client.key": etcd.certificate("etcdsafe").key,
  };
  expectEnd(await runCommand("sh", ["-ec", withInstead(install!, given)]), 0);
  const copied = join(own, "etcdsafe.key");
  expectEnd(await runCli(["save", "--key", copied, ...output, "-"], { startedBy }), 0);
});

test("the unit's command saves with the key that systemd hands over, and systemd takes unit and timer", async () => {
  const [service, timer] = blocksOf(sectionOf(PAGE, "On a timer"), "ini") as [string, string];
  const settings = (name: string) => [...service.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value]) => value!);
  const repository = path("by-timer");
  const replaced = {
    [ENDPOINTS]: cluster.endpoints.join(","),
    "/var/backups/etcd": repository,
    "/etc/etcd/pki/ca.crt": etcd.authority.path,
    "/etc/etcd/pki/client.crt": etcd.certificate("etcdsafe").cert,
  };
  const variables = withInstead(settings("Environment").join(" "), replaced).split(" ");
  const [name, source] = settings("LoadCredential")[0]!.split(":");
  expect(source).toBe("/etc/etcd/pki/client.key");
  await mkdir(path("credentials"));
  await writeFile(path(`credentials/${name}`), await readFile(etcd.certificate("etcdsafe").key));
  const command = withInstead(settings("ExecStart")[0]!, { "/usr/local/bin/etcdsafe": path("bin/etcdsafe") });
  const env = { ...Object.fromEntries(variables.map((each) => each.split(/=(.*)/s))), CREDENTIALS_DIRECTORY: path("credentials"), PATH: process.env["PATH"] };
  const done = await runCommand("sh", ["-ec", command], { env });
  expectEnd(done, 0);
  expect(done.stdout).toMatch(/^state +proven/m);

  const units = { "etcdsafe-save.service": service.replace("/usr/local/bin/etcdsafe", path("bin/etcdsafe")), "etcdsafe-save.timer": timer };
  for (const [unit, text] of Object.entries(units)) await writeFile(path(unit), text);
  const checked = await runCommand("systemd-analyze", ["verify", "--man=no", ...Object.keys(units).map(path)]).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error; // A host without systemd.
  });
  if (checked !== undefined) expectEnd(checked, 0);
});

test("a member that is down is told, and the others are majority enough", async () => {
  await cluster.members[0]!.kill();
  const done = await runCli([
    "save",
    "--output",
    path("two.db"),
    "--endpoints",
    cluster.endpoints.join(","),
    "--cacert",
    etcd.authority.path,
    ...etcd.presenting("etcdsafe"),
  ]);
  expect(done.stderr).toMatch(/cannot connect/);
  expect(done.stdout).toMatch(/^state +proven/m);
});

test("a save asks nobody at a peer URL; a member that knows an authority wants a certificate", async () => {
  const nowhere = "http://192.0.2.1:2380"; // RFC 5737: no host has it.
  const tls = { caPath: etcd.authority.path, server: etcd.certificate("server"), client: etcd.certificate("root") };
  await using one = await startCluster({ tls, extraArgs: ["--initial-advertise-peer-urls", nowhere, "--initial-cluster", `m0=${nowhere}`] });
  const save = (...more: readonly string[]) =>
    runCli(["save", "--endpoints", one.endpoints[0]!, "--cacert", etcd.authority.path, "--output", path("one.db"), ...more], { limitMs: 20_000 });
  expectEnd(await save(...etcd.presenting("etcdsafe")), 0);
  expect(await save()).toMatchObject({ exitCode: 4, stderr: expect.stringContaining("ETCD_CLIENT_CERT_REQUIRED") });
});
