// Real etcd clusters on loopback for end-to-end tests: `await using cluster = await startCluster({ minor: "3.7" })`.
// Everything a cluster started ends with it, and its data goes, unless the test gave the directory.
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Etcd3, type IOptions } from "etcd3";
import { provisionEtcd, systemEtcd34 } from "../../scripts/provision.ts";
import type { CertificateFiles } from "./certificates.ts";
import { outputOf, type RunningCommand, startCommand } from "./command.ts";
import { EtcdMember, type PlannedMember, type WaitFor } from "./etcd-member.ts";
import type { TestedMinor } from "./minors.ts";
import { claimPorts, releasePorts } from "./ports.ts";
import { type TemporaryDirectory, temporaryDirectory } from "./temporary-directory.ts";

export interface ClusterTls {
  readonly caPath: string;
  readonly server: CertificateFiles;
  /** What etcdctl and `client()` present; needed with `requireClientCertificate`. */
  readonly client?: CertificateFiles;
  readonly requireClientCertificate?: boolean;
}

export interface ClusterOptions {
  /** 3.7 where left out. */
  readonly minor?: TestedMinor;
  /** Number of members, 1 where left out. */
  readonly size?: number;
  /** Members planned earlier, e.g. for a restore into their data directories; `size` and `directory` are not looked at then. */
  readonly members?: readonly PlannedMember[];
  /** Where data and logs go and stay; a temporary directory where left out. */
  readonly directory?: string;
  readonly token?: string;
  readonly initialClusterState?: "new" | "existing";
  /** Client URLs over TLS; members speak plain HTTP among each other. */
  readonly tls?: ClusterTls;
  /** Creates the user root with this password and enables authentication. */
  readonly rootPassword?: string;
  readonly extraArgs?: readonly string[];
  /** Added to the environment, in which ETCD_VERIFY=all is set and no other ETCD_ variable. */
  readonly env?: Readonly<Record<string, string>>;
  /** 100 for one member, which then starts in a tenth of a second, and 1000 for more. Give 1000 where a test adds members. */
  readonly electionTimeoutMs?: number;
  readonly waitFor?: WaitFor;
}

/** One row of `etcdctl endpoint hashkv`. */
export interface MemberHash {
  readonly endpoint: string;
  readonly hash: number;
  readonly compactRevision: number;
}

/** Names, free ports and directories for `size` members, claimed until the cluster that uses them is stopped. */
export async function planMembers(size: number, directory: string, scheme: "http" | "https" = "http"): Promise<PlannedMember[]> {
  const ports = await claimPorts(3 * size);
  return Array.from({ length: size }, (_, index) => ({
    name: `m${index}`,
    clientUrl: `${scheme}://127.0.0.1:${ports[3 * index]}`,
    peerUrl: `http://127.0.0.1:${ports[3 * index + 1]}`,
    metricsUrl: `http://127.0.0.1:${ports[3 * index + 2]}`,
    dataDir: join(directory, `m${index}`),
  }));
}

/** As `--initial-cluster` wants it. */
export function initialCluster(members: readonly PlannedMember[]): string {
  return members.map((member) => `${member.name}=${member.peerUrl}`).join(",");
}

