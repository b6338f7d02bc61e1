// versitygw, an S3 server over a directory, for one test file: started with bounded waits on a free port, ended by its own process id.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from "@aws-sdk/client-s3";
import { provisionVersitygw } from "../../scripts/provision/versitygw.ts";
import { DEFAULT_SETTINGS, type S3Settings, type StorageSettings } from "../../src/storage/settings.ts";
import type { CertificateFiles } from "./certificates.ts";
import { claimPorts, releasePorts } from "./ports.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

export interface S3Server {
  readonly url: string;
  /** For tests that make it hang. */
  readonly pid: number;
  readonly keys: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** With the user's own rights; path style, as all local servers need. */
  readonly client: S3Client;
  /** In the environment the SDK's own chain finds the keys. */
  readonly env: Readonly<Record<string, string>>;
  /** A new bucket of this kind; gives its name. */
  createBucket(kind?: "plain" | "versioned" | "locking"): Promise<string>;
  stop(): Promise<void>;
}

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 10_000;
const KEYS = { accessKeyId: "etcdsafe-test", secretAccessKey: "etcdsafe-test-secret" };
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export interface S3ServerOptions {
  readonly tls?: CertificateFiles & { readonly caFile: string };
  /** Its objects lie on a file system of this size, which only it sees. */
  readonly objectsSizeBytes?: number;
}

export async function startVersitygw({ tls, objectsSizeBytes }: S3ServerOptions = {}): Promise<S3Server> {
  const binary = await provisionVersitygw();
  const directory = await temporaryDirectory("s3");
  const [port] = (await claimPorts(1)) as [number];
  const [objects, versions, logPath] = [join(directory.path, "objects"), join(directory.path, "versions"), join(directory.path, "log")];
  await Promise.all([mkdir(objects), mkdir(versions)]);
  const log = openSync(logPath, "a");
  const certificate = tls === undefined ? [] : ["--cert", tls.cert, "--key", tls.key];
  const args = ["--port", `127.0.0.1:${port}`, "--keep-alive", "--quiet", ...certificate, "posix", "--versioning-dir", versions, objects];
  const env = { ...process.env, ROOT_ACCESS_KEY: KEYS.accessKeyId, ROOT_SECRET_KEY: KEYS.secretAccessKey };
  const mounted = [
    "--mount",
    "--",
    "sh",
    "-c",
    'mount -t tmpfs -o "size=$1" tmpfs "$2" && shift 2 && exec "$@"',
    "sh",
    String(objectsSizeBytes),
    objects,
    binary,
  ];
  const [program, ...programArgs] =
    objectsSizeBytes === undefined ? [binary] : ["unshare", ...(process.getuid?.() === 0 ? [] : ["--map-root-user"]), ...mounted];
  const child = spawn(program!, [...programArgs, ...args], { env, stdio: ["ignore", log, log] });
  closeSync(log);
  running.add(child);
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  }).finally(() => running.delete(child));
  const url = `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`;
  const requestHandler = tls === undefined ? {} : { httpsAgent: { ca: await readFile(tls.caFile) } };
  const client = new S3Client({ endpoint: url, region: "us-east-1", forcePathStyle: true, credentials: KEYS, requestHandler });
  const stop = async () => {
    client.destroy();
    child.kill("SIGTERM");
    await Promise.race([ended, sleep(STOP_LIMIT_MS, undefined, { ref: false })]);
    child.kill("SIGKILL");
    await ended;
    await releasePorts([port]);
    await directory.remove();
  };
  try {
    await answering(port, child);
  } catch (error) {
    const printed = await readFile(logPath, "utf8");
    await stop();
    throw new Error(`versitygw did not start: ${(error as Error).message}:\n${printed}`);
  }
  let buckets = 0;
  return {
    url,
    pid: child.pid!,
    keys: KEYS,
    client,
    env: { AWS_ACCESS_KEY_ID: KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey, AWS_REGION: "us-east-1" },
    createBucket: async (kind = "plain") => {
      const name = `bucket-${++buckets}`;
      await client.send(new CreateBucketCommand({ Bucket: name, ObjectLockEnabledForBucket: kind === "locking" }));
      if (kind === "versioned") await client.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration: { Status: "Enabled" } }));
      return name;
    },
    stop,
  };
}

/** For openS3Storage; the credentials come by the environment. */
export function s3Settings(url: string, s3: Partial<S3Settings> = {}, connection: Partial<StorageSettings["connection"]> = {}): StorageSettings {
  return {
    ...DEFAULT_SETTINGS,
    connection: { ...DEFAULT_SETTINGS.connection, ...connection },
    s3: { ...DEFAULT_SETTINGS.s3, endpoint: url, pathStyle: true, region: "us-east-1", ...s3 },
  };
}

async function answering(port: number, child: ChildProcess): Promise<void> {
  for (const startedMs = performance.now(); performance.now() - startedMs < START_LIMIT_MS; await sleep(20)) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("it ended");
    if (await canConnect(port)) return;
  }
  throw new Error(`nothing answered within ${START_LIMIT_MS} ms`);
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
