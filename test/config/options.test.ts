import { expect, test } from "vitest";
import { OPTION_NAMES, optionSpec, optionsOf, variableOf } from "../../src/config/options.ts";
import { readValue } from "../../src/config/value.ts";
import { checkClusterName } from "../../src/repository/names.ts";

test("options: every default is a value that its own option takes", () => {
  for (const name of OPTION_NAMES) {
    const spec = optionSpec(name);
    if (spec.default !== undefined) expect(readValue(spec, spec.default), name).toHaveProperty("value");
  }
});

test("options: a boolean always has a default, an enum its choices, a value something to show for it", () => {
  for (const name of OPTION_NAMES) {
    const { kind, default: text, choices, placeholder } = optionSpec(name);
    expect(kind !== "boolean" || text !== undefined, name).toBe(true);
    expect(kind === "enum", name).toBe(choices !== undefined);
    expect(kind === "boolean" || kind === "secret", name).toBe(placeholder === undefined);
  }
});

test("options: no two share a short form", () => {
  const shorts = OPTION_NAMES.flatMap((name) => optionSpec(name).short ?? []);
  expect(new Set(shorts).size).toBe(shorts.length);
});

test("options: variables are named after flags", () => {
  expect(variableOf("check-members-every")).toBe("ETCDSAFE_CHECK_MEMBERS_EVERY");
});

test("options: a command has its own, the configuration commands have all", () => {
  expect(optionsOf("inspect")).toEqual(["config", "format", "log-format", "log-level", "termination-log"]);
  expect(optionsOf("save")).toContain("stall-limit");
  expect(optionsOf("list")).not.toContain("stall-limit");
  expect(optionsOf("config show")).toEqual(OPTION_NAMES);
});

test.each(["default", "a", "0.a_b-c", "a".repeat(63), "a".repeat(64), "", "A", ".a", "a/b", "ä"])(
  "options: --cluster takes %j if the repository does",
  (name) => {
    const taken = "value" in readValue(optionSpec("cluster"), name);
    const check = expect(() => checkClusterName(name));
    if (taken) check.not.toThrow();
    else check.toThrow();
  },
);

test("options: an agent has those of what it does, without what only somebody who types a command can mean", () => {
  const taken = optionsOf("agent");
  for (const name of ["save-schedule", "listen", "recipient", "level", "keep-daily", "heartbeat-file", "repository", "config"] as const)
    expect(taken).toContain(name);
  for (const name of ["output", "member", "all", "since", "junit", "plan", "yes", "jitter", "data-dir"] as const) expect(taken).not.toContain(name);
});
