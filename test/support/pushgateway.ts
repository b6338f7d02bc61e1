// The real Pushgateway on a free loopback port, its groups in memory.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { provisionPushgateway } from "../../scripts/provision/pushgateway.ts";
import { claimPorts, releasePorts } from "./ports.ts";

export interface Pushgateway extends AsyncDisposable {
  readonly url: string;
  /** What Prometheus would scrape. */
  scrape(): Promise<string>;
  stop(): Promise<void>;
}

const START_LIMIT_MS = 20_000;
const ANSWER_LIMIT_MS = 10_000;

/** `routePrefix` ("/push"): below which path of the URL it answers. */
export async function startPushgateway({ routePrefix = "" } = {}): Promise<Pushgateway> {
  const binary = await provisionPushgateway();
  const [port] = (await claimPorts(1)) as [number];
  const args = [`--web.listen-address=127.0.0.1:${port}`, "--log.level=error", ...(routePrefix === "" ? [] : [`--web.route-prefix=${routePrefix}`])];
  const child = spawn(binary, args, { stdio: ["ignore", "ignore", "pipe"] });
  const kill = () => child.kill("SIGKILL");
  process.on("exit", kill);
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4_000);
  });
  const exited = once(child, "exit");
  const url = `http://127.0.0.1:${port}${routePrefix}`;
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) kill();
    await exited;
    process.off("exit", kill);
    await releasePorts([port]);
  };
  for (const giveUpAt = performance.now() + START_LIMIT_MS; ; await sleep(20)) {
    if (await isUp(url)) break;
    if (child.exitCode === null && performance.now() < giveUpAt) continue;
    await stop();
    throw new Error(`pushgateway did not start: ${said}`);
  }
  const scrape = async () => {
    const answer = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
    return answer.text();
  };
  return { url, scrape, stop, [Symbol.asyncDispose]: stop };
}

function isUp(url: string): Promise<boolean> {
  return fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) }).then(
    (answer) => answer.ok,
    () => false,
  );
}
