import { expect, test } from "vitest";
import { FakeWorld, HOUR_MS, MINUTE_MS, SECOND_MS } from "./fake-world.ts";

const START = "2026-11-22T09:30:00Z";
const HOURLY = { save: "0 * * * *" };
const DAY_MS = 24 * HOUR_MS;
const at = (time: string) => new Date(`2026-11-22T${time}Z`);

function worldAt(start = START): FakeWorld {
  return new FakeWorld(start);
}

/** One whose last save is known, so that none is due. */
function savedWorld(): FakeWorld {
  const world = worldAt();
  world.begun.save.push(at("09:00:00"));
  return world;
}

test("agent: a cluster that nobody has saved is saved at once, and then by the schedule; nothing else is late", async () => {
  const world = worldAt();
  const { agent } = world.start("a", { ...HOURLY, verify: "45 * * * *", prune: "30 5 * * *" });
  await world.advance(90 * MINUTE_MS);
  expect(world.begunBy("save").map((time) => time.slice(0, 7))).toEqual(["09:30:0", "10:00:0", "11:00:0"]);
  expect(world.begunBy("verify").map((time) => time.slice(0, 7))).toEqual(["09:45:0", "10:45:0"]);
  expect(world.begunBy("prune")).toEqual([]);
  expect(agent.status()).toMatchObject({ role: "writer", lease: { holder: { host: "a", pid: 7, since: at("09:30:00").toISOString() }, error: null } });
  expect(world.faults).toEqual([]);
});

test("agent: without a schedule it does only what it is asked for", async () => {
  const world = worldAt();
  const { agent } = world.start("a", {});
  await world.advance(2 * DAY_MS);
  expect(world.runs).toEqual([]);
  const asked = agent.request("verify")!;
  expect(asked).toMatchObject({ isNew: true, job: { kind: "verify", state: "running" } });
  expect(agent.request("verify")).toMatchObject({ isNew: false, job: { id: asked.job.id } });
  await world.advance(MINUTE_MS);
  expect(agent.job(asked.job.id)).toMatchObject({ state: "done", lines: ["verify done"] });
  expect([agent.job("job-9"), world.runs.length]).toEqual([undefined, 1]);
});

test("agent: however much was missed, it is caught up by one run: between two agents, and while the host was suspended", async () => {
  const world = worldAt();
  world.begun.save.push(new Date("2026-11-19T00:00:00Z"));
  world.start("a", HOURLY);
  await world.advance(20 * MINUTE_MS);
  expect(world.begunBy("save")).toEqual(["09:30:00"]);
  world.time.jump(5 * HOUR_MS);
  await world.advance(20 * MINUTE_MS);
  expect(world.begunBy("save").map((time) => time.slice(0, 5))).toEqual(["09:30", "14:50", "15:00"]);
});

test("agent: a host's clock that jumps a year ahead causes one run, and puts nothing off when it is set back", async () => {
  const world = savedWorld();
  world.start("a", { ...HOURLY, verify: "15 * * * *" });
  await world.advance(10 * MINUTE_MS);
  world.time.jump(365 * DAY_MS);
  await world.advance(MINUTE_MS);
  expect([world.begunBy("save").length, world.begunBy("verify").length]).toEqual([1, 1]);
  world.time.jump(-365 * DAY_MS);
  await world.advance(80 * MINUTE_MS);
  expect(
    world
      .begunBy("save")
      .slice(1)
      .map((time) => time.slice(0, 5)),
  ).toEqual(["10:00", "11:00"]);
  expect(
    world
      .begunBy("verify")
      .slice(1)
      .map((time) => time.slice(0, 5)),
  ).toEqual(["10:15"]);
});

