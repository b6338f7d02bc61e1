import { expect, test } from "vitest";
import { instructionsText } from "../../src/cli/instructions-text.ts";

test("instructions: a step is printed once for all hosts that run the same, and before any host's next step", () => {
  const stop = { number: 1, title: "Stop", commands: ["stop it"] };
  const restore = (member: string) => ({ number: 2, title: "Restore", why: "Once.", commands: [`restore ${member}`] });
  const text = instructionsText([
    { member: "a", host: "10.0.0.1", steps: [stop, restore("a")] },
    { member: "b", host: "b", steps: [stop, restore("b")] },
    { member: null, host: "every other node", steps: [{ number: 1, title: "Rest", commands: [] }] },
  ]);
  expect(text).toBe(
    [
      "To do, in a root shell on each host; finish a step on all its hosts before the next:",
      "",
      "1. Stop",
      "   On a (10.0.0.1); b",
      "     stop it",
      "   On every other node: Rest",
      "",
      "2. Restore",
      "   On a (10.0.0.1)",
      "   (Once.)",
      "     restore a",
      "   On b",
      "   (Once.)",
      "     restore b",
      "",
    ].join("\n"),
  );
  expect(instructionsText([])).toBe("");
});
