// Azurite's blob service on a free loopback port, its objects in a temporary directory. What it does otherwise than the real one: it knows no versions, no
// immutability and no encryption scopes, and takes any API version (its own check is switched off, since the SDK is newer).
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { NODE } from "./cli.ts";
import { claimPorts, releasePorts } from "./ports.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

export interface Azurite extends AsyncDisposable {
  /** With the account in its path. */
  readonly url: string;
  readonly account: string;
  readonly key: string;
  createContainer(name: string): Promise<void>;
  stop(): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL("../../node_modules/azurite/dist/src/blob/main.js", import.meta.url));
/** The one account that Azurite has, public knowledge: https://learn.microsoft.com/azure/storage/common/storage-use-azurite */
const ACCOUNT = "devstoreaccount1";
const KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const START_LIMIT_MS = 60_000;

/** `tls`: its certificate; tokens are asked for then (any is taken), as over HTTP none would be sent. */
export async function startAzurite(tls?: { readonly cert: string; readonly key: string }): Promise<Azurite> {
  const directory = await temporaryDirectory("azurite");
  const [port] = (await claimPorts(1)) as [number];
  const options = ["--blobHost", "127.0.0.1", "--blobPort", String(port), "--location", directory.path];
  const secure = tls === undefined ? [] : ["--cert", tls.cert, "--key", tls.key, "--oauth", "basic"];
  const args = [PROGRAM, ...options, ...secure, "--silent", "--skipApiVersionCheck", "--disableTelemetry"];
  const child = spawn(NODE, args, { stdio: ["ignore", "pipe", "pipe"], cwd: directory.path });
  let said = "";
  for (const output of [child.stdout, child.stderr]) output.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)));
  const exited = once(child, "exit");
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await exited;
    await releasePorts([port]);
    await directory.remove();
  };
  for (const giveUpAt = performance.now() + START_LIMIT_MS; !said.includes("successfully listen"); await sleep(20)) {
    if (child.exitCode === null && performance.now() < giveUpAt) continue;
    await stop();
    throw new Error(`Azurite did not start: ${said}`);
  }
  const url = `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}/${ACCOUNT}`;
  return {
    url,
    account: ACCOUNT,
    key: KEY,
    stop,
    [Symbol.asyncDispose]: stop,
    createContainer: async (name) => {
      const { ContainerClient, StorageSharedKeyCredential } = await import("@azure/storage-blob");
      await new ContainerClient(`${url}/${name}`, new StorageSharedKeyCredential(ACCOUNT, KEY)).create();
    },
  };
}
