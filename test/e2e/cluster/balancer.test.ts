// One endpoint with two members behind it: a snapshot that came by that way is not taken for that of a member which may not have sent it.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { WhichMembers } from "../../../src/backup/comparison.ts";
import { fileTarget } from "../../../src/backup/file-target.ts";
import { save } from "../../../src/backup/save.ts";
import type { Saved } from "../../../src/backup/save-target.ts";
import { startGrpcProxy } from "../../faults/kit/grpc-proxy.ts";
import { type EtcdCluster, startCluster } from "../../support/etcd.ts";
import { putMany } from "../../support/etcd-data.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { testRuntime } from "../../support/test-runtime.ts";
import { connectionTo, soon } from "./members.ts";

let cluster: EtcdCluster;

beforeAll(async () => {
  cluster = await startCluster({ size: 2 });
  await putMany(await cluster.client(), [{ key: "a", value: "b" }]);
});
afterAll(() => cluster?.stop());

test("a balancer that keeps to its connections: one connection, one member", async () => {
  await using balancer = await startBalancer();
  const { saved, warnings } = await saving(balancer.url, "others");
  expect(saved).toMatchObject({ state: "proven", members: [{ serving: false, outcome: "agreed" }] });
  expect(warnings).toEqual([]);
  expect(balancer.connections).toBe(1);
});

test("a balancer that leads to another member once the connection was lost: the one that was chosen counts only by what it says itself", async () => {
  await using balancer = await startBalancer();
  const { saved, warnings } = await saving(balancer.url, "others", () => balancer.cut());
  expect(saved).toMatchObject({
    state: "unconfirmed",
    stateWhy: expect.stringMatching(/^1 of 2 voting members holds this data, m\d cannot be compared \(.*leads to .*\); a majority is 2$/),
    members: [
      { serving: true, name: "m0", outcome: "not-comparable", endpoint: balancer.url, why: expect.stringMatching(leadsToMore(balancer.url)) },
      { serving: false, name: "m1", outcome: "agreed" },
    ],
  });
  expect(warnings).toEqual([expect.stringMatching(leadsToMore(balancer.url))]);

  await using another = await startBalancer();
  const { saved: all } = await saving(another.url, "all", () => another.cut());
  expect(all).toMatchObject({ state: "proven", stateWhy: "2 of 2 voting members hold this data" });
  expect(all.members.map(({ outcome, endpoint }) => `${outcome} at ${endpoint}`).sort()).toEqual(cluster.endpoints.map((url) => `agreed at ${url}`).sort());
});

test.each([0, 1])(
  "a balancer that gives each call to the next member, beginning with member %i: no single one is known to have sent the snapshot",
  async (first) => {
    await using proxy = await startGrpcProxy(cluster.endpoints[0]!, (_method, before) => ({ target: cluster.endpoints[(first + before.length) % 2]! }));
    const { saved } = await saving(proxy.url, "others");
    expect(saved).toMatchObject({
      state: "unconfirmed",
      stateWhy: expect.stringMatching(/^1 of 2 voting members holds this data, m\d cannot be compared \(.*leads to .*\); a majority is 2$/),
    });
    expect(saved.members).toMatchObject([
      { serving: true, outcome: "not-comparable", why: expect.stringMatching(leadsToMore(proxy.url)) },
      { serving: false, outcome: "agreed" },
    ]);
  },
);

function leadsToMore(url: string): RegExp {
  return new RegExp(`^${url} leads to more than one member \\([0-9a-f]+ and [0-9a-f]+\\), so the snapshot may be of any of them`);
}

/** Saves by way of `url`; `chosen` is called when it is settled which member is to serve. */
async function saving(url: string, checkMembers: WhichMembers, chosen: () => void = () => undefined): Promise<{ saved: Saved; warnings: string[] }> {
  await using directory = await temporaryDirectory("balancer");
  const runtime = testRuntime();
  const target = { ...fileTarget(join(directory.path, "etcd.db"), runtime), prepare: async () => chosen() };
  const request = { connection: connectionTo([url]), checkMembers, stallLimitMs: 10_000, spoolDirectory: directory.path, target };
  const { saved } = await save(request, { ...soon(), runtime });
  const warnings = runtime.logged.filter(({ level, message }) => level === "warn" && !message.includes("shares a disk")).map(({ message }) => message);
  return { saved, warnings };
}

interface Balancer extends AsyncDisposable {
  readonly url: string;
  readonly connections: number;
  /** Resets every open connection. */
  cut(): void;
}

/** Gives each TCP connection to the next member. */
async function startBalancer(): Promise<Balancer> {
  const open = new Set<Socket>();
  let connections = 0;
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  const server = createServer((client) => {
    const member = connect(Number(new URL(cluster.endpoints[connections++ % 2]!).port), "127.0.0.1");
    for (const [from, to] of [
      [client, member],
      [member, client],
    ] as const) {
      open.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
      from.pipe(to);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections;
    },
    cut,
    [Symbol.asyncDispose]: async () => {
      server.close();
      cut();
    },
  };
}
