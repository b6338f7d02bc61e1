// What an agent soak runs on: three members with client certificates that expire soon and are replaced on disk, an S3 server, two agents, each behind a proxy of its own.
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { AgentStatus, Job } from "../../src/agent/status.ts";
import { type CertificateAuthority, createAuthority } from "../support/certificates.ts";
import { startCli } from "../support/cli.ts";
import type { RunningCommand } from "../support/command.ts";
import { type ClusterTls, type EtcdCluster, startCluster } from "../support/etcd.ts";
import { claimPorts, releasePorts } from "../support/ports.ts";
import type { RandomNumbers } from "../support/random-history.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { type S3Server, startVersitygw } from "../support/versitygw.ts";
import type { UsageSample } from "./agent-soak-checks.ts";
import { type SoakProxy, startSoakProxy } from "./agent-soak-proxy.ts";

const TOKEN = "a-token-that-is-long-enough-for-anybody";
/** Of an answer, on a machine where much else runs. */
const ANSWER_LIMIT_MS = 10_000;
const LIMIT_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** A client certificate expires so long after it was issued; it is replaced twice in that time. */
const CERTIFICATE_MS = 24_000;

export interface Soak extends AsyncDisposable {
  readonly cluster: EtcdCluster;
  readonly server: S3Server;
  readonly repository: string;
  readonly agents: readonly [SoakAgent, SoakAgent];
  readonly tls: ClusterTls;
  /** What reaches the repository directly. */
  readonly store: readonly string[];
  /** Production's configuration: of an agent that saves the cluster at `endpoints`. */
  agentArguments(endpoints: readonly string[], storeUrl: string): string[];
  /** How often the certificate was replaced. */
  readonly rotations: number;
  at(name: string): string;
}

export async function startSoak(random: RandomNumbers): Promise<Soak> {
  const directory = await temporaryDirectory("soak");
  const at = (name: string) => join(directory.path, name);
  const authority = await createAuthority(at("ca"));
  const [serverFiles, admin] = [await authority.issue({ name: "server" }), await authority.issue({ name: "admin" })];
  const tls: ClusterTls = { caPath: authority.path, server: serverFiles, client: admin, requireClientCertificate: true };
  await writeFile(at("token"), TOKEN, { mode: 0o600 });
  const [cluster, server] = await Promise.all([startCluster({ size: 3, tls, electionTimeoutMs: 1000 }), startVersitygw()]);
  const repository = `s3://${await server.createBucket()}/etcd`;
  const certificates = new RotatedCertificates(at("tls"), authority);
  await certificates.rotate();
  const store = (url: string) => ["--repository", repository, "--s3-endpoint", url, "--s3-path-style"];
  const agentArguments = (endpoints: readonly string[], storeUrl: string) => {
    const etcd = [
      "--endpoints",
      endpoints.join(","),
      "--cacert",
      authority.path,
      "--cert",
      certificates.path("client.crt"),
      "--key",
      certificates.path("client.key"),
    ];
    const everyMinute = ["save", "verify", "prune"].flatMap((kind) => [`--${kind}-schedule`, "* * * * *"]);
    return [
      "agent",
      ...etcd,
      ...store(storeUrl),
      "--unencrypted",
      ...everyMinute,
      "--keep-last",
      "12",
      "--listen-token-file",
      at("token"),
      "--log-format",
      "json",
    ];
  };
  const agents = await Promise.all(
    ["a", "b"].map(async (name) => {
      const proxy: SoakProxy = await startSoakProxy(server.url, random, () => agent.pid);
      const agent: SoakAgent = new SoakAgent(name, agentArguments(cluster.endpoints, proxy.url), { proxy, env: server.env, clockPath: at(`clock-${name}`) });
      return agent;
    }),
  );
  return {
    ...{ cluster, server, repository, tls, agentArguments, at },
    agents: agents as unknown as readonly [SoakAgent, SoakAgent],
    store: store(server.url),
    get rotations() {
      return certificates.rotations;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(agents.map((agent) => agent[Symbol.asyncDispose]()));
      certificates.stop();
      await cluster.stop();
      await server.stop();
      await directory.remove();
    },
  };
}

/** As kubelet and cert-manager replace files: a link to a directory that is renamed over the one before, which then goes. */
class RotatedCertificates {
  rotations = 0;
  readonly #directory: string;
  readonly #authority: CertificateAuthority;
  #timer: NodeJS.Timeout | undefined;

  constructor(directory: string, authority: CertificateAuthority) {
    this.#directory = directory;
    this.#authority = authority;
  }

