import { expect, test } from "vitest";
import { FINDINGS_MAX, Findings } from "../../../src/etcd-files/bbolt/finding.ts";

test("findings: keeps a thousand and counts the rest", () => {
  const findings = new Findings();
  findings.warning(1, "odd");
  for (let index = 0; index < FINDINGS_MAX + 41; index++) findings.error(index, "bad");
  const list = findings.list();
  expect(list.length).toBe(FINDINGS_MAX + 1);
  expect(list[0]).toEqual({ severity: "warning", offset: 1, text: "odd" });
  expect(list.at(-1)).toEqual({ severity: "error", offset: FINDINGS_MAX - 1, text: "and 42 more, the next of them here" });
  expect(findings.errors).toBe(FINDINGS_MAX + 41);
});
