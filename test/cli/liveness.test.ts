import { expect, test } from "vitest";
import { livenessRefusals } from "../../src/cli/liveness.ts";
import type { Liveness, LivenessCheck } from "../../src/restore/liveness.ts";

const check = (kind: LivenessCheck["kind"], what: string): LivenessCheck => ({ kind, what, outcome: "alive", detail: "seen", allowedBy: null });
const alive = (...checks: readonly LivenessCheck[]): Liveness => ({ checks, verdict: "alive", formerQuorum: null });

test("a plan's refusal while etcd runs: what was seen, in one short line, and that the first step stops it", () => {
  const running = alive(check("lock", "/var/lib/etcd"), check("url", "http://10.0.0.1:2379"), check("manifest", "/m/etcd.yaml"));
  expect(livenessRefusals(running)).toEqual(["etcd may be alive (/var/lib/etcd, http://10.0.0.1:2379, /m/etcd.yaml); restore refuses that. Step 1 stops it."]);
  expect(livenessRefusals({ ...running, verdict: "stopped" })).toEqual([]);
  const [first, ...others] = livenessRefusals({ ...running, formerQuorum: { answering: 2, members: 3 } });
  expect(first).toMatch(/^2 of the former cluster's 3 members answer, .*may not be lost/);
  expect(others).toEqual(livenessRefusals(running));
});

test("a plan's refusal where no step helps: the way out, as the refusal of the restore has it", () => {
  expect(livenessRefusals(alive(check("started", "m1")))[0]).toMatch(/^a member of the plan has run .* \(m1\); restore refuses that\. .*member remove/);
  const unknown: Liveness = { ...alive({ ...check("lock", "/d"), outcome: "unknown" }), verdict: "unknown" };
  expect(livenessRefusals(unknown)[0]).toMatch(/cannot be found out \(\/d\); .*--etcd-is-stopped/);
});