test("agent: of two, one works and the other stands by; when it is gone, the other takes over within the lease's expiry", async () => {
  const world = worldAt();
  const [a, b] = [world.start("a", HOURLY), world.start("b", HOURLY)];
  await world.advance(65 * MINUTE_MS);
  expect(world.runs.map(({ agent }) => agent)).toEqual(["a", "a"]);
  expect([a.agent.status().role, b.agent.status().role]).toEqual(["writer", "standby"]);
  expect(b.agent.status().lease).toEqual({ holder: { host: "a", pid: 7, since: at("09:30:00").toISOString() }, error: null });
  expect([b.agent.request("save"), b.task("save").nextRunAt]).toEqual([undefined, null]);
  expect(world.messages("b")).toEqual(["info: standing by: agent on a is writing"]);
  a.vanish();
  await world.advance(45 * SECOND_MS);
  expect(b.agent.status()).toMatchObject({ role: "writer", lease: { holder: { host: "b" }, error: null } });
  // What the first one saved is not saved again.
  expect(world.runs).toHaveLength(2);
  await world.advance(30 * MINUTE_MS);
  expect(world.runs.map(({ agent }) => agent)).toEqual(["a", "a", "b"]);
  expect(world.faults).toEqual([]);
});

test("agent: a lease that is given back is taken over at the next look", async () => {
  const world = worldAt();
  const [a, b] = [world.start("a", HOURLY), world.start("b", HOURLY)];
  await world.advance(MINUTE_MS);
  a.stop();
  await world.advance(10 * SECOND_MS);
  expect([a.isOver, b.agent.status().role]).toEqual([true, "writer"]);
});

test("agent: a lost lease aborts what runs, nothing is begun until it is held again, and what runs then is not aborted by that loss", async () => {
  const world = savedWorld();
  world.behaviour = () => ({ takesMs: 2 * MINUTE_MS });
  const { agent } = world.start("a", { save: "* * * * *" });
  await world.advance(30 * SECOND_MS);
  const lost = world.holder!;
  lost.lose();
  expect(agent.request("save")).toBeUndefined();
  await world.advance(SECOND_MS);
  expect(world.runs.map(({ end }) => end)).toEqual(["dropped"]);
  expect(agent.status()).toMatchObject({ role: "standby", lease: { holder: null, error: { code: "WRITER_LEASE_LOST" } } });
  expect(agent.status().tasks[0]).toMatchObject({ running: null, failuresInARow: 1, last: { failure: { reason: "locked" } } });
  await world.advance(10 * MINUTE_MS);
  expect(world.holder!.epoch).toBe(2n);
  expect(world.runs.slice(1, 3).map(({ end, epoch }) => [end, epoch])).toEqual([
    ["done", 2n],
    ["done", 2n],
  ]);
  expect(world.faults).toEqual([]);
  expect(world.messages("a")).toEqual([
    "info: this agent writes for prod from now on",
    "error: this agent stands by again: the writer lease was lost",
    "info: this agent writes for prod from now on",
  ]);
});

test("agent: a lease that is lost while the catalogue is being read begins nothing", async () => {
  const world = worldAt();
  world.catalogueTakesMs = MINUTE_MS / 2;
  world.start("a", { save: "* * * * *" });
  await world.advance(45 * SECOND_MS);
  expect(world.runs).toHaveLength(1);
  await world.advance(5 * MINUTE_MS - 40 * SECOND_MS);
  const begun = world.runs.length;
  world.holder!.lose();
  await world.advance(SECOND_MS);
  expect(world.runs).toHaveLength(begun);
  expect(world.faults).toEqual([]);
});

test("agent: a lease that is always lost at once is not taken without end", async () => {
  const world = worldAt();
  const { take } = world;
  world.take = (agent) => {
    const lease = take.call(world, agent);
    world.holder!.lose();
    return lease;
  };
  world.start("a", HOURLY);
  await world.advance(MINUTE_MS);
  expect(world.messages("a").filter((message) => message.startsWith("error"))).toHaveLength(13);
  expect(world.runs).toEqual([]);
});

test("agent: a run that does not listen when the lease is lost neither keeps the agent from taking it again nor runs twice", async () => {
  const world = worldAt();
  world.behaviour = (kind) => ({ takesMs: kind === "save" ? 10 * MINUTE_MS : SECOND_MS, isDeaf: true });
  world.start("a", { save: "* * * * *", verify: "* * * * *" });
  await world.advance(30 * SECOND_MS);
  world.holder!.lose();
  await world.advance(5 * MINUTE_MS);
  expect(world.holder!.epoch).toBe(2n);
  expect(world.runs.filter(({ kind }) => kind === "save")).toHaveLength(1);
  expect(world.runs.filter(({ kind, epoch }) => kind === "verify" && epoch === 2n).length).toBeGreaterThan(2);
  await world.advance(10 * MINUTE_MS);
  expect(world.runs.filter(({ kind }) => kind === "save")).toHaveLength(2);
  expect(world.faults).toEqual([]);
});