/** Starts all members and resolves when they are as `waitFor` says ("healthy" where left out). */
export async function startCluster(options: ClusterOptions = {}): Promise<EtcdCluster> {
  const minor = options.minor ?? "3.7";
  const binaries = await binariesOf(minor);
  const temporary = options.directory === undefined ? await temporaryDirectory("etcd") : undefined;
  const directory = options.directory ?? temporary!.path;
  await mkdir(directory, { recursive: true });
  const members = options.members ?? (await planMembers(options.size ?? 1, directory, options.tls === undefined ? "http" : "https"));
  const cluster = new EtcdCluster(options, minor, binaries, temporary, directory);
  try {
    await cluster.startMembers(members);
    if (options.rootPassword !== undefined) await cluster.enableAuth(options.rootPassword);
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

export class EtcdCluster implements AsyncDisposable {
  readonly members: EtcdMember[] = [];
  readonly directory: string;
  readonly #options: ClusterOptions;
  readonly #minor: TestedMinor;
  readonly #binaries: { readonly etcd: string; readonly etcdctl: string };
  readonly #temporary: TemporaryDirectory | undefined;
  readonly #clients: Etcd3[] = [];
  #rootPassword: string | undefined;

  constructor(
    options: ClusterOptions,
    minor: TestedMinor,
    binaries: { readonly etcd: string; readonly etcdctl: string },
    temporary: TemporaryDirectory | undefined,
    directory: string,
  ) {
    this.#options = options;
    this.#minor = minor;
    this.#binaries = binaries;
    this.#temporary = temporary;
    this.directory = directory;
  }

  /** Client URLs of all members. */
  get endpoints(): string[] {
    return this.members.map((member) => member.clientUrl);
  }

  async startMembers(planned: readonly PlannedMember[]): Promise<void> {
    const together = planned.map((each) => this.#member(each, planned, this.#options.initialClusterState ?? "new"));
    this.members.push(...together);
    await allOf(together.map((member) => member.start(this.#options.waitFor)));
  }

  /** `etcdctl ...args` against all members, or the ones given; resolves to its stdout. */
  async etcdctl(args: readonly string[], on: readonly { readonly clientUrl: string }[] = this.members): Promise<string> {
    return outputOf(this.#binaries.etcdctl, [...this.#etcdctlFlags(on), ...args], { env: withoutEtcdVariables(), stdin: "" });
  }

  /** As etcdctl, for one that goes on, such as a watch. */
  startEtcdctl(args: readonly string[]): RunningCommand {
    return startCommand(this.#binaries.etcdctl, [...this.#etcdctlFlags(this.members), ...args], { env: withoutEtcdVariables() });
  }

  #etcdctlFlags(on: readonly { readonly clientUrl: string }[]): string[] {
    const { tls } = this.#options;
    const flags = ["--endpoints", on.map((member) => member.clientUrl).join(",")];
    if (tls !== undefined) flags.push("--cacert", tls.caPath);
    if (tls?.client !== undefined) flags.push("--cert", tls.client.cert, "--key", tls.client.key);
    if (this.#rootPassword !== undefined) flags.push("--user", `root:${this.#rootPassword}`);
    return flags;
  }

  /** HashKV of every member, in the members' order, at `revision` (0: each member's own latest). */
  async hashKv(revision = 0): Promise<MemberHash[]> {
    const answers: MemberHash[] = [];
    for (const member of this.members) {
      const rows = JSON.parse(await this.etcdctl(["endpoint", "hashkv", "--rev", String(revision), "-w", "json"], [member]));
      answers.push({ endpoint: member.clientUrl, hash: rows[0].HashKV.hash, compactRevision: rows[0].HashKV.compact_revision });
    }
    return answers;
  }

  /** An etcd3 client of these members, or one of them, for many writes; closed with the cluster. */
  async client(on: readonly { readonly clientUrl: string }[] = this.members): Promise<Etcd3> {
    const { tls } = this.#options;
    // A test reads whole keyspaces at once; grpc-js stops at 4 MiB where nothing is said.
    const options: IOptions = { hosts: on.map((member) => member.clientUrl), grpcOptions: { "grpc.max_receive_message_length": -1 } };
    if (tls !== undefined) {
      options.credentials = { rootCertificate: await readFile(tls.caPath) };
      if (tls.client !== undefined) {
        options.credentials.privateKey = await readFile(tls.client.key);
        options.credentials.certChain = await readFile(tls.client.cert);
      }
    }
    if (this.#rootPassword !== undefined) options.auth = { username: "root", password: this.#rootPassword };
    const client = new Etcd3(options);
    this.#clients.push(client);
    return client;
  }

  /** Adds a member with an empty data directory and starts it; a learner is waited for until it serves, not until it is healthy. */
  async addMember(kind: "voter" | "learner" = "voter"): Promise<EtcdMember> {
    const scheme = this.#options.tls === undefined ? "http" : "https";
    const [blank] = await planMembers(1, this.directory, scheme);
    if (blank === undefined) throw new Error("no member was planned");
    const name = `m${this.members.length}`;
    const planned = { ...blank, name, dataDir: join(this.directory, name) };
    await this.etcdctl(["member", "add", name, "--peer-urls", planned.peerUrl, ...(kind === "learner" ? ["--learner"] : [])]);
    // A new member asks the first that answers who belongs to the cluster, and ends where that one has not heard of it yet.
    await allOf(this.members.filter(({ pid }) => pid !== undefined).map((each) => each.waitUntilKnown(planned.peerUrl)));
    const member = this.#member(planned, [...this.members, planned], "existing");
    this.members.push(member);
    await member.start(kind === "learner" ? "serving" : "healthy");
    return member;
  }

  async leader(): Promise<EtcdMember> {
    for (const member of this.members.filter(({ pid }) => pid !== undefined)) {
      const [{ Status: status }] = JSON.parse(await this.etcdctl(["endpoint", "status", "-w", "json"], [member]));
      // Both went through a JavaScript number and lost the same low bits.
      if (status.leader === status.header.member_id) return member;
    }
    throw new Error("no running member says that it leads");
  }

  /** The member's id, 16 hexadecimal digits or fewer, as etcdctl takes it. */
  async memberId(member: PlannedMember): Promise<string> {
    const rows = (await this.etcdctl(["member", "list", "-w", "simple"])).split("\n").map((row) => row.split(", "));
    const id = rows.find((row) => row[3]?.split(",").includes(member.peerUrl))?.[0];
    if (id === undefined) throw new Error(`no member has the peer URL ${member.peerUrl}: ${JSON.stringify(rows)}`);
    return id;
  }

  async promote(learner: EtcdMember): Promise<void> {
    await this.etcdctl(
      ["member", "promote", await this.memberId(learner)],
      this.members.filter((member) => member !== learner),
    );
    await learner.waitUntil("healthy");
  }

  async enableAuth(rootPassword: string): Promise<void> {
    await this.etcdctl(["role", "add", "root"]);
    await this.etcdctl(["user", "add", `root:${rootPassword}`]);
    await this.etcdctl(["user", "grant-role", "root", "root"]);
    await this.etcdctl(["auth", "enable"]);
    this.#rootPassword = rootPassword;
  }

  /** Kills what runs and gives ports and temporary directories back. A test that needs the files whole stops the members first. */
  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all(this.members.map((member) => member.kill()));
    await releasePorts(this.members.flatMap((member) => [member.clientUrl, member.peerUrl, member.metricsUrl].map((url) => Number(new URL(url).port))));
    await this.#temporary?.remove();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #member(member: PlannedMember, all: readonly PlannedMember[], state: "new" | "existing"): EtcdMember {
    const { tls, token, extraArgs, env, electionTimeoutMs = all.length === 1 ? 100 : 1000 } = this.#options;
    const args = ["--name", member.name, "--data-dir", member.dataDir];
    args.push("--listen-client-urls", member.clientUrl, "--advertise-client-urls", member.clientUrl);
    args.push("--listen-peer-urls", member.peerUrl, "--initial-advertise-peer-urls", member.peerUrl, "--listen-metrics-urls", member.metricsUrl);
    args.push("--initial-cluster", initialCluster(all), "--initial-cluster-state", state, "--initial-cluster-token", token ?? "etcd-cluster");
    args.push("--heartbeat-interval", String(electionTimeoutMs / 10), "--election-timeout", String(electionTimeoutMs));
    // No test cuts the machine's power, so waiting for the disk would only make the suite slow.
    if (this.#minor !== "3.4") args.push("--unsafe-no-fsync");
    // Else etcd refuses to add a member until all have been connected for 5 s.
    args.push("--strict-reconfig-check=false");
    if (tls !== undefined) args.push("--cert-file", tls.server.cert, "--key-file", tls.server.key, "--trusted-ca-file", tls.caPath);
    if (tls?.requireClientCertificate) args.push("--client-cert-auth");
    args.push(...(extraArgs ?? []));
    const environment = { ...withoutEtcdVariables(), ETCD_VERIFY: "all", ...env };
    return new EtcdMember(member, { binary: this.#binaries.etcd, args, env: environment, logPath: join(this.directory, `${member.name}.log`) });
  }
}

/** `etcdutl ...args` of this minor, or of 3.4, which has none, the etcdctl that does the same; resolves to its stdout. */
export async function etcdutl(minor: TestedMinor, args: readonly string[]): Promise<string> {
  const binaries = await binariesOf(minor);
  return outputOf(binaries.etcdutl ?? binaries.etcdctl, args, { env: withoutEtcdVariables() });
}

async function binariesOf(minor: TestedMinor): Promise<{ readonly etcd: string; readonly etcdctl: string; readonly etcdutl?: string }> {
  const binaries = minor === "3.4" ? await systemEtcd34() : await provisionEtcd(minor);
  if (binaries === undefined) throw new Error("etcd 3.4 is not installed here; MINORS_AT_HAND says which are");
  return binaries;
}

function withoutEtcdVariables(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^ETCD(CTL)?_/.test(name)));
}

/** As Promise.all, but looks at every start before it rejects, so that none is still on its way when the cluster is stopped. */
async function allOf(starts: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(starts)) if (result.status === "rejected") throw result.reason;
}
