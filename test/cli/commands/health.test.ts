// `health` against an agent that lives, stands still and is gone, and against what is none.
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAuthority } from "../../support/certificates.ts";
import { runCli, startCli } from "../../support/cli.ts";
import type { RunningCommand } from "../../support/command.ts";
import { expectFailure } from "../../support/failures.ts";
import { claimPorts, releasePorts } from "../../support/ports.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const NO_ETCD = ["--endpoints", "http://127.0.0.1:9"];
const directory = await temporaryDirectory("health");
const at = (name: string) => join(directory.path, name);
const ports = await claimPorts(3);
const [plain, secure, nobody] = ports as [number, number, number];
const started: RunningCommand[] = [];

/** Alive, whatever becomes of its saves. */
async function startAgent(...args: readonly string[]): Promise<RunningCommand> {
  const agent = startCli(["agent", ...NO_ETCD, "--repository", at("repository"), ...args], { limitMs: 120_000 });
  started.push(agent);
  await agent.printed(/answers at http/);
  return agent;
}

let web: Server;
let webRequests = 0;
let webStatus = 500;
beforeAll(async () => {
  web = createServer((_, answer) => {
    webRequests++;
    answer.writeHead(webStatus).end("ok\n");
  }).listen(0, "127.0.0.1");
  await once(web, "listening");
});
afterAll(async () => {
  for (const { signal, finished } of started) {
    signal("SIGKILL");
    await finished.catch(() => undefined);
  }
  web.close();
  web.closeAllConnections();
  await releasePorts(ports);
  await directory.remove();
});
const webPort = () => (web.address() as AddressInfo).port;

test("health: an agent that cannot reach etcd is alive, one that stands still or is gone is not, and the container's last words stay another's", async () => {
  await writeFile(at("agent.yaml"), `listen: :${plain}\nsave-schedule: "@yearly"\n`);
  const agent = await startAgent("--config", at("agent.yaml"));
  const asked = await runCli(["health"], { env: { ETCDSAFE_LISTEN: `:${plain}` } });
  expect(asked).toMatchObject({ exitCode: 0, stderr: "", stdout: `The agent at http://127.0.0.1:${plain}/healthz is alive.\n` });
  const process = String(agent.pid);
  const document = { url: `http://127.0.0.1:${plain}/healthz`, command: "agent" };
  expect(JSON.parse((await runCli(["health", process, "-o", "json"])).stdout)).toEqual(document);
  // It goes on with what it has read.
  await writeFile(at("agent.yaml"), `listen: :${plain}\nsave-schedule: 1\nno-such-option: 1\n`);
  for (const whom of [["--config", at("agent.yaml")], [process]]) expect(await runCli(["health", ...whom])).toMatchObject({ exitCode: 0, stderr: "" });

  await writeFile(at("termination-log"), "before");
  agent.signal("SIGSTOP");
  const env = { ETCDSAFE_TERMINATION_LOG: at("termination-log") };
  expectFailure("AGENT_UNHEALTHY", await runCli(["health", process, "--listen", `127.0.0.1:${plain}`], { env, limitMs: 20_000 }), {
    message: /no answer within 5 s/,
  });
  expect(await readFile(at("termination-log"), "utf8")).toBe("before");
  agent.signal("SIGCONT");
  expect((await runCli(["health", process])).exitCode).toBe(0);
  agent.signal("SIGTERM");
  expect((await agent.finished).exitCode).toBe(0);
  expectFailure("AGENT_UNHEALTHY", await runCli(["health", process]), { message: new RegExp(`process ${process}: there is none`) });
  expectFailure("AGENT_UNHEALTHY", await runCli(["health", "--listen", `0.0.0.0:${plain}`]), { message: /connect ECONNREFUSED 127\.0\.0\.1/ });
  // That an agent could tell nobody keeps it from nothing.
  await writeFile(at("agent.yaml"), `textfile: metrics.txt\n`);
  expectFailure("AGENT_UNHEALTHY", await runCli(["health", "--config", at("agent.yaml")]), { message: /127\.0\.0\.1:9379/ });
  // Nobody knows what is meant.
  await writeFile(at("agent.yaml"), `listen: here\nsave-schedule: "@yearly"\n`);
  expectFailure("CONFIG_INVALID", await runCli(["health", "--config", at("agent.yaml")]), { message: /agent\.yaml:1: listen/ });
});

test("health: over TLS, whatever name is in the certificate, as the agent's own arguments say", async () => {
  const authority = await createAuthority(at("certificates"));
  const { cert, key } = await authority.issue({ name: "agent", hosts: ["agent.example.org"], validDays: { from: -3, to: -1 } });
  const listen = ["--listen", `127.0.0.1:${secure}`, "--listen-cert", cert, "--listen-key", key];
  const agent = await startAgent(...listen);
  const alive = { exitCode: 0, stderr: "", stdout: `The agent at https://127.0.0.1:${secure}/healthz is alive.\n` };
  expect(await runCli(["health", ...listen])).toMatchObject(alive);
  expect(await runCli(["health", String(agent.pid)])).toMatchObject(alive);
  expectFailure("AGENT_UNHEALTHY", await runCli(["health", ...listen.slice(0, 2)]), { message: new RegExp(`http://127\\.0\\.0\\.1:${secure}/healthz: `) });
});

test("health: another status is no sign of life, and no proxy is asked in the agent's place", async () => {
  expectFailure("AGENT_UNHEALTHY", await runCli(["health", "--listen", `127.0.0.1:${webPort()}`]), { message: /HTTP status 500$/ });
  webStatus = 200;
  const before = webRequests;
  const proxy = `http://127.0.0.1:${webPort()}`;
  const env = { HTTP_PROXY: proxy, http_proxy: proxy, HTTPS_PROXY: proxy, https_proxy: proxy, NODE_USE_ENV_PROXY: "1", ETCDSAFE_LISTEN: `127.0.0.1:${nobody}` };
  expectFailure("AGENT_UNHEALTHY", await runCli(["health"], { env }), { message: /ECONNREFUSED/ });
  expect(webRequests).toBe(before);
});

test("health: a server that goes on in another protocol is no agent", async () => {
  const other = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: another\r\n\r\n"));
  }).listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  expectFailure("AGENT_UNHEALTHY", await runCli(["health", "--listen", `127.0.0.1:${port}`]), { message: /closed without an answer/ });
  other.close();
});

test("health: a process that does something else is alive; one of another program says nothing about where the agent is", async () => {
  const save = startCli(["save", ...NO_ETCD, "--repository", at("repository"), "--jitter", "24h"]);
  started.push(save);
  await save.printed(/beginning in/);
  const running = await runCli(["health", String(save.pid), "-o", "json"]);
  expect([running.exitCode, JSON.parse(running.stdout)]).toEqual([0, { url: null, command: "save" }]);
  expect((await runCli(["health", String(save.pid)])).stdout).toBe(`Process ${save.pid} is no agent but \`save\`, and alive as long as it runs.\n`);
  const env = { ETCDSAFE_LISTEN: `127.0.0.1:${nobody}` };
  expectFailure("AGENT_UNHEALTHY", await runCli(["health", String(process.pid)], { env }), { message: /ECONNREFUSED/ });
  for (const operand of ["0", "agent", "1e3"])
    expectFailure("USAGE", await runCli(["health", operand]), { message: new RegExp(`"${operand}" is no process's number`) });
  expectFailure("USAGE", await runCli(["health", "--listen", "here"]), { message: /--listen/ });
});
