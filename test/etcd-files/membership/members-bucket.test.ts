import { expect, test } from "vitest";
import { membersBucketRows } from "../../../src/etcd-files/membership/members-bucket.ts";
import { planCluster } from "../../../src/etcd-files/membership/plan-cluster.ts";

test("members bucket: keys are the ids in hexadecimal without padding, rows in the order of the keys' bytes", () => {
  const specs = [
    { name: "n1", peerUrls: ["http://127.0.0.1:42001"] },
    { name: "n2", peerUrls: ["http://127.0.0.1:42003", "http://127.0.0.2:42003"] },
    { name: "n3", peerUrls: ["http://127.0.0.1:42005"] },
  ];
  const rows = membersBucketRows(planCluster(specs, "tokX").members).map(({ key, value }) => [Buffer.from(key).toString(), Buffer.from(value).toString()]);
  expect(rows).toEqual([
    ["2f1bd00aa88e6bda", '{"id":3394535488349957082,"peerURLs":["http://127.0.0.1:42005"],"name":"n3"}'],
    ["ce9dd4bce73f8c4", '{"id":930518115684710596,"peerURLs":["http://127.0.0.1:42001"],"name":"n1"}'],
    ["dbaba6e397d3a479", '{"id":15828928811758756985,"peerURLs":["http://127.0.0.1:42003","http://127.0.0.2:42003"],"name":"n2"}'],
  ]);
});
