// One etcd process of a test: started with bounded waits, ended by its own process id, its log in a file that errors quote.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";

/** Where a member listens and keeps its files; known before it starts, so that a restore can be given it. */
export interface PlannedMember {
  readonly name: string;
  readonly clientUrl: string;
  readonly peerUrl: string;
  /** Plain HTTP whatever the client URL is; serves /health and /metrics. */
  readonly metricsUrl: string;
  readonly dataDir: string;
}

export interface MemberStart {
  readonly binary: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly logPath: string;
}

/**
 * What to wait for: `healthy` (a linearizable read works), `serving` (the member answers; enough for a learner),
 * `nothing` (for a member whose start is to fail, or whose cluster lacks a quorum).
 */
export type WaitFor = "healthy" | "serving" | "nothing";

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 15_000;
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export class EtcdMember implements PlannedMember {
  readonly name: string;
  readonly clientUrl: string;
  readonly peerUrl: string;
  readonly metricsUrl: string;
  readonly dataDir: string;
  readonly #start: MemberStart;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(planned: PlannedMember, start: MemberStart) {
    this.name = planned.name;
    this.clientUrl = planned.clientUrl;
    this.peerUrl = planned.peerUrl;
    this.metricsUrl = planned.metricsUrl;
    this.dataDir = planned.dataDir;
    this.#start = start;
  }

  /** Undefined when it does not run. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process, or starts it again on the same data after `stop` or `kill`. */
  async start(waitFor: WaitFor = "healthy"): Promise<void> {
    if (this.#child !== undefined) throw new Error(`etcd ${this.name} runs already`);
    const log = openSync(this.#start.logPath, "a");
    const child = spawn(this.#start.binary, this.#start.args, { env: this.#start.env, stdio: ["ignore", log, log] });
    closeSync(log);
    this.#child = child;
    running.add(child);
    this.#ended = new Promise((resolve) => {
      const over = () => {
        running.delete(child);
        this.#child = undefined;
        resolve();
      };
      child.once("exit", over);
      child.once("error", over);
    });
    if (waitFor !== "nothing") await this.waitUntil(waitFor);
  }

  async waitUntil(state: "healthy" | "serving"): Promise<void> {
    const url = `${this.metricsUrl}/health${state === "serving" ? "?serializable=true" : ""}`;
    const giveUpAt = performance.now() + START_LIMIT_MS;
    // A new member answers its clients only once it has published its name, which may take until its second try, seconds after it is healthy.
    while (!((await answersHealthy(url)) && (await answersClients(this.clientUrl)))) {
      if (this.#child === undefined) throw new Error(`etcd ${this.name} ended; its log:\n${await this.logTail()}`);
      if (performance.now() > giveUpAt) throw new Error(`etcd ${this.name} was not ${state} within ${START_LIMIT_MS} ms; its log:\n${await this.logTail()}`);
      await sleep(15);
    }
  }

  /** Resolves when this member has the one of that peer URL among those of its cluster. */
  async waitUntilKnown(peerUrl: string): Promise<void> {
    for (const giveUpAt = performance.now() + START_LIMIT_MS; ; await sleep(15)) {
      const members = await fetch(`${this.peerUrl}/members`, { signal: AbortSignal.timeout(3_000) }).then((answer) => answer.text(), String);
      if (members.includes(JSON.stringify(peerUrl))) return;
      if (performance.now() > giveUpAt) throw new Error(`etcd ${this.name} has not heard of ${peerUrl} within ${START_LIMIT_MS} ms; it says: ${members}`);
    }
  }

  /** Resolves when the process has ended by itself; rejects when it has not within `limitMs`. */
  async waitUntilEnded(limitMs = STOP_LIMIT_MS): Promise<void> {
    const over = await Promise.race([this.#ended.then(() => true), sleep(limitMs, false, { ref: false })]);
    if (!over) throw new Error(`etcd ${this.name} still runs after ${limitMs} ms; its log:\n${await this.logTail()}`);
  }

  /** As an operator stops it: SIGTERM, and SIGKILL when that does not help. */
  async stop(): Promise<void> {
    this.#child?.kill("SIGTERM");
    await this.waitUntilEnded().catch(() => this.kill());
  }

  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#ended;
  }

  /** The process stands still and its connections stay open. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  async logTail(lines = 25): Promise<string> {
    const log = await readFile(this.#start.logPath, "utf8").catch(() => "");
    return log.trimEnd().split("\n").slice(-lines).join("\n");
  }
}

async function answersHealthy(url: string): Promise<boolean> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(3_000) }).catch(() => undefined);
  return (await answer?.text().catch(() => undefined)) !== undefined && answer?.status === 200;
}

/** The port is open from the start; what tells is an answer, or a finished handshake. */
async function answersClients(clientUrl: string): Promise<boolean> {
  const { protocol, hostname, port } = new URL(clientUrl);
  if (protocol === "http:") return (await fetch(`${clientUrl}/version`, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined)) !== undefined;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false, timeout: 1_000 });
  socket.once("secureConnect", () => resolve(true));
  for (const event of ["error", "timeout"]) socket.once(event, () => resolve(false));
  return promise.finally(() => socket.destroy());
}