test("agent: a repository that is not reached is tried until it is, and said once", async () => {
  const world = worldAt();
  world.isReachable = false;
  const { agent } = world.start("a", HOURLY);
  await world.advance(HOUR_MS - SECOND_MS);
  expect(world.runs).toEqual([]);
  expect(agent.status()).toMatchObject({ role: "standby", catalogue: null, lease: { holder: null, error: { code: "STORAGE_UNREACHABLE" } } });
  expect(world.messages("a")).toEqual(["warn: standing by: the store does not answer", "warn: the repository could not be read: the store does not answer"]);
  world.isReachable = true;
  await world.advance(10 * SECOND_MS);
  expect(world.runs).toHaveLength(1);
  expect(agent.status()).toMatchObject({ role: "writer", catalogue: { total: 0 } });
});

test("agent: what can be rebuilt, and how long ago that ends, by its clock", async () => {
  const world = savedWorld();
  const { agent } = world.start("a", {});
  expect(agent.status()).toMatchObject({ recovery: null, catalogue: null });
  await world.advance(MINUTE_MS);
  expect(agent.status().recovery).toEqual({ from: at("09:00:00").toISOString(), to: at("09:00:00").toISOString(), lagSeconds: 31 * 60 });
  world.begun.save.push(at("09:20:00"));
  await world.advance(9 * MINUTE_MS);
  expect(agent.status().recovery).toEqual({ from: at("09:00:00").toISOString(), to: at("09:20:00").toISOString(), lagSeconds: 20 * 60 });
  // A host whose clock is behind that of the one that saved.
  world.time.jump(-HOUR_MS);
  expect(agent.status().recovery).toMatchObject({ lagSeconds: 0 });
});

test("agent: a repository that goes away loses the lease, and is written to again when it is back", async () => {
  const world = savedWorld();
  world.start("a", HOURLY);
  await world.advance(MINUTE_MS);
  world.isReachable = false;
  await world.advance(90 * MINUTE_MS);
  expect(world.runs).toEqual([]);
  world.isReachable = true;
  await world.advance(15 * SECOND_MS);
  expect(world.begunBy("save")).toHaveLength(1);
  expect(world.faults).toEqual([]);
});

test("agent: a catalogue that cannot be read any more stops no schedule, is tried again, and said once an hour", async () => {
  const world = savedWorld();
  const { agent } = world.start("a", HOURLY);
  await world.advance(MINUTE_MS);
  const [readAt, reads] = [agent.status().catalogue?.readAt, world.catalogueReads];
  world.readsCatalogue = false;
  await world.advance(2 * HOUR_MS);
  expect(world.begunBy("save").map((time) => time.slice(0, 5))).toEqual(["10:00", "11:00"]);
  expect(agent.status().catalogue?.readAt).toBe(readAt);
  expect(world.catalogueReads - reads).toBeGreaterThan(100);
  expect(world.catalogueReads - reads).toBeLessThan(1_000);
  const warnings = () => world.messages("a").filter((message) => message.startsWith("warn"));
  expect(warnings()).toHaveLength(2);
  expect(agent.status().unreadable).toEqual({ since: at("09:35:00").toISOString(), code: "STORAGE_UNREACHABLE", message: "the store does not answer" });
  world.readsCatalogue = true;
  await world.advance(MINUTE_MS);
  expect(agent.status()).toMatchObject({ unreadable: null, catalogue: { readAt: expect.not.stringMatching(readAt!) } });
  world.readsCatalogue = false;
  await world.advance(10 * MINUTE_MS);
  expect(warnings()).toHaveLength(3);
});

