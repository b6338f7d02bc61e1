// Signals, in a process of their own: a command that stops when asked to, one that does not, and signals as terminals, npm and `timeout` deliver them.
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { exitCodeFor, InterruptedError, whyEnded, withHint } from "../../src/cli/interruption.ts";
import type { CommandName } from "../../src/config/option.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { NODE } from "../support/cli.ts";
import { startCommand } from "../support/command.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MODULE = fileURLToPath(new URL("../../src/cli/interruption.ts", import.meta.url));

/** `signals`: an expression, for those that stop it. */
function start(body: string, signals = "SIGNALS") {
  const script = `import { SIGNALS, watchInterruption } from ${JSON.stringify(MODULE)};
    const interruption = watchInterruption(${signals}, (signal) => console.log("first", signal));
    const keepAlive = setInterval(() => undefined, 1000);
    console.log("ready");
    ${body}`;
  return startCommand(NODE, ["--input-type=module", "--eval", script], { limitMs: 20_000 });
}

const STOPS = `interruption.signal.addEventListener("abort", () => {
  clearInterval(keepAlive);
  console.log(interruption.signal.reason.code, interruption.signal.reason.message);
  process.exitCode = interruption.signal.reason.exitCode;
});`;

test.each([
  ["SIGHUP", 129],
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("interruption: %s asks the command to stop, exit code %i", async (signal, exitCode) => {
  const command = start(STOPS);
  await command.printed(/ready/);
  command.signal(signal);
  expect(await command.finished).toMatchObject({ exitCode, stdout: `ready\nfirst ${signal}\nINTERRUPTED stopped by ${signal}\n` });
});

test("interruption: a signal that means something else to the command does not stop it", async () => {
  const command = start(
    `process.on("SIGHUP", () => console.log("read again"));\n${STOPS}\nconsole.log("listening");`,
    `SIGNALS.filter((each) => each !== "SIGHUP")`,
  );
  await command.printed(/listening/);
  command.signal("SIGHUP");
  await command.printed(/read again/);
  command.signal("SIGTERM");
  expect(await command.finished).toMatchObject({ exitCode: 143, stdout: "ready\nlistening\nread again\nfirst SIGTERM\nINTERRUPTED stopped by SIGTERM\n" });
});

test("interruption: what is left is said as it fits the command", () => {
  const reason = new InterruptedError("SIGTERM");
  const ended = (command: CommandName | undefined, operands: readonly string[], thrown: unknown = new Error("broken")) =>
    whyEnded(thrown, AbortSignal.abort(reason), { command, operands });
  const hintOf = (command: CommandName | undefined, ...operands: string[]) => ended(command, operands).hint;
  expect(hintOf("restore")).toBe("Nothing was put in place; run it again.");
  for (const operands of [[], ["latest"]]) expect(hintOf("verify", ...operands)).toMatch(/^Results are stored /);
  for (const operand of ["./x.db", "-"]) expect(hintOf("verify", operand)).toBe("Nothing was stored; run it again.");
  for (const command of ["save", undefined] as const) expect(hintOf(command)).toBe("Nothing half done is listed; run it again.");
  expect(exitCodeFor(ended("restore", []))).toBe(143);
  // A command that has done something by then says so itself; what fails in it because of the signal does not.
  expect(ended("verify", [], withHint(reason, "It is stored."))).toMatchObject({ message: "stopped by SIGTERM", hint: "It is stored.", exitCode: 143 });
  expect(hintOf("save")).toBe(ended("save", [], new EtcdsafeError("INTERRUPTED", "the check was given up", { hint: "No." })).hint);
});

test("interruption: another signal a second later ends at once", async () => {
  const command = start("");
  await command.printed(/ready/);
  command.signal("SIGINT");
  await command.printed(/first/);
  await sleep(1_050);
  command.signal("SIGTERM");
  expect(await command.finished).toMatchObject({ exitCode: 143 });
});

const STOPS_SLOWLY = `interruption.signal.addEventListener("abort", () => setTimeout(() => {
  clearInterval(keepAlive);
  console.log("cleaned up");
  process.exitCode = interruption.signal.reason.exitCode;
}, 300));`;

test("interruption: a signal within the second is the first one again, and what it asked for goes on", async () => {
  const command = start(STOPS_SLOWLY);
  await command.printed(/ready/);
  command.signal("SIGINT");
  await command.printed(/first/);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) command.signal(signal);
  expect(await command.finished).toMatchObject({ exitCode: 130, stdout: "ready\nfirst SIGINT\ncleaned up\n" });
});

/** In the command line's process: says when a SIGINT comes, and stays for others that are on their way. */
const TELLS_SIGINT = `if (process.argv[1]?.endsWith("etcdsafe.js")) process.on("SIGINT", () => {
  process.stderr.write("delivered\\n");
  setTimeout(() => undefined, 700);
});`;

test("interruption: ^C on a terminal reaches a command below npm once, and stops it", async () => {
  await using server = await silentServer();
  await using directory = await temporaryDirectory("pty");
  const save = `save --output ${join(directory.path, "x.db")} --endpoints 127.0.0.1:${server.port} --dial-timeout 1m --command-timeout 1m`;
  const terminal = ["--quiet", "--return", "--command", `npm run -s etcdsafe -- ${save}`, "/dev/null"];
  const NODE_OPTIONS = `--import data:text/javascript,${encodeURIComponent(TELLS_SIGINT)}`;
  const command = startCommand("script", terminal, { cwd: ROOT, stdin: "open", env: { ...process.env, NODE_OPTIONS } });
  await server.asked;
  command.child.stdin?.write("\x03");
  const { exitCode, stdout } = await command.finished;
  expect(stdout.match(/delivered/g), stdout).toHaveLength(1);
  expect(stdout).toContain("code: INTERRUPTED (exit code 130");
  expect(exitCode).toBe(130);
});

/** It takes connections and never answers; `asked` resolves with the first one. */
async function silentServer() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const asked = new Promise((resolve) => server.once("connection", resolve));
  return { port: (server.address() as AddressInfo).port, asked, [Symbol.asyncDispose]: async () => void server.close() };
}
