// Two agents, and whatever can happen to them for hours, in any order.
import fc from "fast-check";
import { expect, test } from "vitest";
import { TASK_KINDS, type TaskKind } from "../../src/agent/status.ts";
import { FAILURE_REASONS } from "../../src/metrics/reasons.ts";
import { runs, SEED } from "../support/counts.ts";
import { type Behaviour, type FakeAgent, FakeWorld, HOUR_MS, MINUTE_MS, SECOND_MS } from "./fake-world.ts";

const SCHEDULES = { save: "*/10 * * * *", verify: "5 * * * *", prune: "40 */2 * * *" };
const EVERY_MS = 10 * MINUTE_MS;
/** A poll of the standby after the expiry, and the pause after a lease was lost; the catalogue that cannot be read; a tick. */
const [UNTIL_HELD_MS, UNREAD_MS, LATE_MS] = [60 * SECOND_MS, 61 * SECOND_MS, 6 * SECOND_MS];

type Event =
  | { readonly kind: "lose" | "heal" | "replace" | "vanish" }
  | { readonly kind: "away"; readonly forMs: number }
  | { readonly kind: "unread"; readonly takesMs: number }
  | { readonly kind: "jump"; readonly byMs: number }
  | { readonly kind: "ask"; readonly task: TaskKind }
  | { readonly kind: "behave"; readonly behaviour: Behaviour };

const duration = (maxMs: number) => fc.integer({ min: 0, max: maxMs / SECOND_MS }).map((seconds) => seconds * SECOND_MS);
const failure = fc.constantFrom(...FAILURE_REASONS).map((reason) => ({ reason, message: "no", hint: "" }));
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.constantFrom("lose", "heal", "heal", "replace", "vanish").map((kind) => ({ kind })),
  duration(3 * MINUTE_MS).map((forMs) => ({ kind: "away" as const, forMs })),
  duration(10 * MINUTE_MS).map((takesMs) => ({ kind: "unread" as const, takesMs })),
  fc.integer({ min: -1500, max: 1500 }).map((minutes) => ({ kind: "jump" as const, byMs: minutes * MINUTE_MS })),
  fc.constantFrom(...TASK_KINDS).map((task) => ({ kind: "ask" as const, task })),
  fc
    .record({ takesMs: duration(25 * MINUTE_MS), failure: fc.option(failure), isDeaf: fc.boolean() })
    .map((behaviour) => ({ kind: "behave" as const, behaviour })),
);

class Simulation {
  readonly world = new FakeWorld("2026-11-22T09:30:00Z");
  #agents: FakeAgent[] = [];
  #names = 0;
  #goodSinceMs = 0;
  #epoch: bigint | undefined;

  constructor() {
    for (const _ of [1, 2]) this.#startOne();
  }

  async happen(event: Event): Promise<void> {
    const { world } = this;
    this.#goodSinceMs = world.time.monotonicMs();
    if (event.kind === "lose") world.holder?.lose();
    else if (event.kind === "jump") world.time.jump(event.byMs);
    else if (event.kind === "behave") world.behaviour = () => event.behaviour;
    else if (event.kind === "unread") [world.readsCatalogue, world.catalogueTakesMs] = [event.takesMs % 2000 === 0, event.takesMs];
    else if (event.kind === "ask") for (const { agent } of this.#agents) agent.request(event.task);
    else if (event.kind === "away") {
      world.isReachable = false;
      await this.go(event.forMs);
      world.isReachable = true;
    } else if (event.kind === "heal") {
      world.behaviour = () => ({ takesMs: 10 * SECOND_MS });
      [world.readsCatalogue, world.catalogueTakesMs] = [true, SECOND_MS];
    } else {
      const gone = world.holder?.agent ?? this.#agents[0]!;
      if (event.kind === "vanish") gone.vanish();
      else gone.stop();
      this.#agents = this.#agents.filter((agent) => agent !== gone);
      this.#startOne();
    }
  }

  /** In steps, after each of which no save may be late. */
  async go(forMs: number): Promise<void> {
    const { time } = this.world;
    const untilMs = time.monotonicMs() + forMs;
    while (time.monotonicMs() < untilMs) {
      await this.world.advance(Math.min(30 * SECOND_MS, untilMs - time.monotonicMs()));
      this.#check();
    }
  }

  async stop(): Promise<void> {
    for (const agent of this.#agents) agent.stop();
    await this.world.advance(10 * SECOND_MS);
    expect(this.#agents.every(({ isOver }) => isOver)).toBe(true);
  }

  #startOne(): void {
    this.#agents.push(this.world.start(`agent-${++this.#names}`, SCHEDULES));
  }

  #check(): void {
    const { world } = this;
    expect(world.faults).toEqual([]);
    const nowMs = world.time.monotonicMs();
    const last = world.runs.findLast(({ kind }) => kind === "save");
    const { holder } = world;
    const isGood = world.isReachable && (last === undefined || last.end === "done" || (last.end === "running" && nowMs - last.beganMs <= 10 * SECOND_MS));
    if (!isGood || holder?.epoch !== this.#epoch) this.#goodSinceMs = nowMs;
    this.#epoch = holder?.epoch;
    if (holder === undefined || nowMs - this.#goodSinceMs <= UNREAD_MS + EVERY_MS + LATE_MS) return;
    expect(nowMs - (last?.beganMs ?? 0), `${world.time.now().toISOString()}: no save since ${last?.beganAt}`).toBeLessThanOrEqual(EVERY_MS + LATE_MS);
  }
}

test("agents: whatever happens, no two runs of a kind, none without the lease, and no save is late where the lease is held and saves succeed", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ event, thenMs: duration(40 * MINUTE_MS) }), { minLength: 3, maxLength: 25 }), async (script) => {
      const simulation = new Simulation();
      for (const { event: next, thenMs } of script) {
        await simulation.happen(next);
        await simulation.go(thenMs);
      }
      // At the end all is well again, and stays so: what is still running comes to its end first.
      await simulation.happen({ kind: "heal" });
      await simulation.go(25 * MINUTE_MS + UNTIL_HELD_MS + UNREAD_MS + EVERY_MS);
      const { world } = simulation;
      const fromMs = world.time.monotonicMs();
      await simulation.go(HOUR_MS);
      expect(world.runs.filter(({ kind, beganMs, end }) => kind === "save" && beganMs >= fromMs && end !== "failed").length).toBeGreaterThanOrEqual(6);
      expect(world.holder).toBeDefined();
      await simulation.stop();
      expect(world.holder).toBeUndefined();
    }),
    { seed: SEED, numRuns: runs(8, 300) },
  );
});
