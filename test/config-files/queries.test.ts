// Every query that somebody may copy, by the real promtool.
import { expect, test } from "vitest";
import { rowsOf, sectionOf } from "../support/markdown.ts";
import { unknownIn } from "./known-series.ts";
import { queryFaults } from "./promtool.ts";

test("queries: promtool parses all those of docs/metrics.md", async () => {
  const rows = rowsOf(sectionOf("metrics.md", "Queries"));
  const queries = rows.map(([, query = ""]) => query.replace(/^`(.*)`$/, "$1").replaceAll("\\|", "|"));
  const page = sectionOf("metrics.md", "Queries");
  const inText = [...page.matchAll(/`(absent\([^`]*)`/g)].map(([, query = ""]) => query);
  expect([queries.length > 10, inText.length]).toEqual([true, 1]);
  expect(queries.filter((query) => !query.includes("etcdsafe_"))).toEqual([]);
  expect([...queries, ...inText].flatMap(unknownIn)).toEqual([]);
  expect(await queryFaults([...queries, ...inText])).toBe("");
});

test("queries: promtool says of one that is no PromQL that it is none", async () => {
  expect(await queryFaults(["time() - max by (cluster) (etcdsafe_build_info)", "max by (cluster (etcdsafe_build_info)"])).toMatch(/query:1.*parse error/s);
});

test("queries: what a query asks for in vain is found", () => {
  const query = 'max by (cluster, phase) (etcdsafe_last_backup_state{level="hash"}) / on (cluster, store) etcdsafe_quota';
  expect(unknownIn(query)).toEqual(["etcdsafe_quota", "etcdsafe_last_backup_state{level}", "by (phase)", "on (store)"]);
});
