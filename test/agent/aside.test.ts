// An agent that holds the lease and cannot save: another gets its turn. In memory, as agent.test.ts.
import { expect, test } from "vitest";
import type { RunEnd } from "../../src/agent/task.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { type FakeAgent, FakeWorld, MINUTE_MS, SECOND_MS } from "./fake-world.ts";

const HOURLY = { save: "0 * * * *" };
const UNREACHABLE = new EtcdsafeError("ETCD_UNREACHABLE", "no member answers");
const MISMATCH = new EtcdsafeError("CLUSTER_MISMATCH", "this is another cluster");

/** Saved at nine; saves of `agent` fail for as long as there is an error. */
function worldOf(errorOf: (agent: string) => EtcdsafeError | undefined): FakeWorld {
  const world = new FakeWorld("2026-11-21T09:30:00Z");
  world.begun.save.push(new Date("2026-11-21T09:00:00Z"));
  const run = world.run.bind(world);
  world.run = async (agent: FakeAgent, kind, lease, options): Promise<RunEnd> => {
    const error = kind === "save" ? errorOf(agent.name) : undefined;
    if (error === undefined) return run(agent, kind, lease, options);
    const reason = error === MISMATCH ? "refused" : "etcd-unreachable";
    const before = world.behaviour;
    world.behaviour = () => ({ takesMs: SECOND_MS, failure: { reason, message: error.message, hint: "" } });
    const ending = run(agent, kind, lease, options);
    world.behaviour = before;
    return { ...(await ending), error };
  };
  return world;
}

test("agent: one that cannot reach etcd gives the lease back, and one that can saves", async () => {
  const world = worldOf((agent) => (agent === "a" ? UNREACHABLE : undefined));
  const a = world.start("a", HOURLY);
  await world.advance(SECOND_MS);
  world.start("b", HOURLY);
  await world.advance(30 * MINUTE_MS);
  expect(world.runs.map(({ agent, end }) => [agent, end])).toEqual([["a", "failed"]]);
  await world.advance(30 * SECOND_MS);
  expect(world.holder?.agent.name).toBe("b");
  expect(world.runs.map(({ agent, end }) => [agent, end])).toEqual([
    ["a", "failed"],
    ["b", "done"],
  ]);
  expect(a.agent.status()).toMatchObject({ role: "standby", lease: { holder: { host: "b" } } });
  expect(world.messages("a")).toContain("warn: this agent gives the lease back for 20 s: no member answers");
  expect(world.faults).toEqual([]);
});

test("agent: alone, one that could not reach etcd takes the lease again and goes on trying; what else runs comes to its end first", async () => {
  const broken = { isSo: true };
  const world = worldOf(() => (broken.isSo ? UNREACHABLE : undefined));
  const a = world.start("a", { ...HOURLY, verify: "0 * * * *" });
  world.behaviour = (kind) => ({ takesMs: kind === "verify" ? 5 * MINUTE_MS : SECOND_MS });
  await world.advance(31 * MINUTE_MS);
  expect(world.holder?.agent.name).toBe("a");
  await world.advance(4 * MINUTE_MS + 20 * SECOND_MS);
  expect(world.runs.find(({ kind }) => kind === "verify")!.end).toBe("done");
  expect(world.holder).toBeUndefined();
  broken.isSo = false;
  await world.advance(40 * SECOND_MS);
  expect(world.runs.at(-1)).toMatchObject({ kind: "save", end: "done" });
  expect(a.task("save").failuresInARow).toBe(0);
  expect(world.faults).toEqual([]);
});

test("agent: one whose cluster is refused leaves the lease alone, and saves at once when it has it again; a configuration that was read again lets it try", async () => {
  const refused = { isSo: true };
  const world = worldOf(() => (refused.isSo ? MISMATCH : undefined));
  const a = world.start("a", HOURLY);
  await world.advance(30 * MINUTE_MS + 10 * SECOND_MS);
  expect(a.agent.status()).toMatchObject({ role: "standby", lease: { error: { code: "CLUSTER_MISMATCH", message: "this is another cluster" } } });
  await world.advance(9 * MINUTE_MS);
  expect(world.runs).toHaveLength(1);
  await world.advance(90 * SECOND_MS);
  expect(world.runs).toHaveLength(2);
  expect(world.holder).toBeUndefined();
  refused.isSo = false;
  a.configure(HOURLY);
  await world.advance(20 * SECOND_MS);
  expect(world.runs.map(({ end }) => end)).toEqual(["failed", "failed", "done"]);
  expect(world.holder?.agent.name).toBe("a");
  expect(world.faults).toEqual([]);
});

test("agent: nothing is removed by schedule before a save of this process went well; where none is scheduled, nobody waits for one", async () => {
  const refused = { isSo: true };
  const world = worldOf(() => (refused.isSo ? MISMATCH : undefined));
  const a = world.start("a", { ...HOURLY, prune: "45 * * * *" });
  await world.advance(40 * MINUTE_MS);
  expect(world.runs.map(({ kind, end }) => [kind, end])).toEqual([["save", "failed"]]);
  refused.isSo = false;
  a.configure({ ...HOURLY, prune: "45 * * * *" });
  await world.advance(MINUTE_MS);
  expect(world.runs.slice(1).map(({ kind, end }) => [kind, end])).toEqual([
    ["save", "done"],
    ["prune", "done"],
  ]);
  const other = worldOf(() => undefined);
  other.start("b", { prune: "45 * * * *" });
  await other.advance(16 * MINUTE_MS);
  expect(other.runs.map(({ kind, end }) => [kind, end])).toEqual([["prune", "done"]]);
});
