import { expect, test } from "vitest";
import { checkAdvertisedPeerUrls, type ResolveHost } from "../../../src/etcd-files/membership/advertised-urls.ts";
import { type PlannedMember, planCluster } from "../../../src/etcd-files/membership/plan-cluster.ts";

const options = { signal: new AbortController().signal };
const noResolving: ResolveHost = () => Promise.reject(new Error("nothing should be resolved"));
const hosts: ResolveHost = async (host) => {
  const address = { "m1.example": "10.0.0.1", "m2.example": "10.0.0.2", "v6.example": "fd00::1" }[host];
  if (address === undefined) throw new Error(`no address for ${host}`);
  return address;
};

function member(...peerUrls: string[]): PlannedMember {
  return planCluster([{ name: "m1", peerUrls }], "token").members[0] as PlannedMember;
}

test("advertised URLs: equal texts, in any order, are accepted without asking for addresses", async () => {
  await checkAdvertisedPeerUrls(member("http://a:1", "http://b:1"), ["http://b:1", "http://a:1"], noResolving, options);
});

test("advertised URLs: other texts are accepted when they resolve to the same addresses", async () => {
  await checkAdvertisedPeerUrls(member("http://m1.example:2380", "http://m2.example:2380"), ["http://10.0.0.2:2380", "http://10.0.0.1:2380"], hosts, options);
  await checkAdvertisedPeerUrls(member("https://v6.example:2380"), ["https://[fd00:0::0:1]:2380"], hosts, options);
});

test.each([
  ["another address", ["http://m2.example:2380"]],
  ["another port", ["http://10.0.0.1:2381"]],
  ["another scheme", ["https://10.0.0.1:2380"]],
  ["one more URL", ["http://m1.example:2380", "http://m2.example:2380"]],
  ["localhost, which etcd does not resolve", ["http://localhost:2380"]],
])("advertised URLs: %s is refused", async (_what, advertised) => {
  await expect(checkAdvertisedPeerUrls(member("http://m1.example:2380"), advertised, hosts, options)).rejects.toMatchObject({
    code: "MEMBERS_INVALID",
    message: `member "m1" advertises ${advertised.join(", ")}, but the initial cluster has http://m1.example:2380 for it`,
  });
});

test("advertised URLs: a host without an address is refused with the resolver's reason", async () => {
  await expect(checkAdvertisedPeerUrls(member("http://m1.example:2380"), ["http://gone.example:2380"], hosts, options)).rejects.toMatchObject({
    code: "MEMBERS_INVALID",
    message: expect.stringMatching(/could not be resolved to compare addresses: no address for gone\.example$/),
  });
});

test("advertised URLs: an interrupted resolution ends with the interruption", async () => {
  const controller = new AbortController();
  const interrupted: ResolveHost = async () => {
    controller.abort(new Error("interrupted"));
    throw new Error("lookup failed");
  };
  const check = checkAdvertisedPeerUrls(member("http://m1.example:2380"), ["http://x.example:2380"], interrupted, controller);
  await expect(check).rejects.toThrow("interrupted");
});