  path(name: string): string {
    return join(this.#directory, "current", name);
  }

  async rotate(): Promise<void> {
    const version = `${++this.rotations}`;
    await mkdir(join(this.#directory, version), { recursive: true });
    const issued = await this.#authority.issue({ name: "client", validDays: { from: -1, to: CERTIFICATE_MS / DAY_MS } });
    for (const [from, to] of [[issued.cert, "client.crt"] as const, [issued.key, "client.key"] as const])
      await rename(from, join(this.#directory, version, to));
    const link = join(this.#directory, "next");
    await symlink(version, link);
    await rename(link, join(this.#directory, "current"));
    await rm(join(this.#directory, String(this.rotations - 1)), { recursive: true, force: true });
    this.#timer = setTimeout(() => void this.rotate(), CERTIFICATE_MS / 2);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

interface AgentSurroundings {
  readonly proxy: SoakProxy;
  readonly env: Readonly<Record<string, string>>;
  readonly clockPath: string;
}

/** One agent, as often as it is started. */
export class SoakAgent implements AsyncDisposable {
  readonly name: string;
  readonly proxy: SoakProxy;
  /** Of each process. */
  readonly usage = new Map<number, UsageSample[]>();
  /** Of the process that was started last. */
  pid = -1;
  isSuspended = false;
  slowestAnswerMs = 0;
  answers = 0;
  readonly #arguments: readonly string[];
  readonly #surroundings: AgentSurroundings;
  #running: RunningCommand | undefined;
  #url = "";
  #port = 0;

  constructor(name: string, args: readonly string[], surroundings: AgentSurroundings) {
    this.name = name;
    this.proxy = surroundings.proxy;
    this.#arguments = args;
    this.#surroundings = surroundings;
  }

  get isUp(): boolean {
    return this.#running !== undefined;
  }

  async start(): Promise<void> {
    if (this.#port === 0) [this.#port] = (await claimPorts(1)) as [number];
    await this.setClock(0);
    const { env, clockPath } = this.#surroundings;
    // Known before it says anything to the store.
    const running = startCli([...this.#arguments, "--listen", `127.0.0.1:${this.#port}`], { env, limitMs: LIMIT_MS, nodeArguments: clockFrom(clockPath) });
    this.pid = running.pid;
    await running.printed(/answers at http/);
    this.#url = `http://127.0.0.1:${this.#port}`;
    this.#running = running;
  }

  /** How far this host's clock is off from now on. */
  async setClock(offMs: number): Promise<void> {
    await writeFile(this.#surroundings.clockPath, String(offMs));
  }

  /** Gives what it printed. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<string> {
    const running = this.#running;
    if (running === undefined) return "";
    this.#running = undefined;
    running.signal("SIGCONT");
    this.isSuspended = false;
    running.signal(signal);
    const { exitCode, stderr } = await running.finished;
    if (signal === "SIGTERM" && exitCode !== 0) throw new Error(`agent ${this.name} ended with ${exitCode}:\n${stderr}`);
    return stderr;
  }

  suspend(): void {
    this.isSuspended = true;
    this.#running!.signal("SIGSTOP");
  }

  resume(): void {
    this.isSuspended = false;
    this.#running!.signal("SIGCONT");
  }

  status(): Promise<AgentStatus> {
    return this.#answer("/status").then((text) => JSON.parse(text));
  }

  metrics(): Promise<string> {
    return this.#answer("/metrics");
  }

  async ask(path: "/backups"): Promise<{ readonly status: number; readonly job: Job }> {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const answer = await fetch(`${this.#url}${path}`, { method: "POST", headers, signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
    return { status: answer.status, job: (await answer.json()) as Job };
  }

  async until(what: (status: AgentStatus) => boolean, limitMs: number): Promise<AgentStatus> {
    for (const giveUpAt = performance.now() + limitMs; ; await sleep(200)) {
      const status = await this.status();
      if (what(status)) return status;
      if (performance.now() > giveUpAt) throw new Error(`agent ${this.name} did not come to that: ${JSON.stringify(status, null, 2)}`);
    }
  }

  /** What the kernel says of it now. */
  look(): void {
    const { pid } = this;
    try {
      const rssBytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]) * 1024;
      const sample = { atMs: performance.now(), rssBytes, handles: readdirSync(`/proc/${pid}/fd`).length };
      if (!Number.isFinite(rssBytes)) return;
      const known = this.usage.get(pid);
      if (known === undefined) this.usage.set(pid, [sample]);
      else known.push(sample);
    } catch {
      // It has just been killed.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
    await releasePorts([this.#port]);
    await this.proxy[Symbol.asyncDispose]();
  }

  async #answer(path: string): Promise<string> {
    const startedMs = performance.now();
    const answer = await fetch(`${this.#url}${path}`, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`agent ${this.name} answers ${path} with ${answer.status}: ${text}`);
    this.answers++;
    this.slowestAnswerMs = Math.max(this.slowestAnswerMs, performance.now() - startedMs);
    return text;
  }
}

/** Node's arguments for a process on a host whose clock is off by what the file says, which is looked at four times a second. */
function clockFrom(path: string): string[] {
  const code = `import { readFileSync } from "node:fs";
    const Host = Date;
    let off = 0;
    const look = () => { try { off = Number(readFileSync(${JSON.stringify(path)}, "utf8")) || 0; } catch {} };
    look();
    setInterval(look, 250).unref();
    globalThis.Date = class Date extends Host {
      constructor(...given) { given.length === 0 ? super(Host.now() + off) : super(...given); }
      static now() { return Host.now() + off; }
    };`;
  return ["--import", `data:text/javascript,${encodeURIComponent(code)}`];
}
