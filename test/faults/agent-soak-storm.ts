// What is done to a soak while it runs, and who looks at it meanwhile: each disturbance is on record with its time.
import { cp } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Etcd3 } from "etcd3";
import type { FinishedJob } from "../../src/agent/status.ts";
import type { RandomNumbers } from "../support/random-history.ts";
import type { Disturbance, RoleSample } from "./agent-soak-checks.ts";
import { TROUBLES } from "./agent-soak-proxy.ts";
import type { Soak, SoakAgent } from "./agent-soak-setup.ts";

/** Until another has taken over: the lease's expiry, how often it is looked at, and what a loaded machine adds. */
export const TAKE_OVER_LIMIT_MS = 60_000;
/** What was waited for meanwhile goes on, and a save that failed begins anew where somebody asks. */
const RECOVERY_MS = 10_000;
const LOOK_EVERY_MS = 250;
const METRICS_EVERY = 8;
const KEYS = 300;

export class Storm implements AsyncDisposable {
  readonly disturbances: Disturbance[] = [];
  readonly samples: (readonly RoleSample[])[] = [];
  readonly asked = { accepted: 0, refused: 0 };
  /** Of runs that failed: how often each reason was seen to be a new one. */
  readonly failures: Record<string, number> = {};
  writes = 0;
  compactions = 0;
  readonly #soak: Soak;
  readonly #random: RandomNumbers;
  readonly #loadRandom: RandomNumbers;
  readonly #retryMs: number;
  readonly #askEveryMs: number | undefined;
  readonly #failedJobs = new Set<string>();
  readonly #over = new AbortController();
  readonly #running: Promise<void>[] = [];

  /** `askEveryMs`: how often a save is asked for besides the schedule, if it is; `retryMs`: how long after one that failed the next comes. */
  constructor(
    soak: Soak,
    { random, load }: { readonly random: RandomNumbers; readonly load: RandomNumbers },
    { askEveryMs, retryMs }: { readonly askEveryMs: number | undefined; readonly retryMs: number },
  ) {
    this.#soak = soak;
    this.#random = random;
    this.#loadRandom = load;
    this.#askEveryMs = askEveryMs;
    this.#retryMs = retryMs;
  }

  /** Load and looks, until it is stopped. */
  async start(): Promise<void> {
    const client = await this.#soak.cluster.client();
    this.#running.push(this.#load(client), this.#look());
    if (this.#askEveryMs !== undefined) this.#running.push(this.#ask(this.#askEveryMs));
    for (const each of this.#running) each.catch(() => undefined); // stop() tells.
  }

  /** Throws what a look has found. */
  async stop(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#running);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await Promise.allSettled(this.#running);
  }

  /** Both agents' store makes some kind of trouble for so long. */
  async storeTrouble(durationMs: number): Promise<void> {
    const trouble = this.#random.pick(TROUBLES);
    // Requests are tried again after a random part of a wait that doubles.
    await this.#disturbing(`store: ${trouble}`, RECOVERY_MS + 2 * durationMs + this.#retryMs, async () => {
      for (const { proxy } of this.#soak.agents) proxy.trouble = trouble;
      await sleep(durationMs);
      for (const { proxy } of this.#soak.agents) proxy.trouble = undefined;
    });
  }

  /** A member is killed and started again; `copyTo`: its data is copied while it stands still. */
  async memberKilled(downMs: number, copyTo?: string): Promise<void> {
    const member = this.#random.pick(this.#soak.cluster.members.slice(0, 3));
    await this.#disturbing(`member ${member.name} killed`, RECOVERY_MS + this.#retryMs, async () => {
      await member.kill();
      if (copyTo !== undefined) await cp(member.dataDir, copyTo, { recursive: true });
      await sleep(downMs);
      await member.start();
    });
  }

  async memberAdded(): Promise<void> {
    await this.#disturbing("member added", RECOVERY_MS + this.#retryMs, async () => void (await this.#soak.cluster.addMember()));
  }

