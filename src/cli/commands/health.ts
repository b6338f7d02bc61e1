// `etcdsafe health`: for whoever starts an agent again that does not answer any more, and has no way to send a request, as in a container without a shell.
import { readFile } from "node:fs/promises";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { type Config, readConfig } from "../../config/config.ts";
import { throwFaults } from "../../config/config-error.ts";
import { isAboutTelling } from "../../config/reporting-options.ts";
import { whyUnreadable } from "../../config/unreadable.ts";
import { EtcdsafeError } from "../../errors.ts";
import { listenOptions } from "../agent-settings.ts";
import type { Invocation } from "../command.ts";
import { type ParsedArguments, parseArguments } from "../program.ts";
import { version } from "../version.ts";

const ANSWER_LIMIT_MS = 5_000;
const ALL_ADDRESSES = /^(0\.0\.0\.0|[0:]+)$/;
const LAUNCHER = /(^|\/)etcdsafe(\.js)?$/;

/** Throws AGENT_UNHEALTHY; USAGE and CONFIG_INVALID where it cannot be told whom to ask. */
export async function run({ operands, flags, faults, environment, output, signal }: Invocation): Promise<number> {
  throwFaults(faults.filter(({ origin }) => origin.kind !== "file"));
  const asked = operands[0] === undefined ? undefined : await argumentsOf(operands[0]);
  const command = asked?.command ?? "agent";
  if (command !== "agent") {
    output.print({ url: null, command }, () => `Process ${operands[0]} is no agent but \`${command}\`, and alive as long as it runs.`);
    return 0;
  }
  // What is typed here counts more than what was typed there.
  const read = await readConfig({ command, flags: new Map([...(asked?.flags ?? []), ...flags]), environment });
  const url = healthUrl(read.config);
  await requireAlive(url, signal).catch((error: unknown) => {
    // An agent goes on with the configuration that it has when its file is spoilt: that is to blame only where it may have said whom to ask.
    if (read.config.origin("listen").kind === "default") throwFaults(read.faults.filter((fault) => !isAboutTelling(fault)));
    throw error;
  });
  output.print({ url, command }, () => `The agent at ${url} is alive.`);
  return 0;
}

/** What an etcdsafe was started with; undefined where the process is none, as a shell around it, or the one that a container's engine puts before it. */
async function argumentsOf(processId: string): Promise<ParsedArguments | undefined> {
  if (!/^[1-9]\d{0,9}$/.test(processId)) throw new EtcdsafeError("USAGE", `${JSON.stringify(processId)} is no process's number`);
  const text = await readFile(`/proc/${processId}/cmdline`, "utf8").catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === "ENOENT" ? "there is none" : whyUnreadable(cause);
    throw new EtcdsafeError("AGENT_UNHEALTHY", `process ${processId}: ${why}`, { cause });
  });
  const words = text.split("\0").slice(0, -1);
  const launcher = words.findIndex((word) => LAUNCHER.test(word));
  try {
    return launcher < 0 ? undefined : parseArguments(words.slice(launcher + 1), version(), () => undefined);
  } catch {
    return undefined; // Another program's, which only names one of ours.
  }
}

/** Who listens at all addresses of this host is asked at that which never leaves it. */
function healthUrl(config: Config): string {
  const { host, port, tls } = listenOptions(config);
  const asked = ALL_ADDRESSES.test(host) ? "127.0.0.1" : host;
  return `${tls === undefined ? "http" : "https"}://${asked.includes(":") ? `[${asked}]` : asked}:${port}/healthz`;
}

async function requireAlive(url: string, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.timeout(ANSWER_LIMIT_MS);
  const status = await statusOf(url, AbortSignal.any([signal, limit])).catch((error: Error) => {
    signal.throwIfAborted();
    const why = limit.aborted ? `no answer within ${ANSWER_LIMIT_MS / 1000} s` : error.message;
    throw new EtcdsafeError("AGENT_UNHEALTHY", `the agent at ${url}: ${why}`, { cause: error });
  });
  if (status !== 200) throw new EtcdsafeError("AGENT_UNHEALTHY", `the agent at ${url}: HTTP status ${status}`);
}

function statusOf(url: string, signal: AbortSignal): Promise<number> {
  const begin = url.startsWith("https:") ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    // A connection of its own: none that the environment leads through a proxy. The name in the certificate is that by which others reach the agent, and
    // whoever could answer in its place at this host's address learns nothing, and pretends no more than to be alive.
    const request = begin(url, { agent: false, rejectUnauthorized: false, signal });
    request.on("error", reject).on("response", (answer) => {
      resolve(answer.statusCode ?? 0);
      answer.destroy();
    });
    // All that comes after a server that goes on in another protocol (status 101).
    request.on("close", () => reject(new Error("the connection was closed without an answer")));
    request.end();
  });
}
