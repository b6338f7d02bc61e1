// fake-gcs-server on a free loopback port, its objects in memory. What it does otherwise than the real one: it takes any checksum and any
// KMS key, has no retention or holds, and forgets nothing of an upload that was cancelled.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { provisionFakeGcsServer } from "../../scripts/provision/fake-gcs-server.ts";
import { claimPorts, releasePorts } from "./ports.ts";

export interface FakeGcsServer extends AsyncDisposable {
  readonly url: string;
  createBucket(name: string, options?: { readonly versioned?: boolean }): Promise<void>;
  stop(): Promise<void>;
}

const START_LIMIT_MS = 20_000;

export async function startFakeGcsServer(): Promise<FakeGcsServer> {
  const binary = await provisionFakeGcsServer();
  const [port] = (await claimPorts(1)) as [number];
  const url = `http://127.0.0.1:${port}`;
  const args = [
    "-backend",
    "memory",
    "-scheme",
    "http",
    "-host",
    "127.0.0.1",
    "-port",
    String(port),
    "-external-url",
    url,
    "-public-host",
    `127.0.0.1:${port}`,
  ];
  const child = spawn(binary, [...args, "-log-level", "error"], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4_000);
  });
  const exited = once(child, "exit");
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await exited;
    await releasePorts([port]);
  };
  for (const giveUpAt = performance.now() + START_LIMIT_MS; ; await sleep(20)) {
    if (await isUp(url)) break;
    if (child.exitCode === null && performance.now() < giveUpAt) continue;
    await stop();
    throw new Error(`fake-gcs-server did not start: ${said}`);
  }
  return {
    url,
    stop,
    [Symbol.asyncDispose]: stop,
    createBucket: async (name, { versioned = false } = {}) => {
      const body = JSON.stringify({ name, versioning: { enabled: versioned } });
      const answer = await fetch(`${url}/storage/v1/b?project=test`, { method: "POST", body, headers: { "content-type": "application/json" } });
      if (!answer.ok) throw new Error(`no bucket ${name}: ${answer.status} ${await answer.text()}`);
    },
  };
}

function isUp(url: string): Promise<boolean> {
  return fetch(`${url}/_internal/healthcheck`).then(
    (answer) => answer.ok,
    () => false,
  );
}
