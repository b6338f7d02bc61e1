import { expect, test } from "vitest";
import type { Revision } from "../../src/bytes/u64.ts";
import type { MemberClient } from "../../src/cluster/channel.ts";
import { GrpcStatusError, refusal } from "../../src/cluster/grpc-errors.ts";
import { hashKv } from "../../src/cluster/hashkv.ts";
import { linearizableRevision } from "../../src/cluster/revision.ts";
import { ProtoWriter } from "../../src/proto/wire.ts";

/** Refuses with each of these, in turn, then answers from revision 7. */
function memberRefusing(...refusals: [status: number, words: string][]): MemberClient {
  return {
    endpoint: "http://m:1",
    async call(method: string) {
      const [next] = refusals.splice(0, 1);
      if (next !== undefined) throw refusal("http://m:1", method, new GrpcStatusError(...next));
      return new ProtoWriter().bytes(1, new ProtoWriter().varint(3, 7).finish()).finish();
    },
    stream: () => Promise.reject(new Error("not asked for")),
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}
const options = { signal: new AbortController().signal };
const LEADER_CHANGED: [number, string] = [14, "etcdserver: leader changed"];

test("revisions: a read during a change of leaders is made once more", async () => {
  expect((await linearizableRevision(memberRefusing(LEADER_CHANGED), options)).revision).toBe(7n);
  await expect(linearizableRevision(memberRefusing(LEADER_CHANGED, LEADER_CHANGED), options)).rejects.toMatchObject({ code: "ETCD_REQUEST_FAILED" });
});

// Texts: etcd 3.4 to 3.7, api/v3rpc/rpctypes/error.go; without "etcdserver: " where 3.4 and 3.5 leave it out.
test.each([
  [14, "etcdserver: no leader", "ETCD_NO_QUORUM"],
  [14, "etcdserver: request timed out", "ETCD_NO_QUORUM"],
  [14, "etcdserver: request timed out, possibly due to previous leader failure", "ETCD_NO_QUORUM"],
  [14, "etcdserver: request timed out, waiting for the applied index took too long", "ETCD_MEMBER_STALE"],
  [14, "etcdserver: rpc not supported for learner", "ETCD_LEARNER_ONLY"],
  [9, "etcdserver: rpc not supported for learner", "ETCD_LEARNER_ONLY"],
  [2, "auth: permission denied", "ETCD_PERMISSION_DENIED"],
  [7, "etcdserver: permission denied", "ETCD_PERMISSION_DENIED"],
  [16, "etcdserver: invalid auth token", "ETCD_AUTH_FAILED"],
  [3, "etcdserver: user name is empty", "ETCD_AUTH_FAILED"],
  [14, "etcdserver: server stopped", "ETCD_UNREACHABLE"],
  [8, "etcdserver: too many requests", "ETCD_REQUEST_FAILED"],
])("refusals: status %i %j is %s", async (status, words, code) => {
  await expect(linearizableRevision(memberRefusing([status, words]), options)).rejects.toMatchObject({
    code,
    message: `http://m:1: KV/Range failed: ${words}`,
  });
});

test.each([
  [11, "etcdserver: mvcc: required revision has been compacted", "compacted"],
  [11, "etcdserver: mvcc: required revision is a future revision", "future revision"],
  [9, "etcdserver: rpc not supported for learner", "learner"],
  [2, "auth: permission denied", "permission denied"],
  [12, "unknown method HashKV", "not implemented"],
])("hashes: status %i %j is an answer: %s", async (status, words, refused) => {
  expect(await hashKv(memberRefusing([status, words]), 5n as Revision, options)).toEqual({ refused });
});

test("hashes: what is no refusal rejects", async () => {
  await expect(hashKv(memberRefusing([14, "etcdserver: no leader"]), 5n as Revision, options)).rejects.toMatchObject({ code: "ETCD_NO_QUORUM" });
});
