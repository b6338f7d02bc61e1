import { expect, test, vi } from "vitest";
import { ProvisionError } from "../../scripts/provision/provision-error.ts";
import { nodeStep, runSteps, type Step } from "../../scripts/steps.ts";

/** What runSteps printed, times left out, and its exit code. */
async function ran(...steps: Step[]): Promise<string> {
  let text = "";
  const catchText = (chunk: string | Uint8Array) => {
    text += chunk.toString();
    return true;
  };
  const spies = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, "write").mockImplementation(catchText));
  try {
    const exitCode = await runSteps(steps);
    return `${text.replace(/\d+\.\d s$/gm, "… s")}${exitCode}`;
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

const node = (name: string, source: string) => nodeStep(name, ["--eval", source], { cwd: "." });

test("steps: each is named, and a quiet one that passes prints nothing else", async () => {
  expect(await ran(node("one", "console.log('noise')"), node("two", ""))).toBe("ok      one, … s\nok      two, … s\n0");
});

test("steps: the first that fails shows what it printed, gives the exit code and is the last", async () => {
  expect(await ran(node("one", "console.log('why'); process.exit(6)"), node("two", ""))).toBe("why\nFAILED  one, … s\n6");
});

test("steps: what cannot be provisioned is one line", async () => {
  const run = async () => {
    throw new ProvisionError("needs Go");
  };
  expect(await ran({ name: "etcd", run })).toBe("etcdsafe: needs Go\nFAILED  etcd, … s\n1");
});
