// Signals, in a process of their own: a command that stops when asked to, and one that does not.
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { interruptedError } from "../../src/cli/interruption.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { NODE } from "../support/cli.ts";
import { startCommand } from "../support/command.ts";

const MODULE = fileURLToPath(new URL("../../src/cli/interruption.ts", import.meta.url));

function start(body: string) {
  const script = `import { watchInterruption } from ${JSON.stringify(MODULE)};
    const interruption = watchInterruption((signal) => console.log("first", signal));
    const keepAlive = setInterval(() => undefined, 1000);
    console.log("ready");
    ${body}`;
  return startCommand(NODE, ["--input-type=module", "--eval", script], { limitMs: 20_000 });
}

const STOPS = `interruption.signal.addEventListener("abort", () => {
  clearInterval(keepAlive);
  console.log(interruption.signal.reason.code, interruption.signal.reason.message);
  process.exitCode = interruption.exitCode;
});`;

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("interruption: %s asks the command to stop, exit code %i", async (signal, exitCode) => {
  const command = start(STOPS);
  await command.printed(/ready/);
  command.signal(signal);
  expect(await command.finished).toMatchObject({ exitCode, stdout: `ready\nfirst ${signal}\nINTERRUPTED stopped by ${signal}\n` });
});

test("interruption: what is left is said as it fits the command", () => {
  const interruption = { signal: AbortSignal.abort(new EtcdsafeError("INTERRUPTED", "stopped by SIGINT")), exitCode: 130, [Symbol.dispose]: () => undefined };
  const hintOf = (command: "save" | "restore" | undefined) => (interruptedError(interruption, command) as EtcdsafeError).hint;
  expect(hintOf("restore")).toBe("Nothing was put in place; run it again.");
  for (const command of ["save", undefined] as const) expect(hintOf(command)).toBe("Nothing half done is listed; run it again.");
});

test("interruption: a second signal ends at once", async () => {
  const command = start("");
  await command.printed(/ready/);
  command.signal("SIGINT");
  await command.printed(/first/);
  command.signal("SIGTERM");
  expect(await command.finished).toMatchObject({ exitCode: 143 });
});
