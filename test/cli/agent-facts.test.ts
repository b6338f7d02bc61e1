import { expect, test } from "vitest";
import { agentFacts } from "../../src/cli/agent-facts.ts";
import { Config } from "../../src/config/config.ts";
import { ago, allWell, everythingFails, notReadYet } from "../agent/http/statuses.ts";

const MINUTE_MS = 60_000;
const readAt = async (status: typeof allWell) => (await agentFacts(status, new Config(new Map()))).readAt.toISOString();

test("agent facts: the repository is known as it was when it was read last, at the start where it never was, and no longer than it can be read", async () => {
  expect(await readAt(allWell)).toBe(allWell.catalogue!.readAt);
  expect(await readAt({ ...notReadYet, unreadable: null })).toBe(notReadYet.startedAt);
  // By a clock that was set back since, it would have been read in times to come.
  const unreadable = { since: ago(40 * MINUTE_MS), code: "STORAGE_UNREACHABLE", message: "no answer" };
  expect(await readAt({ ...everythingFails, catalogue: { ...allWell.catalogue!, readAt: ago(-300 * MINUTE_MS) }, unreadable })).toBe(unreadable.since);
});
