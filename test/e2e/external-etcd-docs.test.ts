// docs/external-etcd.md, done to the letter: its commands are taken from the page, the units from config/systemd, and tried on a real etcd of three members.
import { chmod, copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Job } from "../../src/agent/status.ts";
import type { CertificateFiles } from "../support/certificates.ts";
import { runCli } from "../support/cli.ts";
import { type CommandResult, runCommand, startCommand } from "../support/command.ts";
import { type EtcdCluster, planMembers, startCluster } from "../support/etcd.ts";
import { expectEnd, type GuardedEtcd, prepareGuardedEtcd } from "../support/guarded-etcd.ts";
import { blocksOf, sectionOf, withInstead } from "../support/markdown.ts";
import { claimPorts, releasePorts } from "../support/ports.ts";
import { bootSystemd, whyNoSystemd } from "../support/systemd.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const PAGE = "external-etcd.md";
const directory = await temporaryDirectory("external-etcd");
const path = (name: string) => join(directory.path, name);
const documented = (heading: string) => blocksOf(sectionOf(PAGE, heading), "sh");
/** Not of loopback, where there is another one: whether that is this host's, a save has to ask the kernel. */
const ADDRESS = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
let etcd: GuardedEtcd;
let cluster: EtcdCluster;

beforeAll(async () => {
  etcd = await prepareGuardedEtcd(directory.path);
  const host = ADDRESS ?? "127.0.0.1";
  const members = (await planMembers(3, path("members"), "https")).map((member) => ({ ...member, clientUrl: member.clientUrl.replace("127.0.0.1", host) }));
  const server = await etcd.authority.issue({ name: "here", hosts: [host] });
  cluster = await startCluster({ members, tls: { caPath: etcd.authority.path, server, client: etcd.certificate("root"), requireClientCertificate: true } });
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

const unit = (name: string) => readFile(new URL(`../../config/systemd/${name}`, import.meta.url), "utf8");

/** The values of a unit's settings of this name. */
async function settingsOf(name: string): Promise<(setting: string) => string[]> {
  const text = await unit(name);
  return (setting) => [...text.matchAll(new RegExp(`^${setting}=(.*)$`, "gm"))].map(([, value]) => value!);
}

/** The service's command as systemd starts it, by sh, with what stands for its paths here. */
async function timedSave(repository: string): Promise<{ readonly command: string; readonly env: NodeJS.ProcessEnv }> {
  const settings = await settingsOf("etcdsafe-save.service");
  expect(settings("EnvironmentFile")).toEqual(["/etc/etcdsafe/save.env"]);
  const variables = withInstead(await unit("etcdsafe-save.env"), { [ENDPOINTS]: cluster.endpoints.join(","), "/var/backups/etcd": repository });
  const sources: Record<string, string> = {
    "/etc/etcd/pki/ca.crt": etcd.authority.path,
    "/etc/etcd/pki/client.crt": etcd.certificate("etcdsafe").cert,
    "/etc/etcd/pki/client.key": etcd.certificate("etcdsafe").key,
  };
  await mkdir(path("credentials"), { recursive: true });
  for (const credential of settings("LoadCredential")) {
    const [name, source] = credential.split(":") as [string, string];
    await writeFile(path(`credentials/${name}`), await readFile(sources[source]!));
  }
  const assignments = variables.split("\n").filter((line) => line.startsWith("ETCDSAFE_"));
  const env = { ...Object.fromEntries(assignments.map((each) => each.split(/=(.*)/s))), CREDENTIALS_DIRECTORY: path("credentials"), PATH: process.env["PATH"] };
  return { command: withInstead(settings("ExecStart")[0]!, { "/usr/local/bin/etcdsafe": path("bin/etcdsafe") }), env };
}

/** A tool of the system; undefined where there is none. */
async function systemTool(file: string, args: readonly string[], env = process.env): Promise<CommandResult | undefined> {
  return await runCommand(file, args, { env }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    return undefined;
  });
}

/** systemd takes the units, and finds the service as hardened as the page says. */
async function expectTaken(heading: string, service: string, ...others: readonly string[]): Promise<void> {
  const names = [service, ...others];
  for (const name of names) {
    expect(documented(heading)[0]).toContain(`config/systemd/${name}`);
    await writeFile(path(name), (await unit(name)).replace("/usr/local/bin/etcdsafe", path("bin/etcdsafe")));
  }
  const checked = (await systemTool("systemd-analyze", ["verify", "--man=no", ...names.map(path)]))!;
  expectEnd(checked, 0);
  expect(checked.stderr).toBe("");
  const judged = await systemTool("systemd-analyze", ["security", "--offline=true", "--no-pager", path(service)]);
  const [, documentedFigure, version] = /exposure of (\d\.\d) \(systemd (\d+)/.exec(sectionOf(PAGE, heading))!;
  const figure = Number(/exposure level for \S+: (\d+\.\d)/.exec(judged!.stdout)?.[1]);
  const here = /^systemd (\d+)/.exec((await systemTool("systemd-analyze", ["--version"]))!.stdout)?.[1];
  if (here === version) expect(figure).toBe(Number(documentedFigure));
  else expect(figure).toBeLessThan(Number(documentedFigure) + 0.5); // Others look at other things.
}

/** Tools of which this host has none, for a test that is skipped then. */
async function lacking(...tools: readonly string[]): Promise<string | undefined> {
  const found = await Promise.all(tools.map((tool) => systemTool(tool, ["--version"])));
  const missing = tools.filter((_, index) => found[index] === undefined);
  return missing.length === 0 ? undefined : `this host has no ${missing.join(" and no ")}`;
}

/** Why no trace can tell what a save needs; undefined where one can. */
async function whyNotTraced(): Promise<string | undefined> {
  return (await lacking("systemd-analyze", "strace")) ?? (ADDRESS === undefined ? "this host has no address but those of loopback" : undefined);
}

/** In front of a command that is to tell which system calls it makes, in all of its threads. */
const tracing = (calls: string) => ["strace", "--follow-forks", "--string-limit=0", "--output", calls];

/** The service's filters let all of them through, and sockets of all the families that are asked for. */
async function expectAllowed(service: string, calls: string): Promise<void> {
  const expanded = (await systemTool("systemd-analyze", ["syscall-filter", "--no-pager"]))!;
  const sets = new Map(
    expanded.stdout
      .split("\n\n")
      .map((text) => text.trim().split("\n"))
      .map(([name, ...lines]) => [name!.trim(), lines.map((line) => line.trim()).filter((line) => !line.startsWith("#"))]),
  );
  const callsOf = (set: string): string[] => (sets.get(set) ?? []).flatMap((entry) => (entry.startsWith("@") ? callsOf(entry) : [entry]));
  const filters = [...(await unit(service)).matchAll(/^SystemCallFilter=(~?)(@[\w-]+)$/gm)];
  const inFilter = (negated: string) => filters.filter(([, sign]) => sign === negated).flatMap(([, , set]) => callsOf(set!));
  const [allowed, denied] = [new Set([...callsOf("@default"), ...inFilter("")]), new Set(inFilter("~"))];
  const traces = [...(await readFile(calls, "utf8")).matchAll(/^\d+ +(\w+)\((\w*)/gm)];
  const made = new Set(traces.map(([, call]) => call!));
  expect([...made]).toEqual(expect.arrayContaining(["execve", "read", "epoll_ctl"]));
  expect([...made].filter((call) => denied.has(call) || !allowed.has(call))).toEqual([]);
  const families = new Set(traces.filter(([, call]) => call === "socket").map(([, , family]) => family));
  expect([...families]).toContain("AF_NETLINK"); // Whether the member is on this host.
  const [restricted] = (await settingsOf(service))("RestrictAddressFamilies");
  expect(restricted!.split(" ")).toEqual(expect.arrayContaining([...families]));
}

test("the service's command saves with what systemd hands over", async () => {
  const { command, env } = await timedSave(path("by-timer"));
  const done = await runCommand("sh", ["-ec", command], { env });
  expectEnd(done, 0);
  expect(done.stdout).toMatch(/^state +proven/m);
});

test.for([
  ["On a timer", "etcdsafe-save.service", "etcdsafe-save.timer"],
  ["An agent instead", "etcdsafe-agent.service"],
] as const)("%s: systemd takes what the page installs, and finds it as hardened as the page says", async ([heading, service, ...others], { skip }) => {
  const why = await lacking("systemd-analyze");
  skip(why !== undefined, why);
  await expectTaken(heading, service, ...others);
});

test("the service's filter lets through every system call that a save makes", async ({ skip }) => {
  const why = await whyNotTraced();
  skip(why !== undefined, why);
  const { command, env } = await timedSave(path("by-timer-traced"));
  const [tracer, ...words] = [...tracing(path("calls")), "sh", "-ec", command];
  expectEnd(await runCommand(tracer!, words, { env }), 0);
  await expectAllowed("etcdsafe-save.service", path("calls"));
});

test("the agent's service saves, takes a renewed certificate without a restart, reads its settings when told to, stops in time, and needs no system call that is filtered", async ({
  skip,
}) => {
  const settings = await settingsOf("etcdsafe-agent.service");
  const file = (name: string) => ({ [`/etc/etcdsafe/etcd/${name}`]: path(`agent-${name}`) });
  const own = { ...file("ca.crt"), ...file("client.crt"), ...file("client.key"), "/var/backups/etcd": path("by-agent") };
  const config = withInstead(await unit("etcdsafe-agent.yaml"), { [ENDPOINTS.replaceAll(",", ", ")]: cluster.endpoints.join(", "), ...own });
  const install = async ({ cert, key }: CertificateFiles) => {
    await copyFile(cert, path("agent-client.crt"));
    await copyFile(key, path("agent-client.key"));
  };
  await copyFile(etcd.authority.path, path("agent-ca.crt"));
  await install(etcd.certificate("etcdsafe"));
  await writeFile(path("agent.yaml"), config);
  const token = "a-token-that-is-long-enough-for-anybody";
  await writeFile(path("agent-token"), token, { mode: 0o600 });
  const [port] = (await claimPorts(1)) as [number];
  const env = { PATH: process.env["PATH"], ETCDSAFE_LISTEN: `127.0.0.1:${port}`, ETCDSAFE_LISTEN_TOKEN_FILE: path("agent-token") };
  const command = withInstead(settings("ExecStart")[0]!, { "/usr/local/bin/etcdsafe": path("bin/etcdsafe"), "/etc/etcdsafe/agent.yaml": path("agent.yaml") });
  const whyNot = await whyNotTraced();
  const words = [...(whyNot === undefined ? tracing(path("agent-calls")) : []), "sh", "-ec", `echo $$ > ${path("agent.pid")}; exec ${command}`];
  const agent = startCommand(words[0]!, words.slice(1), { env, limitMs: 90_000 });
  let hasStopped = false;
  const url = `http://127.0.0.1:${port}`;
  const mainProcess = async () => (await readFile(path("agent.pid"), "utf8")).trim();
  const save = async () => {
    const begun = await fetch(`${url}/backups`, { method: "POST", headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(20_000) });
    for (const giveUpAt = performance.now() + 30_000; performance.now() < giveUpAt; await sleep(200)) {
      const job = (await (await fetch(new URL(begun.headers.get("location")!, url), { signal: AbortSignal.timeout(20_000) })).json()) as Job;
      if (job.state !== "running") return job;
    }
    throw new Error("the save that was asked for did not end");
  };
  try {
    await agent.printed(/save: .*proven/);
    const health = await runCommand("sh", ["-ec", documented("An agent instead")[1]!], { env: { ...env, PATH: `${path("bin")}:${env.PATH}` } });
    expect(health).toMatchObject({ exitCode: 0, stdout: `The agent at ${url}/healthz is alive.\n` });
    await install(etcd.certificate("stranger"));
    await writeFile(path("agent-client.key"), "");
    expect(await save()).toMatchObject({ state: "failed" });
    await install(await etcd.authority.issue({ name: "renewed", commonName: "etcdsafe" }));
    expect(await save()).toMatchObject({ state: "done" });

    // The file is as it was: a changed one is found without being told of.
    const reloading = withInstead(settings("ExecReload")[0]!, { $MAINPID: await mainProcess() });
    expectEnd(await runCommand("sh", ["-ec", reloading]), 0);
    await agent.printed(/the configuration was read again/);
    const stoppingAt = performance.now();
    process.kill(Number(await mainProcess()), "SIGTERM");
    const stopped = await agent.finished;
    hasStopped = true;
    expectEnd(stopped, 0);
    expect(performance.now() - stoppingAt).toBeLessThan(10_000);
    expect(settings("TimeoutStopSec")).toEqual(["30"]);
    await writeFile(path("agent.yaml"), "save-schedule: never\n");
    const misconfigured = await runCommand("sh", ["-ec", command], { env });
    expect(settings("RestartPreventExitStatus")).toEqual([String(misconfigured.exitCode)]);
    skip(whyNot !== undefined, `all but the system calls is as it should be: ${whyNot}`);
    await expectAllowed("etcdsafe-agent.service", path("agent-calls"));
  } finally {
    // What is traced outlives a tracer that was killed.
    if (!hasStopped)
      await mainProcess().then(
        (pid) => process.kill(Number(pid), "SIGKILL"),
        () => agent.signal("SIGKILL"),
      );
    await agent.finished.catch(() => undefined);
    await releasePorts([port]);
  }
});

test("a systemd runs agent and service as the page sets them up; after three starts the service runs again once it is told to, reads back and prunes", async ({
  skip,
}) => {
  const why = await whyNoSystemd(directory.path);
  skip(why !== undefined, why);
  await using systemd = await bootSystemd(directory.path);
  const shell = async (commands: string) => {
    const done = await systemd.shell(commands);
    expectEnd(done, 0);
    return done;
  };
  const given = async (name: string, endpoints: string) => {
    await writeFile(path(name), withInstead(await unit(name), { [endpoints]: cluster.endpoints.join(",") }));
    return { [`config/systemd/${name}`]: path(name) };
  };
  const { cert, key } = etcd.certificate("etcdsafe");
  const copies = Object.entries({ "ca.crt": etcd.authority.path, "client.crt": cert, "client.key": key });
  const copied = (target: string) => copies.map(([name, source]) => `install -m 0400 ${source} ${target}/${name}`).join("\n");

  await shell(`install -d -m 0700 /etc/etcd/pki\n${copied("/etc/etcd/pki")}`);
  // As SUSE has it.
  await shell("sed -i '/^USERGROUPS_ENAB/d' /etc/login.defs\necho USERGROUPS_ENAB no >> /etc/login.defs");
  const [setUp, keep, onceMended, triedByHand] = documented("On a timer") as [string, string, string, string];
  await shell(withInstead(setUp, await given("etcdsafe-save.env", ENDPOINTS)));
  await shell("systemctl is-active etcdsafe-save.timer\nsystemctl stop etcdsafe-save.timer");

  await shell(`install -d /root/own\n${copied("/root/own")}\ncd /root/own\n${documented("Certificates")[0]!}`);
  await shell(withInstead(documented("An agent instead")[0]!, await given("etcdsafe-agent.yaml", ENDPOINTS.replaceAll(",", ", "))));
  await systemd.printed("etcdsafe-agent", /save: .*proven/);
  await shell("etcdsafe health\nsystemctl reload etcdsafe-agent");
  await systemd.printed("etcdsafe-agent", /the configuration was read again/);
  expect((await shell("systemctl stop etcdsafe-agent\nsystemctl show --property Result etcdsafe-agent")).stdout).toBe("Result=success\n");

  const dropIns = "/etc/systemd/system/etcdsafe-save.service.d";
  await shell(`mkdir ${dropIns}
    printf '[Service]\\nRestartSec=0\\n' > ${dropIns}/sooner.conf
    systemctl daemon-reload
    mv /usr/local/bin/etcdsafe /usr/local/bin/away
    ! systemctl start etcdsafe-save
    timeout 20 sh -c 'until systemctl is-failed etcdsafe-save; do sleep 0.1; done'
    mv /usr/local/bin/away /usr/local/bin/etcdsafe
    ! systemctl start etcdsafe-save`);
  await shell(keep);
  await shell(onceMended);
  await systemd.printed("etcdsafe-save", /^state +proven[\s\S]*passed +stored-bytes[\s\S]*0 backups removed, 2 kept/m);

  // Good ones count as well, where a timer that runs keeps systemd from forgetting them. This one has its turn some other time.
  const later = "/etc/systemd/system/etcdsafe-save.timer.d";
  await shell(`mkdir ${later}
    printf '[Timer]\\nOnCalendar=\\nOnCalendar=2100-01-01\\n' > ${later}/later.conf
    systemctl daemon-reload
    systemctl start etcdsafe-save.timer`);
  await shell("for each in 1 2 3; do systemctl start etcdsafe-save; done");
  const fourth = await systemd.shell("systemctl start etcdsafe-save");
  expect(fourth).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/^Job for etcdsafe-save.service failed/m) });
  await shell(triedByHand);
  await shell("systemctl start etcdsafe-save");
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