test("agent: when the next backup is to be there is counted from the newest one, by the schedule, also by who stands by and while saves fail", async () => {
  const world = savedWorld();
  const started = [world.start("a", { ...HOURLY, verify: "5 * * * *" }), world.start("b", HOURLY)];
  const expected = () => started.map((each) => each.task("save").expectedAt?.slice(11, 16));
  expect(expected()).toEqual([undefined, undefined]);
  await world.advance(45 * MINUTE_MS);
  expect(expected()).toEqual(["11:00", "11:00"]);
  expect(started[0]!.task("verify").expectedAt).toBeNull();
  world.behaviour = () => ({ takesMs: SECOND_MS, failure: { reason: "corrupt", message: "no", hint: "" } });
  await world.advance(2 * HOUR_MS);
  expect(expected()).toEqual(["11:00", "11:00"]);
  started[1]!.configure({});
  expect(expected()).toEqual(["11:00", undefined]);
});

test("agent: a catalogue that can never be read, or takes for ever, keeps nobody from saving", async () => {
  for (const takesMs of [0, HOUR_MS]) {
    const world = savedWorld();
    [world.readsCatalogue, world.catalogueTakesMs] = [false, takesMs];
    world.start("a", HOURLY);
    await world.advance(50 * SECOND_MS);
    expect(world.runs).toEqual([]);
    await world.advance(20 * SECOND_MS);
    expect(world.runs).toHaveLength(1);
    await world.advance(HOUR_MS);
    expect(world.begunBy("save").map((time) => time.slice(0, 5))).toEqual(["09:31", "10:00"]);
  }
});

test("agent: the catalogue is read in the background: every run begins in time, and what it did is seen after it", async () => {
  const world = savedWorld();
  world.catalogueTakesMs = 40 * SECOND_MS;
  const { agent } = world.start("a", { save: "* * * * *" });
  await world.advance(10 * MINUTE_MS);
  expect(
    world.begunBy("save").every((time) => /:(0[0-5]|4\d)$/.test(time)),
    world.begunBy("save").join(),
  ).toBe(true);
  expect(world.begunBy("save").length).toBeGreaterThanOrEqual(10);
  await world.advance(50 * SECOND_MS);
  expect(agent.status().catalogue?.total).toBe(world.begun.save.length);
});

test("agent: what failed is tried again, ever later; what needs somebody when it comes anyway", async () => {
  const world = savedWorld();
  const failure = { reason: "etcd-unreachable", message: "nobody answers", hint: "look" } as const;
  world.behaviour = (kind) => ({ takesMs: SECOND_MS, failure: kind === "save" ? failure : { ...failure, reason: "corrupt" } });
  const started = world.start("a", { save: "0 3 * * *", verify: "0 10 * * *" });
  world.begun.save.push(new Date("2026-11-22T02:00:00Z"));
  await world.advance(0);
  started.agent.request("save");
  await world.advance(4 * HOUR_MS);
  const minutes = world.runs
    .filter(({ kind }) => kind === "save")
    .map(({ beganMs }, index, all) => Math.round((beganMs - (all[index - 1]?.beganMs ?? 0)) / MINUTE_MS));
  expect(minutes).toEqual([0, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30]);
  expect(world.begunBy("verify")).toEqual(["10:00:00"]);
  expect(started.task("save")).toMatchObject({ isRetry: true, failuresInARow: 12, last: { failure } });
  world.behaviour = () => ({ takesMs: SECOND_MS });
  await world.advance(31 * MINUTE_MS);
  expect(started.task("save")).toMatchObject({ isRetry: false, failuresInARow: 0, nextRunAt: "2026-11-23T03:00:00.000Z" });
});

test("agent: a run that throws has failed", async () => {
  for (const run of [() => Promise.reject(new Error("a fault")), () => Promise.reject(undefined)]) {
    const world = savedWorld();
    world.run = run;
    const { agent } = world.start("a", {});
    await world.advance(SECOND_MS);
    const { job } = agent.request("save")!;
    await world.advance(SECOND_MS);
    expect(agent.job(job.id)).toMatchObject({ state: "failed", failure: { reason: "failure" } });
  }
});

test("agent: stopped, it lets what runs come to its end, and gives the lease back", async () => {
  const world = savedWorld();
  world.behaviour = () => ({ takesMs: 2_900 });
  const a = world.start("a", {});
  await world.advance(SECOND_MS);
  const { job } = a.agent.request("save")!;
  a.stop();
  await world.advance(2 * SECOND_MS);
  expect([a.isOver, a.agent.request("verify"), world.holder?.agent]).toEqual([false, undefined, a]);
  await world.advance(SECOND_MS);
  expect([a.isOver, world.holder, a.agent.job(job.id)?.state]).toEqual([true, undefined, "done"]);
  expect(world.runs).toHaveLength(1);
});

