// A signal to npm, or to scripts/run.mjs, reaches the command that they have started.
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { NODE } from "../support/cli.ts";
import { startCommand } from "../support/command.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Starts a save that waits for an etcd which says nothing, signals who was started, and tells the exit code when the connection has ended. */
async function stopped(file: string, args: readonly string[], signal: NodeJS.Signals): Promise<number | null> {
  const connected = Promise.withResolvers<Socket>();
  const server = createServer((socket) => connected.resolve(socket.on("error", () => undefined).resume())).listen(0, "127.0.0.1");
  try {
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const save = ["save", "--endpoints", `127.0.0.1:${port}`, "--dial-timeout", "1m", "--output", "/dev/null/never"];
    const { child, finished } = startCommand(file, [...args, ...save], { cwd: ROOT });
    const socket = await connected.promise;
    const ended = once(socket, "close", { signal: AbortSignal.timeout(10_000) });
    ended.catch(() => undefined); // Awaited below.
    child.kill(signal);
    const { exitCode } = await finished;
    await ended;
    return exitCode;
  } finally {
    server.close();
    (await Promise.race([connected.promise, undefined]))?.destroy(); // A command that runs on ends by that.
  }
}

test.each([
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const)(
  "npm run: %s to npm stops the command",
  async (signal, exitCode) => {
    expect(await stopped("npm", ["run", "-s", "etcdsafe", "--"], signal)).toBe(exitCode);
  },
  20_000,
);

test.each([
  ["SIGTERM", 143],
  ["SIGINT", 130],
  ["SIGHUP", 129],
] as const)(
  "run.mjs: without a terminal, %s is passed on to the command",
  async (signal, exitCode) => {
    expect(await stopped(NODE, ["scripts/run.mjs", "cli"], signal)).toBe(exitCode);
  },
  20_000,
);
