// Free loopback ports for servers that several test processes start at the same time. They lie below the range from which the
// kernel takes ports for outgoing connections, and a file per port keeps two test processes apart until the server is over.
import { mkdir, open, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PORT_MIN = 20_000;
const PORT_MAX = 32_000;
const claims = join(tmpdir(), "etcdsafe-test-ports");

/** Claims `count` ports of 127.0.0.1 that nothing listens on; give them back with `releasePorts`. */
export async function claimPorts(count: number): Promise<number[]> {
  await mkdir(claims, { recursive: true });
  const ports: number[] = [];
  const start = Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
  for (let step = 0; ports.length < count; step++) {
    if (step === PORT_MAX - PORT_MIN) throw new Error(`no ${count} free ports between ${PORT_MIN} and ${PORT_MAX}; look into ${claims}`);
    const port = PORT_MIN + ((start + step) % (PORT_MAX - PORT_MIN));
    if (!(await claim(port))) continue;
    if (await canListen(port)) ports.push(port);
    else await releasePorts([port]);
  }
  return ports;
}

export async function releasePorts(ports: readonly number[]): Promise<void> {
  await Promise.all(ports.map((port) => rm(join(claims, String(port)), { force: true })));
}

async function claim(port: number): Promise<boolean> {
  const path = join(claims, String(port));
  const file = await open(path, "wx").catch(() => undefined);
  if (file !== undefined) {
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  }
  const owner = Number(await readFile(path, "utf8").catch(() => ""));
  if (owner > 0 && !isAlive(owner)) await rm(path, { force: true }); // Of a process that was killed: free for the next who asks.
  return false;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