test("agent: stopped, it drops what takes longer", async () => {
  const world = savedWorld();
  world.behaviour = () => ({ takesMs: HOUR_MS });
  const a = world.start("a", {});
  await world.advance(SECOND_MS);
  const { job } = a.agent.request("save")!;
  a.stop();
  await world.advance(2_900);
  expect([a.isOver, world.runs[0]!.end]).toEqual([false, "running"]);
  await world.advance(200);
  expect([a.isOver, world.holder]).toEqual([true, undefined]);
  expect(a.agent.job(job.id)).toMatchObject({ state: "failed", failure: { reason: "interrupted", message: "the agent is being stopped" } });
});

test("agent: stopped, it is over within seven seconds whatever does not listen, and does not answer: its process has three to begin and to end", async () => {
  const world = savedWorld();
  world.behaviour = () => ({ takesMs: HOUR_MS, isDeaf: true });
  const a = world.start("a", HOURLY);
  await world.advance(SECOND_MS);
  a.agent.request("save");
  world.holder!.givesBack = () => new Promise(() => undefined);
  a.stop();
  await world.advance(7_000);
  expect(a.isOver).toBe(true);
});

test("agent: stopped, a lease that cannot be given back is said to expire, and that is all", async () => {
  const world = savedWorld();
  const a = world.start("a", HOURLY);
  await world.advance(SECOND_MS);
  world.holder!.givesBack = () => Promise.reject(new Error("no way"));
  a.stop();
  await world.advance(0);
  expect(a.isOver).toBe(true);
  expect(world.messages("a").at(-1)).toBe("warn: the writer lease could not be given back, and expires by itself: no way");
});

test("agent: stopped while it asks for the lease, it waits for no store, and keeps nothing that it gets afterwards", async () => {
  const world = savedWorld();
  const { promise, resolve } = Promise.withResolvers<void>();
  world.storeHangs = promise;
  const a = world.start("a", HOURLY);
  await world.advance(SECOND_MS);
  a.stop();
  await world.advance(0);
  expect(a.isOver).toBe(true);
  resolve();
  await world.advance(SECOND_MS);
  expect(world.holder).toBeUndefined();
});

test("agent: stopped in standby, it is over at once", async () => {
  const world = savedWorld();
  world.start("a", HOURLY);
  await world.advance(SECOND_MS);
  const b = world.start("b", HOURLY);
  await world.advance(SECOND_MS);
  b.stop();
  await world.advance(0);
  expect([b.isOver, world.holder?.agent.name]).toEqual([true, "a"]);
});

test("agent: a configuration that was read again counts at once; what was refused is told until it is in force", async () => {
  const world = savedWorld();
  const a = world.start("a", HOURLY);
  await world.advance(SECOND_MS);
  const loadedAt = a.agent.status().configuration.loadedAt;
  a.agent.refused(["it is wrong", "there is no token"]);
  const refused = { at: at("09:30:01").toISOString(), message: "it is wrong; there is no token" };
  expect(a.agent.status().configuration).toEqual({ loadedAt, refused });
  await world.advance(SECOND_MS);
  a.agent.refused(["it is wrong", "there is no token"]);
  a.configure({ save: "20 * * * *" });
  await world.advance(0);
  expect(a.agent.status().configuration).toEqual({ loadedAt: at("09:30:02").toISOString(), refused });
  a.agent.refused(["there is no token"]);
  expect(a.agent.status().configuration.refused).toEqual({ at: at("09:30:02").toISOString(), message: "there is no token" });
  a.agent.refused([]);
  expect(a.agent.status().configuration.refused).toBeNull();
  expect(world.begunBy("save")).toEqual(["09:30:02"]);
  a.configure({});
  await world.advance(DAY_MS);
  expect(world.runs).toHaveLength(1);
  expect(a.task("save")).toMatchObject({ schedule: null, nextRunAt: null });
});