  /** The host's clock of one agent is off for a while. */
  async clockJump(agent: SoakAgent, offMs: number, durationMs: number): Promise<void> {
    await this.#disturbing(`clock of ${agent.name} off by ${offMs / 1000} s`, 0, async () => {
      await agent.setClock(offMs);
      await sleep(durationMs);
      await agent.setClock(0);
    });
  }

  /** The writer is killed or stands still until the other has taken over; then it is there again, and stands by. */
  async writerLost(how: "suspended" | "killed", meanwhile: () => Promise<void> = async () => undefined): Promise<void> {
    const writer = await this.writer();
    const other = this.#soak.agents.find((agent) => agent !== writer)!;
    await this.#disturbing(`writer ${writer.name} ${how}`, RECOVERY_MS, async () => {
      if (how === "suspended") writer.suspend();
      else await writer.end("SIGKILL");
      await Promise.all([meanwhile(), other.until(({ role }) => role === "writer", TAKE_OVER_LIMIT_MS)]);
    });
    if (how === "suspended") writer.resume();
    else await writer.start();
    await writer.until(({ role, lease }) => role === "standby" && (lease.holder ?? lease.error) !== null, TAKE_OVER_LIMIT_MS);
  }

  async writerStopped(): Promise<void> {
    const writer = await this.writer();
    const other = this.#soak.agents.find((agent) => agent !== writer)!;
    await this.#disturbing(`writer ${writer.name} stopped`, RECOVERY_MS, async () => {
      await writer.end("SIGTERM");
      await other.until(({ role }) => role === "writer", TAKE_OVER_LIMIT_MS);
    });
    await writer.start();
  }

  async writer(): Promise<SoakAgent> {
    for (const giveUpAt = performance.now() + TAKE_OVER_LIMIT_MS; ; await sleep(200)) {
      for (const agent of this.#soak.agents) if (agent.isUp && !agent.isSuspended && (await agent.status()).role === "writer") return agent;
      if (performance.now() > giveUpAt) throw new Error("no agent became the writer");
    }
  }

  async #disturbing(what: string, recoverMs: number, work: () => Promise<void>): Promise<void> {
    const fromMs = performance.now();
    try {
      await work();
    } finally {
      this.disturbances.push({ what, fromMs, toMs: performance.now(), recoverMs });
    }
  }

  async #load({ kv }: Etcd3): Promise<void> {
    const random = this.#loadRandom;
    let revision = 0;
    while (!this.#over.signal.aborted) {
      try {
        const key = Buffer.from(`key-${random.integer(1, KEYS)}`);
        const answer = random.chance(0.1) ? await kv.deleteRange({ key }) : await kv.put({ key, value: Buffer.from(random.bytes(random.integer(1, 2000))) });
        revision = Number(answer.header.revision);
        this.writes++;
        if (random.chance(1 / 150) && revision > 200) {
          await kv.compact({ revision: revision - 100 });
          this.compactions++;
        }
      } catch {
        // A member is gone, and etcd3 turns to another.
      }
      await sleep(20);
    }
  }

  /** Whoever runs has to answer, always. */
  async #look(): Promise<void> {
    for (let round = 0; !this.#over.signal.aborted; round++) {
      const looked = await Promise.all(this.#soak.agents.map((agent) => this.#lookAt(agent, round % METRICS_EVERY === 0)));
      this.samples.push(looked.filter((sample) => sample !== undefined));
      await sleep(LOOK_EVERY_MS);
    }
  }

  async #lookAt(agent: SoakAgent, withMetrics: boolean): Promise<RoleSample | undefined> {
    const { pid } = agent;
    const isThere = () => agent.isUp && !agent.isSuspended && agent.pid === pid;
    if (!isThere()) return undefined;
    try {
      const atMs = performance.now();
      const { role, tasks } = await agent.status();
      for (const { last } of tasks) if (last?.failure !== null && last !== null) this.#noteFailure(last);
      if (withMetrics) {
        const metrics = await agent.metrics();
        if (!metrics.includes("etcdsafe_writer_lease_state")) throw new Error(`metrics without the lease: ${metrics}`);
        agent.look();
      }
      return { atMs, pid, role };
    } catch (error) {
      if (isThere()) throw error;
      return undefined;
    }
  }

  #noteFailure({ id, kind, failure }: FinishedJob): void {
    if (this.#failedJobs.has(id) || failure === null) return;
    this.#failedJobs.add(id);
    const what = `${kind}: ${failure.reason}: ${failure.message.replaceAll(/\d+/g, "N").slice(0, 160)}`;
    this.failures[what] = (this.failures[what] ?? 0) + 1;
  }

  async #ask(everyMs: number): Promise<void> {
    while (!this.#over.signal.aborted) {
      for (const agent of this.#soak.agents) {
        if (!agent.isUp || agent.isSuspended) continue;
        const answer = await agent.ask("/backups").catch(() => undefined); // It may be killed meanwhile.
        if (answer !== undefined) this.asked[answer.status === 409 ? "refused" : "accepted"]++;
      }
      await sleep(everyMs, undefined, { signal: this.#over.signal }).catch(() => undefined);
    }
  }
}
